//! `innovation doctor`, `preflight`, `audit security` and `gate`: each asks one set of checks, reports to people and programs, and
//! answers by its exit code.

use std::{collections::HashSet, process::ExitCode};

use chrono::TimeDelta;
use pipeline::clock::{Clock as _, Timestamp};
use storage::control_plane::{Waiver, Waivers as _};

use super::{
    exit::{EXIT_COULD_NOT_CHECK, EXIT_USAGE, EXIT_WARNINGS},
    output::{fail, put_json, say},
};
use crate::{
    checks::{
        check::{Check, Severity, Verdict},
        deps::CheckDeps,
        of_problems,
        report::{Answered, Conclusion, Line, Report},
        run::{self, LIMIT},
        sets,
        waive::{self, Acceptance, DAYS_MAX},
    },
    config::Problems,
};
use foundation::clock::SystemClock;

/// The options of a command that checks.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Exit code 2 if there are warnings
    #[arg(long)]
    strict: bool,
    /// Also show each check that passes
    #[arg(long)]
    verbose: bool,
    /// Accept a failed check for seven days, and say why; the audit keeps it
    #[arg(long, value_name = "ID=REASON")]
    accept: Vec<Acceptance>,
    /// Accept until then, for example 2026-12-08T00:00:00Z
    #[arg(long, value_name = "TIME", requires = "accept")]
    accept_until: Option<Timestamp>,
}

/// A command that asks one set of checks.
#[derive(Debug, Clone, Copy)]
pub struct CheckCommand {
    /// As it is typed.
    name: &'static str,
    /// The question that the checks answer, for people.
    question: &'static str,
    checks: fn(&CheckDeps) -> Vec<Check>,
}

/// Asks what is wrong here.
pub const DOCTOR: CheckCommand =
    CheckCommand { name: "doctor", question: "does this installation work?", checks: sets::doctor };

/// Asks everything that a deployment depends on.
pub const PREFLIGHT: CheckCommand =
    CheckCommand { name: "preflight", question: "may this be deployed here now?", checks: sets::preflight };

/// Rights, keys, secrets, connections and routes.
pub const AUDIT_SECURITY: CheckCommand = CheckCommand {
    name: "audit security",
    question: "is this installation closed to strangers?",
    checks: sets::security,
};

/// Asks everything that production depends on.
pub const GATE: CheckCommand =
    CheckCommand { name: "gate", question: "may this go to production?", checks: sets::gate };

/// Asks the checks of a command, and reports. Without a configuration, it reports what is wrong with the environment.
pub async fn run(command: CheckCommand, args: &CheckArgs, deps: Result<CheckDeps, Problems>) -> ExitCode {
    let deps = match deps {
        Ok(deps) => deps,
        Err(problems) => return report_problems(command, args, &problems),
    };
    let checks = (command.checks)(&deps);
    if let Err(code) = accept(args, &checks, &deps).await {
        return code;
    }
    let (answers, waivers) = tokio::join!(run::run(checks, &deps.clock), waivers(&deps));
    finish(command, args, &Report::new(answers, waivers, deps.clock.now()))
}

/// Reports that the environment is so wrong that no other check can run.
fn report_problems(command: CheckCommand, args: &CheckArgs, problems: &Problems) -> ExitCode {
    let finding = of_problems(problems, "a service");
    let check = Check::new("configuration", "The environment is valid", Severity::Critical, {
        let finding = finding.clone();
        move || std::future::ready(finding.clone())
    });
    let answer = Answered { check, finding, elapsed: std::time::Duration::ZERO };
    let report = Report::new(vec![answer], Ok(Vec::new()), SystemClock::default().now());
    say("innovation: the other checks need a configuration; correct this first");
    finish(command, args, &report)
}

