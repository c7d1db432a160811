//! `innovation gate`: may this go to production?

use std::process::ExitCode;

use pipeline::clock::Timestamp;
use serde_json::json;

use super::{
    checks::{CheckArgs, GATE, run as run_checks},
    exit::{EXIT_COULD_NOT_CHECK, EXIT_USAGE},
    output::{fail, put_json, say},
};
use crate::{
    checks::{confirm, deps::CheckDeps},
    config::Problems,
};

/// A longer text is no reference.
const REFERENCE_CHARS_MAX: usize = 500;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    checks: CheckArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Record that you have seen a backup of the database
    ConfirmBackup(Confirm),
}

#[derive(Debug, clap::Args)]
struct Confirm {
    /// Where the backup is, or its id
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// When it was taken [default: now]
    #[arg(long, value_name = "TIME")]
    taken_at: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks what production depends on, or records a backup.
pub async fn run(args: Args, deps: Result<CheckDeps, Problems>) -> ExitCode {
    match (args.command, deps) {
        (None, deps) => run_checks(GATE, &args.checks, deps).await,
        (Some(Command::ConfirmBackup(confirm)), Ok(deps)) => confirm_backup(&confirm, &deps).await,
        (Some(Command::ConfirmBackup(_)), Err(problems)) => fail(&problems),
    }
}

async fn confirm_backup(args: &Confirm, deps: &CheckDeps) -> ExitCode {
    let now = deps.clock.now();
    let taken_at = args.taken_at.unwrap_or(now);
    let reference = args.reference.trim();
    if reference.is_empty() || reference.chars().count() > REFERENCE_CHARS_MAX || taken_at > now {
        say(
            "innovation: --reference needs a text of at most 500 characters, and --taken-at a time that is past",
        );
        return ExitCode::from(EXIT_USAGE);
    }
    let Some(database) = &deps.database else {
        say(
            "innovation: the confirmation is stored in the database, and DATABASE_URL is not set; set it and try again",
        );
        return ExitCode::from(EXIT_COULD_NOT_CHECK);
    };
    let deployment = deps.config.process.deployment.as_deref();
    match confirm::confirm_backup(database.as_ref(), reference, taken_at, now, deployment).await {
        Ok(evidence) => {
            if args.json {
                put_json(&json!({ "confirmed": evidence }));
            }
            say(&format!("recorded: a backup of {} ({reference})", taken_at.to_rfc3339()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = fail(&format!(
                "the confirmation could not be stored, so the gate does not see it: {error}; try again when the database takes writes"
            ));
            ExitCode::from(EXIT_COULD_NOT_CHECK)
        }
    }
}
