//! `innovation deploy`: records deployments, shows them with their verdicts, and takes one back.

mod shown;

use std::process::ExitCode;

use pipeline::clock::Timestamp;
use serde_json::json;
use storage::control_plane::{DeploymentStatus, Verdict};

use self::shown::{deployment_line, group_line, plan_lines};
use super::{
    exit::{EXIT_COULD_NOT_CHECK, EXIT_WARNINGS},
    output::{fail, put, put_json, say},
};
use crate::{
    app,
    audit::Actor,
    config::Config,
    deployments::{DeploymentAdmin, DeploymentOrder, DeploymentView, RailwayError, RollbackError},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Record a deployment, or the result of one that is recorded
    Record(RecordArgs),
    /// List deployments, the newest first
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
        /// Print JSON: one line per deployment
        #[arg(long)]
        json: bool,
    },
    /// Show the current deployment, the figures over all, and old and new runs side by side
    Status {
        /// Exit with 2 if the current deployment has no verdict yet, or an inconclusive one
        #[arg(long)]
        strict: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Go back to an earlier deployment by the platform's API, with its image and its variables
    Rollback(RollbackArgs),
}

#[derive(Debug, clap::Args)]
struct RecordArgs {
    /// The platform's id [default: that of this environment]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The commit
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,
    /// How it ended
    #[arg(long, value_parser = status)]
    status: Option<DeploymentStatus>,
    /// When it began, for example 2026-12-02T10:00:00Z
    #[arg(long, value_name = "TIME")]
    started_at: Option<Timestamp>,
    /// The person or program that made it
    #[arg(long, value_name = "NAME")]
    triggered_by: Option<String>,
    /// Why it failed, or why it was taken back
    #[arg(long)]
    reason: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// The deployment that is to go [default: the one that serves]
    #[arg(long, value_name = "ID")]
    from: Option<String>,
    /// The deployment to go back to [default: the last healthy one]
    #[arg(long, value_name = "ID")]
    to: Option<String>,
    /// Why; it stands in the record and in the audit
    #[arg(long)]
    reason: String,
    /// Only show what would be done, and what speaks against it
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn status(word: &str) -> Result<DeploymentStatus, String> {
    match word {
        "success" => Ok(DeploymentStatus::Success),
        "failed" => Ok(DeploymentStatus::Failed),
        "rolled_back" => Ok(DeploymentStatus::RolledBack),
        _ => Err("a deployment ends as success, failed or rolled_back".to_owned()),
    }
}

/// Records, shows, or takes back.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let admin = match app::deployment_admin(config) {
        Ok(admin) => admin,
        Err(error) => return fail(&error),
    };
    match args.command {
        Command::Record(args) => record(&admin, args).await,
        Command::List { limit, json } => list(&admin, usize::from(limit), json).await,
        Command::Status { strict, json } => show_status(&admin, strict, json).await,
        Command::Rollback(args) => roll_back(&admin, args).await,
    }
}

async fn record(admin: &DeploymentAdmin, args: RecordArgs) -> ExitCode {
    let order = DeploymentOrder {
        status: args.status,
        reason: args.reason,
        triggered_by: args.triggered_by,
        started_at: args.started_at,
    };
    let recorded = admin.record(args.id.as_deref(), args.commit.as_deref(), &order, &Actor::command()).await;
    match recorded {
        Ok(view) => {
            if args.json {
                put_json(&json!(view));
            } else {
                put(&format!("{}\n", deployment_line(&view)));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!(
                "innovation: the deployment could not be recorded: {error}; check DATABASE_URL: innovation doctor"
            ));
            ExitCode::from(EXIT_COULD_NOT_CHECK)
        }
    }
}

