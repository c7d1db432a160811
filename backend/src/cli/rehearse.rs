//! `innovation rehearse`: rehearses the rollbacks on a scratch database, and stores the timings as evidence.

use std::{process::ExitCode, sync::Arc, time::Duration};

use foundation::clock::SystemClock;
use pipeline::clock::Clock as _;
use serde_json::json;
use storage::control_plane::EvidenceLog;

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put_json, say},
};
use crate::{
    app,
    config::Config,
    migrate::{Scratch, ScratchError},
    rehearsal::{KIND, RehearsalReport, Step, evidence_of},
};

/// The checks before a rehearsal, and the cleaning after an interrupted one. A server that hangs must not hold the command.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(30);

/// A rehearsal of the most runs takes a few minutes. It must not hold its lock for ever.
const DEADLINE: Duration = Duration::from_secs(900);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Runs with outputs that the rollbacks take away and bring back
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=5_000))]
    runs: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The error of a rehearsal that did not begin, with the command to type next.
struct NotBegun {
    why: String,
    next: String,
}

/// Rehearses, and prints each step.
pub async fn run(args: Args, config: Config) -> ExitCode {
    let preparing = tokio::time::timeout(PREPARE_TIMEOUT, prepare(&config)).await.unwrap_or_else(|_| {
        let why = format!("a database did not answer within {} s", PREPARE_TIMEOUT.as_secs());
        Err(NotBegun { why, next: "innovation migrate status".to_owned() })
    });
    let (evidence, scratch) = match preparing {
        Ok(parts) => parts,
        Err(NotBegun { why, next }) => {
            if args.json {
                put_json(&json!({ "error": { "message": why, "next": [next] } }));
            }
            say(&format!("innovation: nothing was rehearsed: {why}\nnext:\n  {next}"));
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
    };
    let deployment = config.process.git_sha.clone();
    let Some(url) = config.rehearsal_database.clone() else { return ExitCode::from(EXIT_COULD_NOT_CHECK) };
    let rehearsal = match app::rehearsal(config, &url, args.runs) {
        Ok(rehearsal) => rehearsal,
        Err(error) => return fail(&error),
    };
    let is_quiet = args.json;
    let tell = move |step: &Step| {
        if !is_quiet {
            say(&line(step));
        }
    };
    let Ok(report) = tokio::time::timeout(DEADLINE, rehearsal.run(scratch, &tell)).await else {
        return fail(&format!(
            "the rehearsal did not end within {} s; the next one empties the scratch database",
            DEADLINE.as_secs()
        ));
    };
    let (proof, audit) = evidence_of(&report, SystemClock::default().now(), deployment);
    let stored = evidence.add(&proof, &audit).await;
    if args.json {
        let error = stored.as_ref().err().map(ToString::to_string);
        put_json(&json!({ "rehearsal": report, "evidence_id": proof.id, "evidence_error": error }));
    } else {
        say(&summary(&report));
    }
    if let Err(error) = &stored {
        say(&format!("innovation: the evidence could not be stored, so the gate does not see it: {error}"));
    }
    if report.passed && stored.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Checks everything that a rehearsal needs, before it changes anything.
async fn prepare(config: &Config) -> Result<(Arc<dyn EvidenceLog>, Scratch), NotBegun> {
    let not_begun = |why: String, next: &str| NotBegun { why, next: next.to_owned() };
    let example = "REHEARSAL_DATABASE_URL=postgresql://user:password@host:5432/scratch innovation rehearse";
    let url = config.rehearsal_database.as_ref().ok_or_else(|| {
        not_begun("REHEARSAL_DATABASE_URL is not set: it names an empty database that the rehearsal may fill and empty".to_owned(), example)
    })?;
    let log = app::evidence_log(config).map_err(|error| not_begun(error.to_string(), "innovation doctor"))?;
    let service = config.database.session_url();
    let (Some(evidence), Some(service)) = (log, service) else {
        return Err(not_begun(
            "DATABASE_URL is not set: the evidence goes into the service's database".to_owned(),
            "DATABASE_URL=postgresql://user:password@host:5432/database innovation rehearse",
        ));
    };
    evidence.newest(KIND).await.map_err(|error| {
        not_begun(
            format!("the service's database cannot take the evidence: {error}"),
            "innovation migrate status",
        )
    })?;
    let scratch = Scratch::open(url, service).await.map_err(|error| {
        let next = match &error {
            ScratchError::ServicesOwn(_) | ScratchError::NotEmpty { .. } => "createdb scratch",
            ScratchError::ServiceUnknown(_) => "innovation migrate status",
            ScratchError::Busy(_) | ScratchError::Malformed(_) | ScratchError::Database(_) => example,
        };
        not_begun(error.to_string(), next)
    })?;
    Ok((evidence, scratch))
}

fn line(step: &Step) -> String {
    let word = if step.passed { "ok  " } else { "FAIL" };
    format!("{word}  {:<18} {:>6} ms  {}", step.id, step.ms, step.detail)
}

fn summary(report: &RehearsalReport) -> String {
    let word = if report.passed { "passed" } else { "FAILED" };
    format!(
        "rehearsal {word}: {} runs on database {} in {} ms",
        report.runs, report.database, report.total_ms
    )
}
