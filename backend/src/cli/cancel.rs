//! `innovation cancel`: cancels runs by their ids, as `POST /api/pipeline/{run_id}/cancel` does. Also for runs whose worker hangs: it loses the
//! run with the cancellation. `POST /api/pipeline/{run_id}/retry` continues such a run where it stopped.

use std::process::ExitCode;

use foundation::clock::SystemClock;
use pipeline::{
    clock::Clock as _,
    failure::RunFailure,
    run::{RunId, RunStatus, Stage},
};
use serde_json::json;
use storage::{StorageError, control_plane::AuditRecord, prelude::*, router::Router};

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put, put_json, say},
    run_id::parse_run,
};
use crate::{
    app,
    audit::{Actor, Audit},
    config::Config,
};

/// So many runs at once are more than a person means to type.
const RUNS_MAX: usize = 1_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The runs to cancel
    #[arg(required = true, value_name = "RUN_ID", value_parser = parse_run)]
    runs: Vec<RunId>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON, one line per run
    #[arg(long)]
    json: bool,
}

/// How one run came out.
enum Outcome {
    Cancelled,
    /// It was cancelled before.
    Already,
    /// It has ended in another way.
    Ended(RunStatus),
    Unknown,
    /// Somebody else changed the run at the same time.
    Changed,
}

impl Outcome {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Already => "already_cancelled",
            Self::Ended(_) => "ended",
            Self::Unknown => "unknown",
            Self::Changed => "changed",
        }
    }

    const fn is_good(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Already)
    }

    /// The sentence for a person.
    fn told(&self, run: &RunId) -> String {
        match self {
            Self::Cancelled => format!(
                "run {run} is cancelled; POST /api/pipeline/{run}/retry continues it where it stopped"
            ),
            Self::Already => format!("run {run} was cancelled already"),
            Self::Ended(status) => {
                format!("run {run} has ended as {}; there is nothing to cancel", word(*status))
            }
            Self::Unknown => format!("there is no run {run}; innovation runs lists the newest"),
            Self::Changed => {
                format!(
                    "run {run} was changed by somebody else; look at it with innovation status {run}, then try again"
                )
            }
        }
    }
}

const fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Processing => "PROCESSING",
        RunStatus::Completed => "COMPLETED",
        RunStatus::Failed => "FAILED",
        RunStatus::Cancelled => "CANCELLED",
    }
}

/// Cancels the runs one after the other. A run that cannot be cancelled stops none of the others.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let (router, audit) = match (app::command_router(config), app::audit(config)) {
        (Ok(router), Ok(audit)) => (router, audit),
        (Err(error), _) | (_, Err(error)) => return fail(&error),
    };
    let (mut has_failed, mut is_unanswered) = (false, false);
    for run in args.runs.iter().take(RUNS_MAX) {
        match cancel(&router, &audit, run, args.reason.as_deref()).await {
            Ok(outcome) => {
                has_failed |= !outcome.is_good();
                if args.json {
                    put_json(&json!({ "run_id": run, "outcome": outcome.as_str() }));
                } else {
                    put(&format!("{}\n", outcome.told(run)));
                }
            }
            Err(error) => {
                is_unanswered = true;
                if args.json {
                    put_json(&json!({ "run_id": run, "outcome": "failed", "reason": error.to_string() }));
                }
                say(&format!(
                    "innovation: run {run} could not be cancelled: {error}; innovation status shows the stores"
                ));
            }
        }
    }
    if args.runs.len() > RUNS_MAX {
        say(&format!("innovation: only the first {RUNS_MAX} runs were looked at; type the others again"));
        has_failed = true;
    }
    match (is_unanswered, has_failed) {
        (true, _) => ExitCode::from(EXIT_COULD_NOT_CHECK),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    }
}

async fn cancel(
    router: &Router,
    audit: &Audit,
    run: &RunId,
    reason: Option<&str>,
) -> Result<Outcome, StorageError> {
    let Some(seen) = router.load(run).await? else { return Ok(Outcome::Unknown) };
    if seen.status == RunStatus::Processing {
        let stage = Stage::ALL.into_iter().find(|stage| !seen.stages.contains_key(stage));
        let record = audit.describe(&Actor::command(), "run.cancel", run.as_str());
        let record = AuditRecord { reason: reason.map(str::to_owned), ..record };
        let failure = RunFailure::cancelled(stage);
        if router.cancel(run, &failure, SystemClock::default().now(), Some(&record)).await? {
            tracing::info!(event = "run_cancelled", run_id = %run, audit = "run_cancelled", "[{run}] is cancelled");
            return Ok(Outcome::Cancelled);
        }
    }
    Ok(match router.load(run).await?.map(|record| record.status) {
        None => Outcome::Unknown,
        Some(RunStatus::Cancelled) => Outcome::Already,
        Some(RunStatus::Processing) => Outcome::Changed,
        Some(status) => Outcome::Ended(status),
    })
}
