//! `innovation reconcile`: brings together all ended runs that differ in the files of this disk and in the database, or
//! verifies that both are equal.

use std::{collections::HashSet, process::ExitCode};

use chrono::{DateTime, Utc};
use pipeline::run::RunId;
use serde_json::json;

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    leave_record::leave_record,
    output::{fail, put, put_json, say},
    run_id::parse_run,
};
use crate::{
    app,
    config::{Config, StoragePlace},
    health::FileStorage,
};
use storage::{
    Part, StorageError,
    sync::{
        ReconcileOutcome, ReconcileSummary, Reconciler, resolve,
        survey::Survey,
        verify::{Comparison, Scope, Sides, Verified},
    },
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    resolve: Option<Command>,
    /// Only this run
    #[arg(long, value_name = "ID", value_parser = parse_run)]
    run: Option<RunId>,
    /// Insert every ended run of this disk whose row the database lost and that was not deleted, for example
    /// after the restore of an older backup
    #[arg(long, alias = "missing", conflicts_with_all = ["run", "verify"])]
    restore_rows: bool,
    /// Compare both sides and write to neither; exit code 1 on any difference
    #[arg(long)]
    verify: bool,
    /// With --verify: runs accepted since then, for example 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME", requires = "verify", conflicts_with = "run")]
    since: Option<DateTime<Utc>>,
    /// With --verify: all runs, which is also the default without --run and --since
    #[arg(long, requires = "verify", conflicts_with_all = ["run", "since"])]
    all: bool,
    /// Show the planned writes, and write nothing
    #[arg(long, conflicts_with = "verify")]
    dry_run: bool,
    /// Print JSON: one line per run, and a summary
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Resolve a conflict by choosing one side
    Resolve {
        #[arg(value_parser = parse_run)]
        run: RunId,
        #[arg(long, value_enum)]
        keep: Keep,
    },
}

/// The version that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Keep {
    /// The row's; the files' version stays beside them as `*.conflict-TIME`
    Database,
    /// The files'; the row's version is kept in the run's folder as `row.conflict-TIME.json`
    Files,
}

