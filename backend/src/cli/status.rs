//! `innovation status`: the state of the service, or of one run. While the database is away, it reads files, and says so.

use std::process::ExitCode;

use pipeline::run::{RunId, Stage};
use serde_json::{Value, json};
use storage::{RunRecord, StoredIn, files::DurabilityForecast, prelude::*};

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put, put_json, say},
    run_id::parse_run,
};
use crate::{
    app,
    config::Config,
    status::{ServiceStatus, StatusSources, UnsyncedStatus},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show this run
    #[arg(value_name = "RUN", value_parser = parse_run)]
    run: Option<RunId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows the state of the service; exit code 3 if a part of it could not be read.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let sources = match app::status_sources(config) {
        Ok(sources) => sources,
        Err(error) => return fail(&error),
    };
    match &args.run {
        Some(run) => one(&sources, run, args.json).await,
        None => all(&sources, args.json).await,
    }
}

async fn all(sources: &StatusSources, json: bool) -> ExitCode {
    let status = sources.look().await;
    if json {
        put_json(&json!(status));
    } else {
        put(&page(&status));
    }
    let can_read = |word: &str| matches!(word, "ok" | "none");
    if can_read(&status.database) && can_read(&status.files) {
        return ExitCode::SUCCESS;
    }
    say("a store does not answer, so figures are missing; repeat the command when it is back");
    ExitCode::from(EXIT_COULD_NOT_CHECK)
}

fn page(status: &ServiceStatus) -> String {
    let ServiceStatus { mode, effective_mode, database, files, place, .. } = status;
    let number =
        |figure: Option<usize>| figure.map_or_else(|| "unknown".to_owned(), |figure| figure.to_string());
    let replicas = match &status.replicas {
        Some(replicas) if replicas.is_empty() => "none has sent a heartbeat".to_owned(),
        Some(replicas) => {
            let one = |it: &storage::Replica| {
                format!("{} ({}, {} runs, flags {})", it.id, it.role, it.runs_in_flight, it.flags)
            };
            replicas.iter().map(one).collect::<Vec<_>>().join("; ")
        }
        None => "unknown".to_owned(),
    };
    let unsynced = status.unsynced.map_or_else(
        || "unknown".to_owned(),
        |unsynced| {
            let UnsyncedStatus { runs, stages, oldest_seconds, .. } = unsynced;
            let age = oldest_seconds.map(|age| format!(", the oldest for {age} s")).unwrap_or_default();
            format!("{runs} ended runs, {stages} stages{age}")
        },
    );
    let forecast = match &status.forecast {
        Some(DurabilityForecast { open_runs: 0, ended_runs: 0, .. }) => {
            "a redeploy would lose nothing".to_owned()
        }
        Some(DurabilityForecast { open_runs, ended_runs, stages, .. }) => {
            format!("a redeploy would lose {open_runs} open and {ended_runs} ended runs, {stages} stages")
        }
        None => "unknown".to_owned(),
    };
    format!(
        "mode       {mode}, effective {effective_mode}\ndatabase   {database}\nfiles      {files} ({place})\nreplicas   {replicas}\n\
         queue      {} waiting, {} conflicts\nunsynced   {unsynced}\ndurability {forecast}\n",
        number(status.queue),
        number(status.conflicts),
    )
}

async fn one(sources: &StatusSources, run: &RunId, json: bool) -> ExitCode {
    let router = &sources.router;
    let record = match router.load(run).await {
        Ok(Some(record)) => record,
        Ok(None) => {
            return match router.is_deleted(run).await {
                Ok(true) => fail(&format!("run {run} has been deleted")),
                _ => fail(&format!("there is no run {run}; innovation runs lists the newest")),
            };
        }
        Err(error) => {
            say(&format!(
                "innovation: run {run} cannot be read: {error}; innovation status shows the stores"
            ));
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
    };
    if json {
        put_json(&described(&record));
    } else {
        put(&text(&record));
    }
    if router.database().is_some() && !record.stored_in.database {
        say(
            "this is what the files have: the database does not have the run, or is not read; another replica may be further",
        );
    }
    ExitCode::SUCCESS
}

fn stores(stored_in: StoredIn) -> Vec<&'static str> {
    let both = [(stored_in.database, "database"), (stored_in.files, "files")];
    both.into_iter().filter_map(|(holds, name)| holds.then_some(name)).collect()
}

fn described(record: &RunRecord) -> Value {
    let stages: Vec<Value> = record
        .stages
        .iter()
        .map(|(stage, held)| json!({ "stage": stage.number(), "stored_in": stores(held.stored_in) }))
        .collect();
    json!({
        "run_id": record.id,
        "principal": record.principal,
        "status": record.status,
        "generation": record.generation,
        "brand_id": record.request.as_ref().map(|request| &request.brand_id),
        "document_name": record.request.as_ref().map(|request| &request.source),
        "accepted_at": record.accepted_at,
        "finished_at": record.finished_at,
        "is_leased": record.is_leased,
        "stages": stages,
        "stored_in": stores(record.stored_in),
        "error": record.failure.as_ref().map(|failure| json!({ "code": failure.code, "message": failure.message })),
    })
}

fn text(record: &RunRecord) -> String {
    let RunRecord { id, principal, generation, .. } = record;
    let status = json!(record.status);
    let status = status.as_str().unwrap_or_default();
    let worker = if record.is_leased { ", a worker has it" } else { "" };
    let mut text = format!("run {id} of {principal}: {status}, generation {generation}{worker}\n");
    if let Some(failure) = &record.failure {
        text.push_str(&format!("{}: {}\n", failure.code, failure.message));
    }
    for stage in Stage::ALL {
        let place = record.stages.get(&stage).map(|held| stores(held.stored_in).join(" and "));
        let place = place.map_or_else(|| "not yet".to_owned(), |place| format!("in {place}"));
        text.push_str(&format!("stage {}: {place}\n", stage.number()));
    }
    text
}
