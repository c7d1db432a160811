//! The environment: everything that is wrong with it, at once.

use serde_json::json;

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
};
use crate::config::{Problem, Problems};

/// The environment is valid for a service.
pub(super) fn here(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("configuration", "The environment is valid for a service", Severity::Critical, move || {
        let finding = finding(deps.problems.here.as_ref(), &deps, "a service");
        async move { finding }
    })
}

/// The environment is valid for production.
pub(super) fn in_production(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("configuration", "The environment is valid for production", Severity::Critical, move || {
        let finding = finding(deps.problems.in_production.as_ref(), &deps, "production");
        async move { finding }
    })
}

fn finding(problems: Option<&Problems>, deps: &CheckDeps, purpose: &str) -> Finding {
    match problems {
        Some(problems) => of_problems(problems, purpose),
        None if deps.config.warnings.is_empty() => {
            Finding::ok(format!("the environment is valid for {purpose}"))
        }
        None => Finding::warn(format!(
            "the environment is valid for {purpose}, with {} warnings: {}",
            deps.config.warnings.len(),
            deps.config.warnings.join("; ")
        ))
        .with(json!({ "warnings": deps.config.warnings })),
    }
}

/// The finding for a wrong environment: every problem, and a line to paste for each.
#[must_use]
pub fn of_problems(problems: &Problems, purpose: &str) -> Finding {
    let of = |Problem { variable, what, .. }: &Problem| format!("{variable} {what}");
    let evidence = problems.0.iter().map(of).collect::<Vec<_>>().join("; ");
    let listed: Vec<_> = problems
        .0
        .iter()
        .map(|problem| json!({ "variable": problem.variable, "problem": problem.what, "example": problem.example }))
        .collect();
    let lines = problems.0.iter().map(line);
    let count = match problems.0.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    Finding::fail(format!("{count} for {purpose}: {evidence}"))
        .with(json!({ "problems": listed }))
        .next_all(lines)
}

/// The line to paste for a problem.
fn line(Problem { variable, what, example }: &Problem) -> String {
    // An example of a key is refused as a key.
    if what.contains("openssl rand") {
        return format!("{variable}=$(openssl rand -hex 32)");
    }
    // The example of a secret names the command that makes one.
    if let [text, command, ..] = example.split('`').collect::<Vec<_>>()[..] {
        let prefix = text.split_once(" followed by").map_or("", |(prefix, _)| prefix);
        return format!("{variable}={prefix}$({command})");
    }
    match variable.starts_with('.') {
        true => (*example).to_owned(),
        false => format!("{variable}={example}"),
    }
}
