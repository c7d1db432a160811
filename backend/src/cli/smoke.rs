//! `innovation smoke URL`: walks the golden path of a running service.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use secrecy::SecretString;
use serde_json::json;

use super::{
    exit::{EXIT_COULD_NOT_CHECK, EXIT_USAGE},
    output::{fail, put_json, say},
};
use crate::{
    checks::{confirm, deps::CheckDeps},
    config::Problems,
    smoke::{Mission, SmokeClient, walk},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The service, for example https://app.example.com
    #[arg(value_name = "URL")]
    url: String,
    /// The environment variable that holds an operator's key
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// The brand of the run [default: the service's first]
    #[arg(long, value_name = "ID")]
    brand: Option<String>,
    /// How long the run may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    limit: u64,
    /// Record the report in the database of DATABASE_URL, as evidence for `innovation gate`
    #[arg(long)]
    record: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Walks the path and shows the report. Exit code 0 if every step passed, 1 if one failed, 3 if the service did not answer or
/// the report could not be recorded.
pub async fn run(
    args: Args,
    deps: Result<CheckDeps, Problems>,
    variables: &BTreeMap<String, String>,
) -> ExitCode {
    let deps = match deps {
        Ok(deps) => deps,
        Err(problems) => return fail(&problems),
    };
    let key = match &args.key_env {
        None => None,
        Some(name) => match variables.get(name).filter(|key| !key.trim().is_empty()) {
            Some(key) => Some(SecretString::from(key.trim())),
            None => {
                say(&format!("innovation: {name} is not set; set it to an operator's key"));
                return ExitCode::from(EXIT_USAGE);
            }
        },
    };
    let extra_ca_file = deps.config.documents.extra_ca_file.as_deref();
    let client = match SmokeClient::new(&args.url, key.as_ref(), extra_ca_file) {
        Ok(client) => client,
        Err(error) => {
            say(&format!("innovation: {error}"));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let mission = walk(&client, &deps.clock, args.brand, Duration::from_secs(args.limit)).await;
    if args.json {
        put_json(&json!(mission));
    }
    show(&mission);
    if args.record && !record(&mission, &deps).await {
        return ExitCode::from(EXIT_COULD_NOT_CHECK);
    }
    match (mission.passed, mission.answered) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::from(EXIT_COULD_NOT_CHECK),
    }
}

fn show(mission: &Mission) {
    for step in &mission.steps {
        let word = if step.passed { "ok" } else { "FAIL" };
        say(&format!("{word:<5} {:<8} {:>7} ms  {}", step.name, step.elapsed_ms, step.detail));
    }
    let environment = mission.environment.as_deref().unwrap_or("unknown");
    let result = if mission.passed { "passed" } else { "failed" };
    say(&format!(
        "the golden path of {} ({environment}, commit {}) {result} in {} ms",
        mission.service,
        mission.git_sha.as_deref().unwrap_or("unknown"),
        mission.elapsed_ms
    ));
}

async fn record(mission: &Mission, deps: &CheckDeps) -> bool {
    let Some(database) = &deps.database else {
        say(
            "innovation: the report is recorded in the database, and DATABASE_URL is not set; set it and try again",
        );
        return false;
    };
    let (now, deployment) = (deps.clock.now(), deps.config.process.deployment.as_deref());
    match confirm::record_smoke(database.as_ref(), mission.passed, json!(mission), now, deployment).await {
        Ok(_) => {
            say("recorded as evidence for `innovation gate`");
            true
        }
        Err(error) => {
            let _ = fail(&format!("the report could not be recorded: {error}"));
            false
        }
    }
}
