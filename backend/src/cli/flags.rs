//! `innovation flags`: shows flags, changes them in the database, and waits for the replicas.

mod shown;

use std::{process::ExitCode, time::Duration};

use serde_json::{Value as Json, json};
use storage::{control_plane::FlagChange, mode::Mode};

use self::shown::{change_line, listing_lines, report_lines};
use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put, put_json, say},
};
use crate::{
    app,
    audit::Actor,
    config::Config,
    flags::{FlagControl, FlagError, FlagListing, FlagView, Rollback, definitions, of_text},
};

/// How long `--wait` waits unless told otherwise: ten polls.
const WAIT_SECONDS: u64 = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show every flag, its source, and which replica has applied which revision
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one flag
    Get {
        key: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set a flag for all replicas; exit code 1 if --wait names replicas that have not followed
    Set(SetArgs),
    /// Show the changes of a flag or of all flags, the newest first
    History {
        key: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
        /// Print JSON: one line per change
        #[arg(long)]
        json: bool,
    },
    /// Give a flag the value that it had before a revision
    Revert {
        revision: u64,
        #[command(flatten)]
        common: ChangeArgs,
    },
    /// Change the storage mode in one step, also while the database is away
    Rollback(RollbackArgs),
    /// Decide about an order that the database contradicts
    Settle {
        order: String,
        /// Whose storage flags hold from now on
        #[arg(long, value_name = "SIDE", value_parser = ["order", "database"])]
        keep: String,
        #[command(flatten)]
        common: ChangeArgs,
    },
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    key: String,
    /// true or false; a share of the runs from 0 to 100; or `unset`, so that the environment's value counts again
    value: String,
    /// The revision that you have seen; refuses the change if the flag was changed since
    #[arg(long, value_name = "REVISION")]
    expect: Option<u64>,
    #[command(flatten)]
    common: ChangeArgs,
}

#[derive(Debug, clap::Args)]
struct ChangeArgs {
    /// Why; it stands in the history and in the audit
    #[arg(long)]
    reason: String,
    /// Wait until every live replica has applied it
    #[arg(long)]
    wait: bool,
    /// How long --wait waits
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT_SECONDS, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// The mode to go to
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    to: Mode,
    /// Why; it stands in the history and in the audit
    #[arg(long)]
    reason: String,
    /// Also to a mode that stops acceptance, or keeps outputs on ephemeral disks alone
    #[arg(long)]
    force: bool,
    /// Only show what each replica would accept
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_mode(word: &str) -> Result<Mode, String> {
    Mode::of_name(word).ok_or_else(|| "modes are DATABASE_ONLY, DUAL_WRITE and FILE_ONLY".to_owned())
}

/// Shows or changes flags.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let control = match app::flag_control(config) {
        Ok(control) => control,
        Err(error) => return fail(&error),
    };
    let by = Actor::command();
    let done = match args.command {
        Command::List { json } => list(&control, json).await,
        Command::Get { key, json } => get(&control, &key, json).await,
        Command::Set(args) => set(&control, &args, &by).await,
        Command::History { key, limit, json } => history(&control, key.as_deref(), limit, json).await,
        Command::Revert { revision, common } => match control.revert(revision, &common.reason, &by).await {
            Ok(change) => changed(&control, &change, &common).await,
            Err(error) => Err(error),
        },
        Command::Rollback(args) => rollback(&control, args, &by).await,
        Command::Settle { order, keep, common } => settle(&control, &order, &keep, &common, &by).await,
    };
    done.unwrap_or_else(|error| refused(&error))
}

/// A refusal is a failure. A database that does not answer could not be asked.
fn refused(error: &FlagError) -> ExitCode {
    say(&format!("innovation: {error}"));
    match error {
        FlagError::Unavailable(_) | FlagError::NoDatabase => ExitCode::from(EXIT_COULD_NOT_CHECK),
        _ => ExitCode::FAILURE,
    }
}

/// Reads the database's flags. Without an answer, the command shows what this machine knows, and says so.
async fn refresh(control: &FlagControl) {
    match control.refresh().await {
        Ok(_) => {
            if let Some(store) = &control.store
                && let Ok(replicas) = store.acknowledgements().await
            {
                control.source.note(|standing| standing.replicas = replicas);
            }
        }
        Err(error) => say(&format!(
            "{error}; shown are FLAGS_FILE, the environment of this command, and what this disk remembers of the database"
        )),
    }
}

