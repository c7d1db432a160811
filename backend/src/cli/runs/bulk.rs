//! `innovation runs retry|cancel|delete`: one change of all runs of a filter. It shows them first. The operation lies in the
//! database, and a running service works on it.

use std::{process::ExitCode, time::Duration};

use serde_json::json;
use storage::control_plane::{BulkAction, BulkStatus};

use crate::{
    app,
    audit::Actor,
    cli::{
        exit::{EXIT_COULD_NOT_CHECK, EXIT_USAGE},
        output::{fail, put, put_json, say},
    },
    config::Config,
    runs::bulk::{BulkAdmin, BulkError, OperationOrder, OperationView, Preview, PreviewView, parse_filter},
};

/// How often the command looks at the progress.
const POLL: Duration = Duration::from_millis(500);

/// After so many looks without progress, the command ends: probably no service works on operations.
const IDLE_POLLS_MAX: u32 = 120;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Continue all failed or cancelled runs of a filter
    Retry(Change),
    /// Cancel all runs of a filter that are under way
    Cancel(Change),
    /// Delete all ended runs of a filter for good
    Delete(Change),
    /// List the newest bulk operations
    Operations(List),
    /// Show a bulk operation, or cancel it
    Operation(One),
}

#[derive(Debug, clap::Args)]
pub(super) struct Change {
    /// FIELD=VALUE, once a field: company_id, status, error_code, model, principal, created_from, created_before, ended_from
    #[arg(long = "filter", value_name = "FIELD=VALUE", required = true, value_parser = pair)]
    filters: Vec<(String, String)>,
    /// Only show how many runs it would change; the default
    #[arg(long, conflicts_with = "yes")]
    preview: bool,
    /// Change them
    #[arg(long, requires = "reason")]
    yes: bool,
    /// Why; it stands in the audit record of each run
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Print JSON, one operation a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// The operation's id
    id: String,
    /// Stop it; runs that are changed already stay so
    #[arg(long)]
    cancel: bool,
    /// Why it is stopped
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be FIELD=VALUE, for example status=FAILED")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim().chars().count() {
        1..=500 => Ok(text.trim().to_owned()),
        _ => Err("must have 1 to 500 characters".to_owned()),
    }
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, config: &Config) -> ExitCode {
    let admin = match app::bulk_admin(config) {
        Ok(admin) => admin,
        Err(error) => return fail(&error),
    };
    match command {
        Command::Retry(args) => change(BulkAction::Retry, args, &admin).await,
        Command::Cancel(args) => change(BulkAction::Cancel, args, &admin).await,
        Command::Delete(args) => change(BulkAction::Delete, args, &admin).await,
        Command::Operations(args) => list(&args, &admin).await,
        Command::Operation(args) => one(args, &admin).await,
    }
}

