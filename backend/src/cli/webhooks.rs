//! `innovation webhooks`: shows the webhooks of runs, and sends them again.

use std::process::ExitCode;

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
    config::Config,
    webhooks::{
        admin::{SentNow, WebhookAdmin},
        sign,
    },
};
use storage::{Delivery, DeliveryCounts, DeliveryOutcome};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show delivered and pending webhooks; exit code 1 if one was given up
    Status {
        /// Only this run, event by event
        #[arg(long, value_name = "ID", value_parser = parse_run)]
        run: Option<RunId>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send all pending webhooks now, however long they would still wait; exit code 1 if some stay pending
    SendNow {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Queue all webhooks of a run again; the running service sends them
    Replay {
        #[arg(long, value_name = "ID", value_parser = parse_run)]
        run: RunId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Shows the webhooks, or queues them again.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    if config.webhooks.target.is_none() {
        say("innovation: FRONTEND_WEBHOOK_URL is not set: webhooks are off; set it and try again");
        return ExitCode::from(EXIT_COULD_NOT_CHECK);
    }
    let admin = match app::webhook_admin(config) {
        Ok(admin) => admin,
        Err(error) => return fail(&error),
    };
    match args.command {
        Command::Status { run: None, json } => all(&admin, json).await,
        Command::Status { run: Some(run), json } => one(&admin, &run, json).await,
        Command::SendNow { json } => send_now(&admin, config, json).await,
        Command::Replay { run, json } => replay(&admin, config, &run, json).await,
    }
}

async fn all(admin: &WebhookAdmin, json: bool) -> ExitCode {
    let counts = match admin.counts().await {
        Ok(counts) => counts,
        Err(error) => return could_not(&error),
    };
    if json {
        put_json(&json!(counts));
    } else {
        let DeliveryCounts { pending, delivered, gone, gave_up, oldest_pending_seconds, .. } = &counts;
        put(&format!(
            "{pending} pending (the oldest for {oldest_pending_seconds} s), {delivered} delivered, {gone} refused for good (410), {gave_up} given up\n"
        ));
    }
    for run in &counts.gave_up_runs {
        say(&format!(
            "given up for run {run}; to send its webhooks again: innovation webhooks replay --run {run}"
        ));
    }
    if counts.gave_up == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn one(admin: &WebhookAdmin, run: &RunId, json: bool) -> ExitCode {
    let all = match admin.deliveries(run).await {
        Ok(all) => all,
        Err(error) => return could_not(&error),
    };
    for one in &all {
        if json {
            put_json(&described(run, one));
        } else {
            let state = one.outcome.map_or("pending", DeliveryOutcome::as_str);
            let error = one.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            let how = match (one.outcome, one.attempts) {
                (Some(DeliveryOutcome::Gone), 0) => {
                    "not sent: the frontend refused further webhooks of this run (410)".to_owned()
                }
                (_, 1) => format!("{state} after 1 attempt{error}"),
                (_, attempts) => format!("{state} after {attempts} attempts{error}"),
            };
            put(&format!("{}.{} {how}\n", one.generation, one.event.name()));
        }
    }
    if all.is_empty() {
        say(&format!("run {run} has no webhooks; to queue all: innovation webhooks replay --run {run}"));
    }
    let is_given_up = all.iter().any(|one| one.outcome == Some(DeliveryOutcome::GaveUp));
    if is_given_up { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn described(run: &RunId, one: &Delivery) -> serde_json::Value {
    json!({
        "run_id": run,
        "webhook_id": sign::id(run, one.generation, one.event),
        "generation": one.generation,
        "event": one.event.name(),
        "attempts": one.attempts,
        "outcome": one.outcome,
        "last_error": one.last_error,
    })
}

async fn send_now(admin: &WebhookAdmin, config: &Config, json: bool) -> ExitCode {
    let dispatcher = match app::webhook_dispatcher(config) {
        Ok(Some(dispatcher)) => dispatcher,
        Ok(None) => return could_not(&"FRONTEND_WEBHOOK_URL is not set"),
        Err(error) => return fail(&error),
    };
    // A command that cannot look changes nothing, and leaves no record.
    if let Err(error) = admin.counts().await {
        return could_not(&error);
    }
    let sent = match admin.send_now(&dispatcher).await {
        Ok(sent) => sent,
        Err(error) => {
            // Some may be due now, or sent.
            leave_record(config, "webhook.send_now", "pending", json!({ "error": error.to_string() })).await;
            return could_not(&error);
        }
    };
    leave_record(config, "webhook.send_now", "pending", json!(sent)).await;
    if json {
        put_json(&json!(sent));
    } else {
        let SentNow { attempts, delivered, gave_up, pending } = sent;
        put(&format!(
            "{delivered} delivered with {attempts} attempts of this command, {gave_up} given up, {pending} still pending\n"
        ));
    }
    if sent.pending == 0 && sent.gave_up == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn replay(admin: &WebhookAdmin, config: &Config, run: &RunId, json: bool) -> ExitCode {
    match admin.replay(run).await {
        Ok(Some(events)) => {
            leave_record(config, "webhook.replay", run.as_str(), json!({ "events": events })).await;
            if json {
                put_json(&json!({ "run_id": run, "events": events }));
            } else {
                say(&format!("{events} webhooks of run {run} will be sent again"));
            }
            ExitCode::SUCCESS
        }
        Ok(None) => fail(&format!("run {run} is unknown here")),
        Err(error) => could_not(&error),
    }
}

fn could_not(error: &dyn std::fmt::Display) -> ExitCode {
    say(&format!("innovation: {error}"));
    ExitCode::from(EXIT_COULD_NOT_CHECK)
}
