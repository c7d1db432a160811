//! The command line: one file per command. Errors and progress go to stderr, results to stdout.

pub mod brands;
pub mod export;
pub mod extract;
pub mod healthcheck;
pub mod migrate;
pub mod openapi;
pub mod progress;
pub mod reconcile;
pub mod run;
pub mod serve;
pub mod webhooks;

use std::{
    ffi::OsString,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::{Parser, Subcommand};
use pipeline::run::RunId;

use crate::{
    clock::SystemClock,
    config::{self, Config, Purpose},
    documents::isolate,
    telemetry::logs::{self, LogFormat},
};

/// Exit codes: 0 ok, 1 failed, 2 warnings under `--strict`, 3 could not check, 64 wrong usage (EX_USAGE of
/// sysexits, because clap's own 2 has another meaning here).
const EXIT_WARNINGS: u8 = 2;
const EXIT_COULD_NOT_CHECK: u8 = 3;
const EXIT_USAGE: u8 = 64;

/// Turns a document and a brand into a report of opportunities with page references for every claim.
#[derive(Debug, Parser)]
#[command(name = "innovation", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole pipeline on a document, in this process
    Run(run::Args),
    /// Serve the HTTP API and execute runs
    Serve(serve::Args),
    /// List the brands that have a profile
    Brands(brands::Args),
    /// Show the text of a document as the stages receive it
    Extract(extract::Args),
    /// Migrate the database's schema, or undo a migration
    Migrate(migrate::Args),
    /// Write missing parts from the files of this disk to the database, or verify that both are equal
    Reconcile(reconcile::Args),
    /// Write runs that only the database holds to files
    Export(export::Args),
    /// Print the API's description (OpenAPI 3.1)
    Openapi,
    /// Show the webhooks of runs, or send them again
    Webhooks(webhooks::Args),
    /// Check whether a service is alive; exit code 1 if it is not, 3 if it does not answer
    Healthcheck(healthcheck::Args),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The isolated child needs neither configuration nor runtime, only the parser.
    if arguments.get(1).is_some_and(|first| first == isolate::CHILD_ARGUMENT) {
        return isolate::child_main();
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // If stderr is closed too, the error cannot be reported.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let is_service = matches!(cli.command, Command::Serve(_));
    let purpose = if is_service { Purpose::Service } else { Purpose::Command };
    let config = match Config::from_environment(purpose) {
        Ok(config) => config,
        Err(problems) => return fail(&problems),
    };
    start_logs(&config, is_service);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args, config).await,
            Command::Serve(args) => serve::run(args, config).await,
            Command::Brands(args) => brands::run(&args, &config),
            Command::Extract(args) => extract::run(args).await,
            Command::Migrate(args) => migrate::run(args, &config).await,
            Command::Reconcile(args) => reconcile::run(args, config).await,
            Command::Export(args) => export::run(args, config).await,
            Command::Openapi => openapi::run(),
            Command::Webhooks(args) => webhooks::run(args, &config).await,
            Command::Healthcheck(args) => healthcheck::run(args, &config).await,
        }
    });
    // An abandoned write may still hang on a dead disk, and must not block the exit.
    runtime.shutdown_background();
    if IS_OUTPUT_LOST.load(Ordering::Relaxed) { ExitCode::FAILURE } else { code }
}

/// Parses a run's id for clap.
fn parse_run(text: &str) -> Result<RunId, String> {
    RunId::parse(text).map_err(|error| error.to_string())
}

/// Starts the log. A service logs its progress. A command shows progress lines, so its log holds only
/// warnings.
fn start_logs(config: &Config, is_service: bool) {
    use std::io::IsTerminal as _;
    let process = &config.process;
    let default = if is_service { "info" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::new(process.log_level.as_deref().unwrap_or(default));
    let format = match process.log_format {
        config::LogFormat::Json if is_service => LogFormat::Json,
        _ => LogFormat::Text { is_coloured: std::io::stderr().is_terminal() },
    };
    let subscriber = logs::subscriber(filter, format, Arc::new(SystemClock::default()), std::io::stderr);
    // It fails only if a subscriber is installed already, which is equally good.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Prints the error to stderr.
fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    say(&format!("innovation: {error}"));
    ExitCode::FAILURE
}

/// Prints a line for people.
fn say(line: &str) {
    use std::io::Write as _;
    // A closed stderr must not end the command.
    let _ = writeln!(std::io::stderr().lock(), "{}", for_terminal(line));
}

/// Removes control characters that a terminal would execute. Names of files and documents come from
/// strangers.
fn for_terminal(text: &str) -> String {
    let is_obeyed = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Set if a result could not be printed. The command has then failed, whatever it did.
static IS_OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// Prints a result. A closed pipe (`| head`) is not an error.
fn put(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            IS_OUTPUT_LOST.store(true, Ordering::Relaxed);
            say(&format!("innovation: the result could not be printed: {error}"));
        }
        _ => {}
    }
}

/// Prints a result as one line of JSON.
fn put_json(value: &serde_json::Value) {
    put(&format!("{value}\n"));
}
