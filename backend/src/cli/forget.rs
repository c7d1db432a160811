//! `innovation forget`: removes everything that the service stores of a user, after it has shown how much that is.

use std::process::ExitCode;

use pipeline::run::RunId;
use serde_json::json;
use storage::StorageError;

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put, put_json, say},
};
use crate::{
    app,
    audit::Actor,
    config::Config,
    forget::{Forget, ForgetError, Forgotten, UserRunCount},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The user's id, as the frontend sends it
    #[arg(long, value_name = "USER_ID", value_parser = user)]
    user: String,
    /// Delete; without it, the command only shows what it would delete
    #[arg(long)]
    yes: bool,
    /// Cancel runs that are under way, and delete them too
    #[arg(long)]
    cancel: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs without a user belong to nobody, and nobody can ask to be forgotten for them.
fn user(text: &str) -> Result<String, String> {
    match text.trim() {
        "" | "system" => Err("names no user".to_owned()),
        user => Ok(user.to_owned()),
    }
}

/// Shows or deletes the runs of a user.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let forget = match app::forget(config) {
        Ok(forget) => forget,
        Err(error) => return fail(&error),
    };
    if args.yes { delete(&args, &forget).await } else { show(&args, &forget).await }
}

async fn show(args: &Args, forget: &Forget) -> ExitCode {
    let count = match forget.count(&args.user).await {
        Ok(count) => count,
        Err(error) => return could_not(&error),
    };
    if args.json {
        put_json(&json!({ "would_delete": count }));
        return ExitCode::SUCCESS;
    }
    let UserRunCount { runs, under_way, run_ids, has_more } = count;
    let more = if has_more { " or more" } else { "" };
    put(&format!("{runs}{more} runs with their rows, files and documents, {under_way} of them under way\n"));
    let named = run_ids.iter().map(RunId::as_str).collect::<Vec<_>>().join(", ");
    if runs > 0 {
        let rest = if runs > run_ids.len() { ", …" } else { "" };
        put(&format!("{named}{rest}\n"));
        let cancel = if under_way > 0 { " --cancel" } else { "" };
        say(&format!("to delete them for good: innovation forget --user USER_ID --yes{cancel}"));
    }
    ExitCode::SUCCESS
}

async fn delete(args: &Args, forget: &Forget) -> ExitCode {
    match forget.delete(&args.user, args.cancel, &Actor::command()).await {
        Ok(done) => tell(args, done),
        Err(error @ ForgetError::UnderWay(_)) => {
            fail(&format!("{error}, and nothing is deleted; wait for their end, or add --cancel"))
        }
        Err(ForgetError::Storage(error)) => could_not(&error),
        Err(error @ ForgetError::Stopped { .. }) => {
            say(&format!("innovation: {error}; repeat the command to go on"));
            ExitCode::from(EXIT_COULD_NOT_CHECK)
        }
    }
}

fn tell(args: &Args, done: Forgotten) -> ExitCode {
    let Forgotten { deleted, under_way, has_more } = done;
    if args.json {
        put_json(&json!({ "deleted": deleted, "under_way": under_way, "has_more": has_more }));
    } else {
        put(&format!(
            "{deleted} runs deleted: rows, files and documents; other replicas clear their disks\n"
        ));
    }
    if under_way > 0 || has_more {
        say(&format!("{under_way} runs are under way again, or there are more; repeat the command"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn could_not(error: &StorageError) -> ExitCode {
    say(&format!(
        "innovation: a store that may hold runs of the user cannot be reached: {error}; nothing more is deleted; try again"
    ));
    ExitCode::from(EXIT_COULD_NOT_CHECK)
}
