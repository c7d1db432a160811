//! `innovation cache`: shows and removes the answers that runs share, directly in the database.

use std::{process::ExitCode, time::Duration};

use serde_json::json;
use storage::{
    StorageError,
    control_plane::{AnswerPurge, Principal},
};

use super::{
    duration::parse_duration,
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put, put_json, say},
};
use crate::{answer_cache::AnswerAdmin, app, audit::Actor, config::Config};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show how many answers each owner has
    Stats {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove answers: the next run with the same question asks the model
    Purge(Purge),
}

#[derive(Debug, clap::Args)]
struct Purge {
    /// Only answers older than this, such as 12h or 7d [default: all]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Only the answers of this owner [default: all]
    #[arg(long)]
    principal: Option<Principal>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows or removes cached answers.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let answers = match app::answer_admin(config) {
        Ok(answers) => answers,
        Err(error) => return fail(&error),
    };
    match args.command {
        Command::Stats { json } => stats(&answers, json).await,
        Command::Purge(purge) => remove(&answers, purge).await,
    }
}

async fn stats(answers: &AnswerAdmin, as_json: bool) -> ExitCode {
    let owners = match answers.stats().await {
        Ok(Some(owners)) => owners,
        Ok(None) => return no_database(),
        Err(error) => return could_not(&error),
    };
    if as_json {
        put_json(&json!({ "owners": owners }));
        return ExitCode::SUCCESS;
    }
    if owners.is_empty() {
        put("no cached answers\n");
    }
    for owner in owners {
        put(&format!(
            "{}: {} answers, {} uses, {} KiB, the oldest {} h old, {} being asked for\n",
            owner.principal.as_str(),
            owner.answers,
            owner.uses,
            owner.bytes.div_ceil(1024),
            owner.oldest_seconds / 3600,
            owner.asked
        ));
    }
    ExitCode::SUCCESS
}

async fn remove(answers: &AnswerAdmin, args: Purge) -> ExitCode {
    let Purge { older_than, principal, json } = args;
    match answers.purge(&AnswerPurge { principal, older_than }, &Actor::command()).await {
        Ok(None) => return no_database(),
        Ok(Some(purged)) if json => put_json(&json!({ "purged": purged })),
        Ok(Some(purged)) => put(&format!("{purged} answers removed\n")),
        Err(error) => return could_not(&error),
    }
    ExitCode::SUCCESS
}

fn no_database() -> ExitCode {
    fail(&"the commands of the cache work on the database; set DATABASE_URL, and repeat the command")
}

fn could_not(error: &StorageError) -> ExitCode {
    say(&format!(
        "innovation: the database with the cached answers cannot be reached: {error}; ask innovation doctor, and try again"
    ));
    ExitCode::from(EXIT_COULD_NOT_CHECK)
}
