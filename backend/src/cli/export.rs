//! `innovation export`: writes runs that only the database holds to files.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use pipeline::run::RunId;
use serde_json::json;

use super::{
    exit::{EXIT_COULD_NOT_CHECK, EXIT_USAGE, EXIT_WARNINGS},
    output::{fail, put, put_json, say},
    run_id::parse_run,
};
use crate::{app, config::Config};
use storage::{
    Part,
    sync::{export::Exported, verify::Scope},
};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("scope").required(true).args(["run", "since", "all"])))]
pub struct Args {
    /// Only this run
    #[arg(long, value_name = "ID", value_parser = parse_run)]
    run: Option<RunId>,
    /// Runs accepted since then, for example 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// All runs
    #[arg(long)]
    all: bool,
    /// Destination: file:///path or s3://bucket/prefix
    #[arg(long, value_name = "URL")]
    to: String,
    /// Exit code 2 if some runs have not ended; they are not written
    #[arg(long)]
    strict: bool,
    /// Print JSON: one line per run, and a summary
    #[arg(long)]
    json: bool,
}

/// Runs the export.
pub async fn run(args: Args, config: Config) -> ExitCode {
    let reconciler = match app::reconciler(&config, false) {
        Ok(Some(reconciler)) => reconciler,
        Ok(None) => {
            say("innovation: DATABASE_URL is not set: there is nothing to export from; set it and try again");
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
        Err(error) => return fail(&error),
    };
    let to = match app::files_at(&args.to, &config) {
        Ok(Some(to)) => to,
        Ok(None) => {
            say(&format!(
                "innovation: --to {}: must be file:///path, or s3://bucket/prefix with a bucket's keys and STORAGE_URL set",
                args.to
            ));
            return ExitCode::from(EXIT_USAGE);
        }
        Err(error) => return fail(&error),
    };
    let scope = match &args.run {
        Some(run) => Scope::One(run.clone()),
        None => Scope::Since(args.since),
    };
    let tell = |run: &RunId, exported: &Exported| match (args.json, exported) {
        (true, _) => put_json(&json!({ "run_id": run, "result": exported })),
        // For people, successful runs are only counted in the summary.
        (false, Exported::Written | Exported::Present) => {}
        (false, other) => put(&format!("{run}: {}\n", words(run, other))),
    };
    match reconciler.export(&scope, &to, tell).await {
        Ok(count) => {
            if args.json {
                put_json(&json!({ "summary": count }));
            } else {
                say(&format!(
                    "{} runs written and read back, {} were there, {} in conflict, {} unknown, {} failed",
                    count.written, count.present, count.conflicts, count.unknown, count.failed
                ));
                if count.open > 0 {
                    say(&format!(
                        "{} runs have not ended and are not written: set both storage flags to true, so that they are written to files as they end, and export again when they have",
                        count.open
                    ));
                }
            }
            match (count.is_clean(), count.open) {
                (false, _) => ExitCode::FAILURE,
                (true, open) if open > 0 && args.strict => ExitCode::from(EXIT_WARNINGS),
                (true, _) => ExitCode::SUCCESS,
            }
        }
        Err(error) => {
            say(&format!("innovation: the export is incomplete: {error}; the same command continues it"));
            ExitCode::from(EXIT_COULD_NOT_CHECK)
        }
    }
}

fn words(run: &RunId, exported: &Exported) -> String {
    match exported {
        Exported::Written => "written".to_owned(),
        Exported::Present => "was there".to_owned(),
        Exported::Open => "has not ended; nothing was written".to_owned(),
        Exported::Conflict { parts } => {
            format!(
                "row and files differ in {}; the files stay as they are; if both belong to this service: {}",
                Part::names(parts),
                super::reconcile::settle(run)
            )
        }
        Exported::Unknown => "the database does not hold the run, or it was deleted".to_owned(),
        Exported::Failed { reason } => format!("failed: {reason}; try again"),
    }
}