/// Stores what the operator accepts. The error is the exit code.
async fn accept(args: &CheckArgs, checks: &[Check], deps: &CheckDeps) -> Result<(), ExitCode> {
    if args.accept.is_empty() {
        return Ok(());
    }
    let ids: HashSet<&str> = checks.iter().map(|check| check.id).collect();
    if let Some(unknown) = args.accept.iter().find(|one| !ids.contains(one.check_id.as_str())) {
        let mut known: Vec<&str> = ids.into_iter().collect();
        known.sort_unstable();
        say(&format!("innovation: no check has the id {:?}; ids are {}", unknown.check_id, known.join(", ")));
        return Err(ExitCode::from(EXIT_USAGE));
    }
    let now = deps.clock.now();
    let until = args.accept_until.unwrap_or_else(|| waive::default_end(now));
    if until <= now || until > now + TimeDelta::days(DAYS_MAX) {
        say(&format!("innovation: --accept-until must be a time within the next {DAYS_MAX} days"));
        return Err(ExitCode::from(EXIT_USAGE));
    }
    let Some(database) = &deps.database else {
        say("innovation: a waiver is stored in the database, and DATABASE_URL is not set");
        return Err(ExitCode::from(EXIT_COULD_NOT_CHECK));
    };
    let deployment = deps.config.process.deployment.as_deref();
    let accepted = waive::accept(database.as_ref(), &args.accept, until, now, deployment).await;
    accepted.map_err(|error| {
        let _ = fail(&format!(
            "the waiver could not be stored, so nothing is accepted: {error}; try again when the database takes writes"
        ));
        ExitCode::from(EXIT_COULD_NOT_CHECK)
    })
}

async fn waivers(deps: &CheckDeps) -> Result<Vec<Waiver>, String> {
    let Some(database) = &deps.database else { return Ok(Vec::new()) };
    match tokio::time::timeout(LIMIT, database.current()).await {
        Ok(Ok(waivers)) => Ok(waivers),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
    }
}

fn finish(command: CheckCommand, args: &CheckArgs, report: &Report) -> ExitCode {
    if args.json {
        put_json(&report.json(command.name));
    }
    show(command.question, args.verbose, report);
    match report.conclusion() {
        Conclusion::Failed => ExitCode::FAILURE,
        Conclusion::CouldNotCheck => ExitCode::from(EXIT_COULD_NOT_CHECK),
        Conclusion::Warnings if args.strict => ExitCode::from(EXIT_WARNINGS),
        Conclusion::Warnings | Conclusion::Ok => ExitCode::SUCCESS,
    }
}

/// One line a check, failures first, and the next command below.
fn show(question: &str, is_verbose: bool, report: &Report) {
    let passed = |line: &&Line| line.finding.verdict == Verdict::Ok;
    for line in report.lines.iter().filter(|line| is_verbose || !passed(line)) {
        show_line(line);
    }
    let names: Vec<&str> = report.lines.iter().filter(passed).map(|line| line.id).collect();
    if !is_verbose && !names.is_empty() {
        say(&format!("ok      {} checks: {}", names.len(), names.join(", ")));
    }
    if let Some(reason) = &report.waivers_unknown {
        say(&format!("no waiver counts, because they cannot be read: {reason}"));
    }
    let count = |verdict| report.counted(verdict).count();
    let (failed, unknown, warnings) =
        (count(Verdict::Fail), count(Verdict::CouldNotCheck), count(Verdict::Warn));
    let answer = match report.conclusion() {
        Conclusion::Ok => "yes",
        Conclusion::Failed => "no",
        Conclusion::Warnings => "yes, with warnings",
        Conclusion::CouldNotCheck => "unknown",
    };
    say(&format!(
        "{question} {answer}: {failed} failed, {unknown} could not be checked, {warnings} with a warning, of {} checks",
        report.lines.len()
    ));
}

fn show_line(line: &Line) {
    let word = match (line.finding.verdict, &line.waiver) {
        (_, Some(_)) => "waived",
        (Verdict::Ok, None) => "ok",
        (Verdict::Warn, None) => "warn",
        (Verdict::Fail, None) => "FAIL",
        (Verdict::CouldNotCheck, None) => "unknown",
    };
    say(&format!("{word:<7} {:<19} {}", line.id, line.finding.evidence));
    if let Some(Waiver { reason, actor, expires_at, .. }) = &line.waiver {
        say(&format!("        accepted by {actor} until {}: {reason}", expires_at.to_rfc3339()));
        return;
    }
    for next in &line.finding.next {
        say(&format!("        next: {next}"));
    }
}