async fn list(control: &FlagControl, json: bool) -> Result<ExitCode, FlagError> {
    refresh(control).await;
    let listing = FlagListing::of(&control.source);
    if json {
        put_json(&json!(listing));
    } else {
        put(&listing_lines(&listing));
    }
    Ok(ExitCode::SUCCESS)
}

async fn get(control: &FlagControl, key: &str, json: bool) -> Result<ExitCode, FlagError> {
    let flag = definitions::find(key).ok_or_else(|| FlagError::Unknown(key.to_owned()))?;
    refresh(control).await;
    let reading = control.source.read(flag);
    if json {
        put_json(&json!(FlagView::of(&reading)));
    } else {
        put(&format!("{} (source: {})\n", reading.value, reading.source.as_str()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(control: &FlagControl, args: &SetArgs, by: &Actor) -> Result<ExitCode, FlagError> {
    let flag = definitions::find(&args.key).ok_or_else(|| FlagError::Unknown(args.key.clone()))?;
    let value: Option<Json> = match args.value.as_str() {
        "unset" => None,
        word => Some(of_text(flag, word).ok_or(FlagError::WrongValue(flag))?.to_json()),
    };
    // The command overwrites nothing that somebody changes in between.
    let expected = match args.expect {
        Some(expected) => expected,
        None => {
            let stored = control.refresh().await?;
            stored.flags.iter().find(|known| known.key == args.key).map_or(0, |known| known.revision)
        }
    };
    let change = control.set(&args.key, value.as_ref(), &args.common.reason, Some(expected), by).await?;
    changed(control, &change, &args.common).await
}

/// Shows a change, and waits for the replicas if it is asked to.
async fn changed(
    control: &FlagControl,
    change: &FlagChange,
    args: &ChangeArgs,
) -> Result<ExitCode, FlagError> {
    if !args.json {
        put(&format!("{}\n", change_line(change)));
    }
    let waited = match args.wait {
        true => Some(control.wait(change.revision, Duration::from_secs(args.timeout)).await?),
        false => None,
    };
    if args.json {
        let replicas = waited.as_ref().map(|outcome| &outcome.replicas);
        let missing = waited.as_ref().map(|outcome| &outcome.missing);
        put_json(&json!({ "change": change, "replicas": replicas, "missing": missing }));
    }
    let Some(outcome) = waited else {
        say("the replicas follow within two seconds; to wait for them: --wait");
        return Ok(ExitCode::SUCCESS);
    };
    if outcome.missing.is_empty() {
        say(&format!("all {} live replicas have applied it", outcome.replicas.len()));
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "innovation: not acknowledged within {} s by: {}; look at /health/deep there, and at its way to the database",
        args.timeout,
        outcome.missing.join(", ")
    ));
    Ok(ExitCode::FAILURE)
}

async fn history(
    control: &FlagControl,
    key: Option<&str>,
    limit: u16,
    json: bool,
) -> Result<ExitCode, FlagError> {
    let changes = control.history(key, None, usize::from(limit)).await?;
    for change in &changes {
        if json {
            put_json(&json!(change));
        } else {
            put(&format!("{}\n", change_line(change)));
        }
    }
    if changes.is_empty() {
        say("no flag was ever changed in this database");
    }
    Ok(ExitCode::SUCCESS)
}

async fn rollback(control: &FlagControl, args: RollbackArgs, by: &Actor) -> Result<ExitCode, FlagError> {
    let plan = control.plan(args.to).await;
    for replica in &plan.replicas {
        let word = if replica.accepts { "will accept runs" } else { "will accept NO run" };
        say(&format!("{}: {word} in {}: {}", replica.replica, plan.to, replica.detail));
    }
    if plan.replicas.is_empty() {
        say("no replica is known here: neither the database nor this disk names one");
    }
    if args.dry_run {
        plan.objections.iter().for_each(|objection| say(objection));
        if args.json {
            put_json(&json!({ "plan": plan }));
        }
        return Ok(if plan.objections.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let rollback = Rollback { to: args.to, reason: args.reason, force: args.force };
    let report = control.rollback(plan, &rollback, by).await?;
    if args.json {
        put_json(&json!(report));
    } else {
        put(&report_lines(&report));
    }
    Ok(if report.acknowledged { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn settle(
    control: &FlagControl,
    order: &str,
    keep: &str,
    common: &ChangeArgs,
    by: &Actor,
) -> Result<ExitCode, FlagError> {
    let revision = control.settle(order, keep == "order", &common.reason, by).await?;
    let change = control.history(None, revision.checked_add(1), 1).await?.into_iter().next();
    let change = change.ok_or(FlagError::NoRevision(revision))?;
    changed(control, &change, common).await
}
