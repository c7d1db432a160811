//! `innovation runs`: the list of runs, newest first. While the database is away, it lists the files. Its subcommands change all
//! runs of a filter.

mod bulk;

use std::process::ExitCode;

use pipeline::{brand::BrandId, run::RunStatus};
use serde_json::json;
use storage::{Listing, PageStart, RunPage, RunSummary, control_plane::Principal, prelude::*};

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put, put_json, say},
};
use crate::{app, config::Config};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    change: Option<bulk::Command>,
    /// PROCESSING, COMPLETED, FAILED or CANCELLED
    #[arg(long, value_parser = status)]
    status: Option<RunStatus>,
    /// A brand's id
    #[arg(long, value_name = "ID", value_parser = brand)]
    brand: Option<BrandId>,
    /// Only runs of this principal
    #[arg(long, value_name = "NAME", value_parser = principal)]
    principal: Option<Principal>,
    /// How many runs to show
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Print JSON, one run a line
    #[arg(long)]
    json: bool,
}

fn status(word: &str) -> Result<RunStatus, String> {
    let value = serde_json::Value::String(word.to_ascii_uppercase());
    serde_json::from_value(value).map_err(|_| "must be PROCESSING, COMPLETED, FAILED or CANCELLED".to_owned())
}

fn brand(text: &str) -> Result<BrandId, String> {
    BrandId::parse(text).map_err(|_| "is no brand's id; innovation brands lists them".to_owned())
}

fn principal(text: &str) -> Result<Principal, String> {
    Principal::parse(text).map_err(|error| error.to_string())
}

/// Lists runs, or changes those of a filter.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    if let Some(change) = args.change {
        return bulk::run(change, config).await;
    }
    let router = match app::command_router(config) {
        Ok(router) => router,
        Err(error) => return fail(&error),
    };
    let listing = Listing {
        status: args.status,
        brand_id: args.brand,
        principal: args.principal,
        start: PageStart::Offset(0),
        limit: usize::from(args.limit),
    };
    let page = match router.list(&listing).await {
        Ok(page) => page,
        Err(error) => {
            say(&format!(
                "innovation: the runs cannot be listed: {error}; innovation status shows the stores"
            ));
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
    };
    for run in &page.runs {
        if args.json { put_json(&described(run)) } else { put(&line(run)) }
    }
    tell(&page, router.database().is_some(), &router.files().place());
    ExitCode::SUCCESS
}

fn described(run: &RunSummary) -> serde_json::Value {
    json!({
        "run_id": run.id,
        "principal": run.principal,
        "status": run.status,
        "brand_id": run.brand_id,
        "document_name": run.source,
        "generation": run.generation,
        "stages_complete": run.stages,
        "created_at": run.created_at,
        "completed_at": run.finished_at,
        "error_code": run.failure.as_ref().map(|failure| failure.code.as_str()),
    })
}

fn line(run: &RunSummary) -> String {
    let at = run.created_at.format("%Y-%m-%d %H:%M:%S");
    let brand = run.brand_id.as_ref().map_or("–", BrandId::as_str);
    let word = match (&run.failure, run.status) {
        (Some(failure), _) => failure.code.as_str(),
        (None, RunStatus::Processing) => "PROCESSING",
        (None, RunStatus::Completed) => "COMPLETED",
        (None, RunStatus::Failed) => "FAILED",
        (None, RunStatus::Cancelled) => "CANCELLED",
    };
    let RunSummary { id, stages, principal, source, .. } = run;
    format!("{at} {id} {word} {stages}/4 {brand} {principal} {source}\n")
}

fn tell(page: &RunPage, has_database: bool, place: &str) {
    let total =
        if page.is_total_exact { page.total.to_string() } else { format!("more than {}", page.total) };
    say(&format!("{} of {total} runs", page.runs.len()));
    if has_database && !page.stored_in.database {
        say(&format!("the database is not read: these are the runs in the files of {place} only"));
    }
}