/// Runs the reconciliation, or the verification.
pub async fn run(args: Args, config: Config) -> ExitCode {
    let reconciler = match app::reconciler(&config, args.verify || args.dry_run) {
        Ok(Some(reconciler)) => reconciler,
        Ok(None) => {
            say(
                "innovation: DATABASE_URL is not set: the files cannot be compared with rows; set it and try again",
            );
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
        Err(error) => return fail(&error),
    };
    if let StoragePlace::Folder(folder) = &config.storage.place
        && !folder.is_dir()
    {
        say(&format!(
            "innovation: there is no folder {} with run files: set APP_BASE_DIR or STORAGE_URL as for the service, and try again",
            folder.display()
        ));
        return ExitCode::from(EXIT_COULD_NOT_CHECK);
    }
    if let Some(Command::Resolve { run, keep }) = &args.resolve {
        return resolve(&reconciler, &config, run, *keep).await;
    }
    if args.verify {
        return verify(&args, &reconciler).await;
    }
    let reconciled = reconcile(&args, &reconciler, &config).await;
    if FileStorage::of_config(&config) == FileStorage::Ephemeral {
        tell_loss(&args, &reconciler).await;
    }
    reconciled
}

/// Prints the runs that only this ephemeral disk has.
async fn tell_loss(args: &Args, reconciler: &Reconciler) {
    match reconciler.durability_forecast().await {
        Ok(forecast) if args.json => put_json(&json!({ "redeploy_loss": forecast })),
        Ok(forecast) if forecast.runs() == 0 => {}
        Ok(forecast) => say(&format!(
            "a redeploy now would lose {} open and {} ended runs, which are on this ephemeral disk alone: {}",
            forecast.open_runs,
            forecast.ended_runs,
            forecast.run_ids.iter().map(RunId::as_str).collect::<Vec<_>>().join(", ")
        )),
        Err(error) => {
            say(&format!("innovation: the runs that only this disk has cannot be counted: {error}"))
        }
    }
}

async fn resolve(reconciler: &Reconciler, config: &Config, run: &RunId, keep: Keep) -> ExitCode {
    let (keep, word) = match keep {
        Keep::Database => (resolve::Keep::Database, "database"),
        Keep::Files => (resolve::Keep::Files, "files"),
    };
    let resolved = reconciler.resolve(run, keep).await;
    let told = match &resolved {
        Ok(ReconcileOutcome::Skipped | ReconcileOutcome::NoFiles | ReconcileOutcome::Unknown) => None,
        Ok(outcome) => Some(json!({ "keep": word, "result": outcome })),
        // One side may have been written.
        Err(error) => Some(json!({ "keep": word, "error": error.to_string() })),
    };
    if let Some(new) = told {
        leave_record(config, "run.resolve", run.as_str(), new).await;
    }
    match resolved {
        Ok(outcome) => {
            put(&format!("{run}: {}\n", outcome_words(run, &outcome)));
            if matches!(outcome, ReconcileOutcome::Proved { .. }) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => fail(&format!("{run}: {error}")),
    }
}

async fn verify(args: &Args, reconciler: &Reconciler) -> ExitCode {
    let scope = match &args.run {
        Some(run) => Scope::One(run.clone()),
        None => Scope::Since(args.since),
    };
    let tell = |verified: &Verified| match (args.json, &verified.comparison) {
        (true, _) => put_json(&json!(verified)),
        // For people, equal runs are only counted in the summary.
        (false, Comparison::Equal | Comparison::Open | Comparison::Expired) => {}
        (false, other) => put(&format!("{}: {}\n", verified.run_id, words(&verified.run_id, other))),
    };
    match reconciler.verify(&scope, tell).await {
        Ok(count) => {
            if args.json {
                put_json(&json!({ "summary": count }));
            } else {
                say(&format!(
                    "{} runs compared: {} equal, {} open, {} different, {} damaged, {} only in files, {} only in the database, {} expired",
                    count.compared,
                    count.equal,
                    count.open,
                    count.differing,
                    count.damaged,
                    count.only_in_files,
                    count.only_in_database,
                    count.expired
                ));
                if count.only_in_files > 0 {
                    say("to insert them into the database: innovation reconcile --restore-rows");
                }
            }
            if count.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => incomplete(&error),
    }
}

/// The runs that the command is to bring together, before it compares all of them.
async fn named(args: &Args, reconciler: &Reconciler) -> Result<Vec<RunId>, StorageError> {
    match &args.run {
        Some(run) => Ok(vec![run.clone()]),
        None if args.restore_rows => reconciler.missing().await,
        None => reconciler.marked().await,
    }
}

async fn reconcile(args: &Args, reconciler: &Reconciler, config: &Config) -> ExitCode {
    let runs = match named(args, reconciler).await {
        Ok(runs) => runs,
        Err(error) => {
            say(&format!("innovation: the unsynced runs cannot be listed: {error}"));
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
    };
    let compares_all = args.run.is_none() && !args.restore_rows;
    if args.dry_run {
        return plan(args, reconciler, &runs, compares_all).await;
    }
    let (code, summary) = settle_all(args, reconciler, runs, compares_all).await;
    if summary.runs > 0 {
        // Counts only: a restored backup may lack a hundred thousand rows.
        let new = json!({
            "runs": summary.runs, "proved": summary.proved, "unknown": summary.unknown,
            "conflicts": summary.conflicts.len(), "failed": summary.failed.len(),
        });
        let (action, target) = match (&args.run, args.restore_rows) {
            (Some(run), _) => ("reconcile.run", run.as_str()),
            (None, true) => ("runs.restore_rows", "missing"),
            (None, false) => ("reconcile.run", "marked"),
        };
        leave_record(config, action, target, new).await;
    }
    code
}

/// Shows what would be written.
async fn plan(args: &Args, reconciler: &Reconciler, runs: &[RunId], compares_all: bool) -> ExitCode {
    let mut unread = 0;
    for run in runs {
        unread += usize::from(!tell_plan(args, reconciler, run, false).await);
    }
    let mut survey = Survey::full();
    let mut differing = 0;
    let mut goes_on = compares_all;
    while goes_on {
        let next = reconciler.next_differences(&mut survey).await;
        for (run, reason) in survey.take_unread() {
            unread += 1;
            put_plan(args, &run, &format!("cannot be read: {reason}"));
        }
        match next {
            Ok(Some(found)) => {
                for one in found.iter().filter(|one| !runs.contains(&one.run)) {
                    differing += 1;
                    unread += usize::from(!tell_plan(args, reconciler, &one.run, one.is_deleted).await);
                }
            }
            Ok(None) => goes_on = false,
            Err(error) => return incomplete(&error),
        }
    }
    let count = runs.len();
    say(&match (&args.run, args.restore_rows) {
        (Some(_), _) => "nothing was written".to_owned(),
        (None, true) => format!("{count} runs have no row; nothing was written"),
        (None, false) => format!("{count} runs are marked, {differing} more differ; nothing was written"),
    });
    tell_missing_rows(survey.missing_rows());
    if unread > 0 { ExitCode::from(EXIT_COULD_NOT_CHECK) } else { ExitCode::SUCCESS }
}

/// Shows the plan of one run; false if it could not be read.
async fn tell_plan(args: &Args, reconciler: &Reconciler, run: &RunId, is_deleted: bool) -> bool {
    let (planned, is_read) = match reconciler.preview(run).await {
        Ok(_) if is_deleted => ("was deleted; its row would be deleted again".to_owned(), true),
        Ok(planned) => (planned, true),
        Err(error) => (format!("cannot be read: {error}"), false),
    };
    put_plan(args, run, &planned);
    is_read
}

fn put_plan(args: &Args, run: &RunId, planned: &str) {
    if args.json {
        put_json(&json!({ "run_id": run, "plan": planned }));
    } else {
        put(&format!("{run}: {planned}\n"));
    }
}

async fn settle_all(
    args: &Args,
    reconciler: &Reconciler,
    runs: Vec<RunId>,
    compares_all: bool,
) -> (ExitCode, ReconcileSummary) {
    let mut summary = ReconcileSummary::default();
    let mut seen = HashSet::new();
    for run in runs {
        let outcome = if compares_all {
            reconciler.reconcile_one(&run).await
        } else {
            reconciler.reconcile_named(&run).await
        };
        seen.insert(run.clone());
        tell_outcome(args, &mut summary, run, &outcome);
    }
    let mut survey = Survey::full();
    let mut goes_on = compares_all;
    while goes_on {
        let next = reconciler.next_differences(&mut survey).await;
        for (run, reason) in survey.take_unread() {
            tell_outcome(args, &mut summary, run, &ReconcileOutcome::Failed { reason });
        }
        match next {
            Ok(Some(found)) => {
                for one in found.into_iter().filter(|one| !seen.contains(&one.run)) {
                    let outcome = reconciler.settle_difference(&one).await;
                    tell_outcome(args, &mut summary, one.run, &outcome);
                }
            }
            Ok(None) => goes_on = false,
            Err(error) => return (incomplete(&error), summary),
        }
    }
    summary.missing_rows = survey.missing_rows();
    if args.json {
        put_json(&json!({ "summary": summary }));
    } else {
        say(&format!(
            "{} runs: {} proved, {} stages written, {} skipped (a worker executes them, or they have no files), {} unknown, {} in conflict, {} failed",
            summary.runs,
            summary.proved,
            summary.stages_written,
            summary.left,
            summary.unknown,
            summary.conflicts.len(),
            summary.failed.len()
        ));
        tell_missing_rows(summary.missing_rows);
    }
    let code = if summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    (code, summary)
}

fn tell_outcome(args: &Args, summary: &mut ReconcileSummary, run: RunId, outcome: &ReconcileOutcome) {
    if args.json {
        put_json(&json!({ "run_id": run, "result": outcome }));
    } else {
        put(&format!("{run}: {}\n", outcome_words(&run, outcome)));
    }
    summary.add(run, outcome);
}

fn tell_missing_rows(count: usize) {
    if count > 0 {
        say(&format!(
            "{count} ended runs have no row any more; to insert them again: innovation reconcile --restore-rows"
        ));
    }
}

fn incomplete(error: &StorageError) -> ExitCode {
    say(&format!("innovation: the comparison is incomplete: {error}"));
    ExitCode::from(EXIT_COULD_NOT_CHECK)
}

fn words(run: &RunId, comparison: &Comparison) -> String {
    match comparison {
        Comparison::Equal => "equal".to_owned(),
        Comparison::Open => "has not ended".to_owned(),
        Comparison::Differs { parts, sides } => differing(run, parts, sides),
        Comparison::Damaged { has_row: true } => format!(
            "run.json is damaged in files; to rebuild it from the row: innovation reconcile --run {run}"
        ),
        Comparison::Damaged { has_row: false } => {
            "run.json is damaged in files, and the database does not hold the run".to_owned()
        }
        Comparison::OnlyInFiles => "is only in files".to_owned(),
        Comparison::Expired => "its files have expired (RETENTION_DAYS)".to_owned(),
        Comparison::OnlyInDatabase => "is only in the database".to_owned(),
        Comparison::Unknown => "neither side holds the run".to_owned(),
    }
}

/// Describes the differences and the command that repairs them.
fn differing(run: &RunId, parts: &[Part], sides: &Sides) -> String {
    let told = [
        (&sides.missing_in_files, "missing in files"),
        (&sides.damaged_in_files, "damaged in files"),
        (&sides.missing_in_database, "missing in the database"),
        (&sides.damaged_in_database, "changed by hand in the database (its digest does not match)"),
    ];
    let is_told = |part: &Part| told.iter().any(|(which, _)| which.contains(part));
    let other: Vec<Part> = parts.iter().copied().filter(|part| !is_told(part)).collect();
    let mut all = Vec::new();
    if !other.is_empty() {
        all.push(format!("differs in {}", Part::names(&other)));
    }
    for (which, how) in told.iter().filter(|(which, _)| !which.is_empty()) {
        let is = if which.len() == 1 { "is" } else { "are" };
        all.push(format!("{} {is} {how}", Part::names(which)));
    }
    let command =
        if sides.is_conflict(parts) { settle(run) } else { format!("innovation reconcile --run {run}") };
    format!("{}; to repair it: {command}", all.join("; "))
}

/// The command that resolves a conflict.
pub(super) fn settle(run: &RunId) -> String {
    format!("innovation reconcile resolve {run} --keep database|files")
}

fn outcome_words(run: &RunId, outcome: &ReconcileOutcome) -> String {
    match outcome {
        ReconcileOutcome::Proved { stages_written } => {
            format!("proved equal, {stages_written} stages written to the database")
        }
        ReconcileOutcome::Skipped => "skipped: a worker executes it, or it has not ended".to_owned(),
        ReconcileOutcome::NoFiles => "has no files here".to_owned(),
        ReconcileOutcome::Deleted => "was deleted; its files on this disk are removed".to_owned(),
        ReconcileOutcome::RowMissing => {
            "skipped: the database held it and has lost the row; to insert it again: innovation reconcile --restore-rows"
                .to_owned()
        }
        ReconcileOutcome::Unknown => "is unknown: neither the database nor the files here hold it".to_owned(),
        ReconcileOutcome::Conflict { parts } => {
            format!("conflict in {}: both are kept; to resolve it: {}", Part::names(parts), settle(run))
        }
        ReconcileOutcome::Failed { reason } => format!("failed: {reason}"),
    }
}