async fn change(action: BulkAction, args: Change, admin: &BulkAdmin) -> ExitCode {
    let pairs = args.filters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let filter = match parse_filter(Some(action), pairs) {
        Ok(filter) => filter,
        Err(problems) => {
            for problem in problems {
                say(&format!("innovation: {}: {}", problem.field, problem.detail));
            }
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let preview = match admin.preview(action, filter).await {
        Ok(preview) => preview,
        Err(error) => return could_not(&error),
    };
    let (true, Some(reason)) = (args.yes, args.reason) else {
        tell_preview(action, preview, args.json);
        return ExitCode::SUCCESS;
    };
    if preview.found.matching == 0 {
        say("no run matches the filter, so there is nothing to do");
        if args.json {
            put_json(&json!({ "operation": null, "preview": PreviewView::from(preview) }));
        }
        return ExitCode::SUCCESS;
    }
    let Preview { filter, as_of, operation_id, found, .. } = preview;
    let order = OperationOrder {
        action,
        filter,
        as_of,
        expected: found.matching,
        reason,
        operation_id: uuid::Uuid::try_parse(&operation_id).ok(),
    };
    if !found.is_exact {
        say("more runs match than one operation takes; repeat the command for the rest");
    }
    match admin.start(order, &Actor::command()).await {
        Ok(operation) if args.no_wait => {
            let view = OperationView::from(operation);
            say(&format!("to see its progress: innovation runs operation {}", view.id));
            show(&view, args.json);
            ExitCode::SUCCESS
        }
        Ok(operation) => wait(operation.id, admin, args.json).await,
        Err(error) => could_not(&error),
    }
}

fn tell_preview(action: BulkAction, preview: Preview, as_json: bool) {
    let view = PreviewView::from(preview);
    if as_json {
        put_json(&json!({ "preview": view }));
        return;
    }
    let cost = match view.estimated_cost_usd {
        Some(usd) => format!(", at an estimated cost of ${usd:.2} for {} stages", view.missing_stages),
        None => String::new(),
    };
    put(&format!("{} runs match{cost}\n", view.count_text));
    if view.not_retryable > 0 {
        say(&format!(
            "{} more would fail again, and are left out; to retry them, add --filter error_code=CODE",
            view.not_retryable
        ));
    }
    if view.count > 0 {
        say(&format!("to {action} them: repeat the command with --yes --reason TEXT"));
    }
}

/// Waits for the end of an operation.
async fn wait(id: String, admin: &BulkAdmin, as_json: bool) -> ExitCode {
    let (mut left, mut idle) = (usize::MAX, 0);
    loop {
        let operation = match admin.operation(&id).await {
            Ok(operation) => operation,
            Err(error) => {
                say(&format!("the operation goes on without this command: innovation runs operation {id}"));
                return could_not(&error);
            }
        };
        if operation.status != BulkStatus::Running {
            let view = OperationView::from(operation);
            show(&view, as_json);
            let is_whole = view.progress.refused + view.progress.failed + view.progress.left == 0;
            return if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        idle = if operation.left() < left { 0 } else { idle + 1 };
        if operation.left() < left {
            left = operation.left();
            say(&format!("{} of {} runs are left", left, operation.total));
        }
        if idle > IDLE_POLLS_MAX {
            say(&format!(
                "innovation: no service works on the operation; start one, and ask: innovation runs operation {id}"
            ));
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn list(args: &List, admin: &BulkAdmin) -> ExitCode {
    let operations = match admin.operations().await {
        Ok(operations) => operations,
        Err(error) => return could_not(&error),
    };
    if operations.is_empty() {
        say("there is no bulk operation");
    }
    for operation in operations {
        show(&operation.into(), args.json);
    }
    ExitCode::SUCCESS
}

async fn one(args: One, admin: &BulkAdmin) -> ExitCode {
    let operation = if args.cancel {
        admin.cancel(&args.id, args.reason, &Actor::command()).await
    } else {
        admin.operation(&args.id).await
    };
    match operation {
        Ok(operation) => {
            show(&operation.into(), args.json);
            ExitCode::SUCCESS
        }
        Err(error) => could_not(&error),
    }
}

fn show(view: &OperationView, as_json: bool) {
    if as_json {
        put_json(&json!(view));
        return;
    }
    let status = match view.status {
        BulkStatus::Running => "running",
        BulkStatus::Completed => "completed",
        BulkStatus::Cancelled => "cancelled",
    };
    let progress = &view.progress;
    put(&format!(
        "{} {} {status}: {} runs, {} done, {} refused, {} failed, {} left\n",
        view.id, view.action, progress.total, progress.done, progress.refused, progress.failed, progress.left
    ));
    for (code, runs) in &progress.by_code {
        put(&format!("  {code}: {runs} runs\n"));
    }
}

fn could_not(error: &BulkError) -> ExitCode {
    match error {
        BulkError::Away(cause) | BulkError::TooSlow(cause) => {
            say(&format!("innovation: {error} ({cause})"));
            ExitCode::from(EXIT_COULD_NOT_CHECK)
        }
        BulkError::WithoutDatabase => {
            say(&format!("innovation: {error}"));
            ExitCode::from(EXIT_COULD_NOT_CHECK)
        }
        error => fail(error),
    }
}