async fn list(admin: &DeploymentAdmin, limit: usize, json: bool) -> ExitCode {
    let listed = admin.list().await;
    for known in listed.deployments.iter().take(limit) {
        let view = DeploymentView::from(known);
        if json {
            put_json(&json!(view));
        } else {
            put(&format!("{}\n", deployment_line(&view)));
        }
    }
    if listed.deployments.is_empty() && listed.database_error.is_none() {
        say("no deployment is recorded yet: a service records its own when it starts");
    }
    told(listed.database_error.as_deref())
}

/// Says whether the list is whole.
fn told(database_error: Option<&str>) -> ExitCode {
    let Some(error) = database_error else { return ExitCode::SUCCESS };
    say(&format!(
        "the database cannot be read ({error}): only deployments that wait in these files are shown; repeat the command when it is back"
    ));
    ExitCode::from(EXIT_COULD_NOT_CHECK)
}

async fn show_status(admin: &DeploymentAdmin, strict: bool, json: bool) -> ExitCode {
    let (listed, migration) = tokio::join!(admin.list(), admin.migration_health());
    let dashboard = admin.dashboard_of(&listed);
    let verdict = dashboard.current.as_ref().and_then(|current| current.verdict);
    if json {
        put_json(&json!({ "dashboard": dashboard, "migration_health": migration }));
    } else {
        match &dashboard.current {
            Some(current) => put(&format!("current  {}\n", deployment_line(current))),
            None => put("current  none is recorded\n"),
        }
        let metrics = &dashboard.metrics;
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        put(&format!(
            "today {}, last 7 days {}, success {} %, mean duration {} s, mean time to recover {} min\n",
            metrics.deployments_today,
            metrics.deployments_this_week,
            number(metrics.success_rate),
            number(metrics.average_duration),
            number(metrics.mean_time_to_recover)
        ));
        for (mode, group) in &migration.by_mode {
            put(&format!("{}\n", group_line(mode, group)));
        }
        for canary in &migration.canaries {
            put(&format!(
                "{}\n",
                group_line(&format!("{} on ({} %)", canary.flag, canary.share), &canary.new)
            ));
            put(&format!("{}\n", group_line(&format!("{} off", canary.flag), &canary.old)));
        }
    }
    if listed.database_error.is_some() {
        return told(listed.database_error.as_deref());
    }
    match verdict {
        Some(Verdict::Failing) => ExitCode::FAILURE,
        Some(Verdict::Healthy) => ExitCode::SUCCESS,
        None | Some(Verdict::Inconclusive) if strict => ExitCode::from(EXIT_WARNINGS),
        None | Some(Verdict::Inconclusive) => ExitCode::SUCCESS,
    }
}

async fn roll_back(admin: &DeploymentAdmin, args: RollbackArgs) -> ExitCode {
    let plan = match admin.rollback.plan(args.from.as_deref(), args.to.as_deref()).await {
        Ok(plan) => plan,
        Err(error) => return refused(&error),
    };
    plan_lines(&plan).iter().for_each(|line| say(line));
    if args.dry_run {
        let is_free = plan.objections.is_empty();
        if args.json {
            put_json(&json!({ "plan": plan }));
        }
        return if is_free { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match admin.rollback.execute(plan, &args.reason, &Actor::command()).await {
        Ok(report) => {
            if args.json {
                put_json(&json!(report));
            }
            let id = report.deployment.as_deref().unwrap_or(&report.plan.to);
            say(&format!("deployment {id} is {} after {:.0} s", report.status, report.seconds));
            if report.is_done {
                return ExitCode::SUCCESS;
            }
            say(&format!("innovation: the platform has not switched to it; next: railway logs {id}"));
            ExitCode::FAILURE
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &RollbackError) -> ExitCode {
    say(&format!("innovation: {error}"));
    match error {
        RollbackError::Railway(RailwayError::Refused(_)) => ExitCode::FAILURE,
        RollbackError::Railway(_) | RollbackError::Storage(_) => ExitCode::from(EXIT_COULD_NOT_CHECK),
        _ => ExitCode::FAILURE,
    }
}
