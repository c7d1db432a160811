//! `innovation migrate`: migrates the database's schema by Prisma's own protocol.

use std::{process::ExitCode, sync::Arc};

use serde_json::{Value, json};

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    leave_record::leave_record,
    output::{put, put_json, say},
};
use crate::{
    config::Config,
    migrate::{Method, MigrateError, Migrator, Rollback, SchemaState, State, Status},
};
use foundation::clock::SystemClock;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Apply pending migrations
    Deploy(Output),
    /// Show applied, pending and failed migrations, and compare the schema; exit code 1 unless all are applied and the schema is theirs
    Status(Output),
    /// Mark a failed or manually applied migration as resolved
    Resolve(Resolve),
    /// Undo a migration: the database loses the content of its columns
    Rollback(RollbackArgs),
}

#[derive(Debug, clap::Args)]
struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Resolve {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct How {
    /// It is applied: do not run it
    #[arg(long, value_name = "NAME")]
    applied: Option<String>,
    /// It failed and left nothing behind: the next deploy runs it again
    #[arg(long, value_name = "NAME")]
    rolled_back: Option<String>,
}

#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// The migration
    name: String,
    #[arg(long, value_enum)]
    method: Method,
    /// Show the changes and the losses, and change nothing
    #[arg(long, conflicts_with = "confirm")]
    dry_run: bool,
    /// Undo it, in the database with this name
    #[arg(long, value_name = "DATABASE")]
    confirm: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Runs a migration command.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let json = args.command.output().json;
    let failure = match args.command {
        Command::Status(_) => ExitCode::from(EXIT_COULD_NOT_CHECK),
        _ => ExitCode::FAILURE,
    };
    let migrator = match Migrator::new(&config.database, Arc::new(SystemClock::default())) {
        Ok(migrator) => migrator,
        Err(error) => return failed(&error, json, failure),
    };
    let done = match args.command {
        Command::Status(_) => match migrator.status().await {
            Ok(status) => return show(&status, json),
            Err(error) => Err(error),
        },
        Command::Deploy(_) => match migrator.deploy().await {
            Ok(applied) => Ok(deployed(config, &applied).await),
            Err(error) => Err(error),
        },
        Command::Resolve(resolve) => self::resolve(&migrator, config, resolve.how).await,
        Command::Rollback(args) => rollback(&migrator, config, &args).await,
    };
    match done {
        Ok(done) => {
            if json {
                put_json(&done.json);
            } else {
                put(&done.text);
            }
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error, json, failure),
    }
}

impl Command {
    fn output(&self) -> &Output {
        match self {
            Self::Deploy(output) | Self::Status(output) => output,
            Self::Resolve(resolve) => &resolve.output,
            Self::Rollback(args) => &args.output,
        }
    }
}

/// The result of a command, as text and as JSON.
struct Done {
    text: String,
    json: Value,
}

fn show(status: &Status, json: bool) -> ExitCode {
    if json {
        put_json(&json!({ "status": status, "next": status.next() }));
    } else {
        put(&listing(status));
        tell_next(&status.next());
    }
    if status.schema == SchemaState::Current { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn listing(status: &Status) -> String {
    let mut lines = Vec::new();
    for migration in &status.migrations {
        let state = match migration.state {
            State::Applied => "applied",
            State::Pending => "pending",
            State::Failed => "FAILED",
        };
        let when = migration.applied_at.as_deref().unwrap_or_default();
        let differs = if migration.differs { "(by another script than this version's)" } else { "" };
        lines.push(format!("{state:<8} {:<48} {when} {differs}", migration.name).trim_end().to_owned());
        lines.extend(
            migration.logs.iter().flat_map(|logs| logs.lines()).map(|line| format!("         {line}")),
        );
    }
    lines.extend(status.unknown.iter().map(|name| format!("applied  {name:<48} (not of this version)")));
    lines.extend(
        status.unknown_failed.iter().map(|name| format!("FAILED   {name:<48} (not of this version)")),
    );
    lines.extend(status.differences.iter().map(|difference| format!("DIFFERS  {difference}")));
    lines.join("\n") + "\n"
}

/// Each script is a transaction of its own. The record follows them, because they make its table.
async fn deployed(config: &Config, applied: &[&str]) -> Done {
    if !applied.is_empty() {
        leave_record(config, "migrate.deploy", "schema", json!({ "applied": applied })).await;
    }
    let mut text: String = applied.iter().map(|name| format!("applied  {name}\n")).collect();
    if applied.is_empty() {
        text = "nothing is pending\n".to_owned();
    }
    Done { text, json: json!({ "applied": applied }) }
}

async fn resolve(migrator: &Migrator, config: &Config, how: How) -> Result<Done, MigrateError> {
    let (name, as_what) = match (how.applied, how.rolled_back) {
        (Some(name), _) => {
            migrator.resolve_applied(&name).await?;
            (name, "applied")
        }
        (None, name) => {
            // clap ensures that one of the two is present.
            let name = name.unwrap_or_default();
            migrator.resolve_rolled_back(&name).await?;
            (name, "rolled back")
        }
    };
    leave_record(config, "migrate.resolve", &name, json!({ "marked_as": as_what })).await;
    let text = format!("{name} is marked as {as_what}\n");
    Ok(Done { text, json: json!({ "migration": name, "marked_as": as_what }) })
}

async fn rollback(migrator: &Migrator, config: &Config, args: &RollbackArgs) -> Result<Done, MigrateError> {
    let (name, method) = (args.name.as_str(), args.method);
    if let Some(database) = &args.confirm {
        let done = migrator.rollback(name, method, database).await?;
        let new = json!({
            "method": method.word(), "database": database, "new_migration": done.new_migration,
            "runs_with_outputs": done.runs_with_outputs,
        });
        leave_record(config, "migrate.rollback", name, new).await;
        let new = done.new_migration.as_ref().map(|new| format!("recorded as {new}\n")).unwrap_or_default();
        tell_next(&done.next());
        let text = format!("done: {}\n{new}", summary(&done));
        return Ok(Done { text, json: json!({ "done": true, "rollback": done, "next": done.next() }) });
    }
    let plan = migrator.plan_rollback(name, method).await?;
    if !args.dry_run {
        let database = plan.database;
        return Err(MigrateError::NotConfirmed { name: name.to_owned(), method, database });
    }
    let next = vec![method.command(name, &plan.database)];
    tell_next(&next);
    let text = format!("would be done: {}\n\n{}", summary(&plan), plan.sql);
    Ok(Done { text, json: json!({ "done": false, "rollback": plan, "next": next }) })
}

fn summary(rollback: &Rollback) -> String {
    let runs = rollback.runs_with_outputs;
    let lost = match rollback.method {
        Method::Restore => String::new(),
        Method::Drop | Method::Forward => format!("; {runs} runs have outputs there that are lost"),
    };
    format!("{} of {} in database {}{lost}", rollback.method.word(), rollback.name, rollback.database)
}

fn tell_next(commands: &[String]) {
    if !commands.is_empty() {
        say(&format!("next:\n  {}", commands.join("\n  ")));
    }
}

fn failed(error: &MigrateError, json: bool, code: ExitCode) -> ExitCode {
    if json {
        let error = json!({ "code": error.code(), "message": error.to_string(), "next": error.next() });
        put_json(&json!({ "error": error }));
    }
    say(&format!("innovation: {error} ({})", error.code()));
    tell_next(&error.next());
    code
}
