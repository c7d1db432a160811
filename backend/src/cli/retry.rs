//! `innovation retry`: continues failed runs where they stopped, after it has shown which.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use pipeline::{
    failure::{FailureCode, RunFailure},
    run::RunStatus,
};
use serde::{
    Deserialize as _,
    de::{IntoDeserializer, value::Error as WordError},
};
use serde_json::json;
use storage::{
    Listing, PageStart, RunSummary, StorageError, control_plane::AuditRecord, prelude::*, router::Router,
};

use super::{
    exit::{EXIT_COULD_NOT_CHECK, EXIT_WARNINGS},
    output::{fail, put, put_json, say},
};
use crate::{
    app,
    audit::{Actor, Audit},
    config::Config,
};

/// Runs of one page of the list.
const PAGE: usize = 200;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Select failed runs
    #[arg(long, required = true)]
    failed: bool,
    /// Only runs that failed with this code, for example LLM_RATE_LIMIT, also where a retry alone would not help; may be given
    /// several times
    #[arg(long = "code", value_name = "CODE", value_parser = parse_code)]
    codes: Vec<FailureCode>,
    /// Only runs that ended since then, for example 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// At most so many runs, the newest first
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Retry them; without it, the command only shows them
    #[arg(long)]
    yes: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Exit code 2 if a selected run cannot be retried
    #[arg(long)]
    strict: bool,
    /// Print JSON: one line per run, and a summary
    #[arg(long)]
    json: bool,
}

/// How many of the selected runs came out how.
#[derive(Debug, Default, serde::Serialize)]
struct Count {
    selected: usize,
    retried: usize,
    /// A retry would fail again, and no code was named.
    not_retryable: usize,
    /// Changed by somebody else meanwhile.
    changed: usize,
    failed: usize,
}

fn parse_code(word: &str) -> Result<FailureCode, String> {
    FailureCode::deserialize(IntoDeserializer::<WordError>::into_deserializer(word))
        .map_err(|_| "no run fails with this code; docs/ERRORS.md lists the codes".to_owned())
}

/// Shows the failed runs, and retries them with `--yes`.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let (router, audit) = match (app::command_router(config), app::audit(config)) {
        (Ok(router), Ok(audit)) => (router, audit),
        (Err(error), _) | (_, Err(error)) => return fail(&error),
    };
    let selected = match select(&args, &router).await {
        Ok(selected) => selected,
        Err(error) => {
            say(&format!("innovation: the failed runs cannot be listed: {error}"));
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
    };
    let mut count = Count { selected: selected.len(), ..Count::default() };
    for (run, failure) in &selected {
        let outcome = retry(&args, &router, &audit, run, failure, &mut count).await;
        let (id, code) = (&run.id, failure.code.as_str());
        if args.json {
            put_json(&json!({
                "run_id": id, "code": code, "generation": run.generation, "can_retry": failure.can_retry,
                "outcome": outcome.0, "reason": outcome.1,
            }));
        } else {
            let reason = outcome.1.map(|reason| format!(": {reason}")).unwrap_or_default();
            put(&format!("{id}: {code}, {}{reason}\n", outcome.0.replace('_', " ")));
        }
    }
    tell(&args, &count);
    match count {
        Count { failed, .. } if failed > 0 => ExitCode::FAILURE,
        Count { not_retryable, .. } if args.strict && not_retryable > 0 => ExitCode::from(EXIT_WARNINGS),
        _ => ExitCode::SUCCESS,
    }
}

fn tell(args: &Args, count: &Count) {
    if args.json {
        put_json(&json!({ "summary": count, "done": args.yes }));
        return;
    }
    let Count { selected, retried, not_retryable, changed, failed } = count;
    if args.yes {
        say(&format!(
            "{selected} runs: {retried} retried, {not_retryable} cannot be retried, {changed} changed meanwhile, {failed} failed"
        ));
    } else {
        let would = selected - not_retryable;
        say(&format!("{would} runs would be retried, {not_retryable} cannot be; to retry them: --yes"));
    }
}

/// The outcome of one run, with the reason of a failure.
async fn retry(
    args: &Args,
    router: &Router,
    audit: &Audit,
    run: &RunSummary,
    failure: &RunFailure,
    count: &mut Count,
) -> (&'static str, Option<String>) {
    // An operator who names the code says that its cause is gone.
    if !failure.can_retry && args.codes.is_empty() {
        count.not_retryable += 1;
        return ("not_retryable", None);
    }
    if !args.yes {
        return ("would_be_retried", None);
    }
    let record = audit.describe(&Actor::command(), "run.retry", run.id.as_str());
    let record = AuditRecord { reason: args.reason.clone(), ..record };
    match router.retry(&run.id, run.generation, Some(&record)).await {
        Ok(Some(generation)) => {
            count.retried += 1;
            tracing::info!(event = "run_retried", run_id = %run.id, generation, audit = "run_retried", "[{}] is retried", run.id);
            ("retried", None)
        }
        Ok(None) => {
            count.changed += 1;
            ("changed", None)
        }
        Err(error) => {
            count.failed += 1;
            ("failed", Some(error.to_string()))
        }
    }
}

/// The failed runs, the newest first.
async fn select(args: &Args, router: &Router) -> Result<Vec<(RunSummary, RunFailure)>, StorageError> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut selected: Vec<(RunSummary, RunFailure)> = Vec::new();
    let mut start = PageStart::Offset(0);
    loop {
        let listing =
            Listing { status: Some(RunStatus::Failed), brand_id: None, principal: None, start, limit: PAGE };
        let page = router.list(&listing).await?;
        let last = page.runs.last().map(RunSummary::position);
        for run in page.runs {
            let Some(failure) = run.failure.clone() else { continue };
            let is_of_code = args.codes.is_empty() || args.codes.contains(&failure.code);
            let is_since = args.since.is_none_or(|since| run.finished_at.is_some_and(|at| at >= since));
            if is_of_code && is_since {
                selected.push((run, failure));
            }
            if selected.len() == limit {
                return Ok(selected);
            }
        }
        match last {
            Some(last) if page.has_next => start = PageStart::After(last),
            _ => return Ok(selected),
        }
    }
}
