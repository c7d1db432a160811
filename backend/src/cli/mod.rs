//! The command line: one file per command. Errors and progress go to stderr, results to stdout.

pub mod alerts;
pub mod audit;
pub mod brands;
pub mod cache;
pub mod cancel;
pub mod checks;
pub mod deploy;
mod duration;
pub mod env;
pub mod eval;
mod exit;
pub mod export;
pub mod extract;
pub mod flags;
pub mod forget;
pub mod gate;
pub mod healthcheck;
pub mod keys;
mod leave_record;
pub mod migrate;
pub mod openapi;
mod output;
pub mod progress;
pub mod reconcile;
pub mod rehearse;
pub mod retry;
pub mod run;
mod run_id;
pub mod runs;
pub mod serve;
pub mod smoke;
pub mod status;
#[cfg(feature = "testing")]
mod try_sandbox;
pub mod webhooks;

use std::{borrow::Cow, ffi::OsString, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use pipeline::visible_text::visible;

use self::{exit::EXIT_USAGE, output::fail};
use crate::{
    app,
    config::{self, Config, Purpose},
    documents::{
        child,
        ocr::{confined, picture},
        pictures::child as painter,
    },
    telemetry::logs::{self, LogFormat, Sampling},
};
use foundation::clock::SystemClock;

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
    /// Measure reports on the golden set, and compare them with others
    Eval(eval::Args),
    /// Migrate the database's schema, or undo a migration
    Migrate(migrate::Args),
    /// Continue failed runs where they stopped; shows them first
    Retry(retry::Args),
    /// Cancel runs by their ids; their workers stop within a second
    Cancel(cancel::Args),
    /// Bring together all ended runs that differ in files and database, or verify that both are equal
    Reconcile(reconcile::Args),
    /// Rehearse the rollbacks on a scratch database, and store the timings as evidence
    Rehearse(rehearse::Args),
    /// Write runs that only the database holds to files
    Export(export::Args),
    /// Print the API's description (OpenAPI 3.1)
    Openapi,
    /// Show the webhooks of runs, or send them again
    Webhooks(webhooks::Args),
    /// Say what is wrong with this installation, and what to type next
    Doctor(checks::CheckArgs),
    /// Say whether this may go to production, and why not
    Gate(gate::Args),
    /// Say whether this may be deployed here now
    Preflight(checks::CheckArgs),
    /// Show who changed what, or look for what a stranger could use
    #[command(subcommand)]
    Audit(Audit),
    /// Check, compare and describe the environment's variables
    Env(env::Args),
    /// Walk the golden path of a running service: a real run that costs nothing
    Smoke(smoke::Args),
    /// Make, list, rotate and revoke keys of the API
    Keys(keys::Args),
    /// Show the state of the service, or of one run
    Status(status::Args),
    /// List runs, the newest first; or retry, cancel or delete all runs of a filter
    Runs(runs::Args),
    /// Delete all runs of a user for good; shows them first
    Forget(forget::Args),
    /// Show or remove the model's answers that runs share
    Cache(cache::Args),
    /// Show alerts, silence a rule, or try a channel
    Alerts(alerts::Args),
    /// Show feature flags, change them for all replicas, or roll the storage mode back
    Flags(flags::Args),
    /// Record deployments, show them with their verdicts, or take one back
    Deploy(deploy::Args),
    /// Check whether a service is alive; exit code 1 if it is not, 3 if it does not answer
    Healthcheck(healthcheck::Args),
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Show who changed what, the newest first; exit code 3 if a part of the audit could not be read
    Log(audit::LogArgs),
    /// Rights on the control plane, old keys, weak secrets, plain connections, public routes
    Security(checks::CheckArgs),
}

/// Prints clap's answer: help, or what is wrong with the arguments. An argument may be a stranger's file name.
fn print_usage(error: &clap::Error) {
    let plain = error.to_string();
    match visible(&plain) {
        Cow::Borrowed(_) => {
            // If stderr is closed too, the error cannot be reported.
            let _ = error.print();
        }
        Cow::Owned(shown) => output::say(shown.trim_end()),
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // A process that reads documents needs neither configuration nor runtime, only the parser.
    match arguments.get(1) {
        Some(first) if first == child::CHILD_ARGUMENT => return child::child_main(),
        Some(first) if first == child::SERVER_ARGUMENT => return child::server_main(),
        Some(first) if first == painter::PAINTER_ARGUMENT => return painter::painter_main(),
        Some(first) if first == picture::SCANNER_ARGUMENT => return picture::scanner_main(),
        Some(first) if first == confined::RECOGNISER_ARGUMENT => {
            return confined::recogniser_main(arguments.get(2..).unwrap_or_default());
        }
        #[cfg(feature = "testing")]
        Some(first) if first == try_sandbox::ARGUMENT => return try_sandbox::main(),
        _ => {}
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            print_usage(&error);
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let command = cli.command;
    if is_check(&command) {
        return run_checks(command);
    }
    let is_service = matches!(command, Command::Serve(_));
    let purpose = if is_service { Purpose::Service } else { Purpose::Command };
    let config = match Config::from_environment(purpose) {
        Ok(config) => config,
        Err(problems) => return fail(&problems),
    };
    start_logs(&config, is_service);
    block_on(async {
        match command {
            Command::Run(args) => run::run(args, config).await,
            Command::Serve(args) => serve::run(args, config).await,
            Command::Brands(args) => brands::run(&args, &config),
            Command::Extract(args) => extract::run(args, config).await,
            Command::Eval(args) => eval::run(args, config).await,
            Command::Migrate(args) => migrate::run(args, &config).await,
            Command::Retry(args) => retry::run(args, &config).await,
            Command::Cancel(args) => cancel::run(args, &config).await,
            Command::Reconcile(args) => reconcile::run(args, config).await,
            Command::Rehearse(args) => Box::pin(rehearse::run(args, config)).await,
            Command::Export(args) => export::run(args, config).await,
            Command::Openapi => openapi::run(),
            Command::Webhooks(args) => webhooks::run(args, &config).await,
            Command::Keys(args) => keys::run(args, &config).await,
            Command::Status(args) => status::run(args, &config).await,
            Command::Runs(args) => runs::run(args, &config).await,
            Command::Forget(args) => forget::run(args, &config).await,
            Command::Cache(args) => cache::run(args, &config).await,
            Command::Audit(Audit::Log(args)) => audit::run(args, &config).await,
            Command::Alerts(args) => alerts::run(args, &config).await,
            Command::Flags(args) => flags::run(args, &config).await,
            Command::Deploy(args) => deploy::run(args, &config).await,
            Command::Healthcheck(args) => healthcheck::run(args, &config).await,
            // They have run.
            Command::Doctor(_)
            | Command::Gate(_)
            | Command::Preflight(_)
            | Command::Audit(Audit::Security(_))
            | Command::Env(_)
            | Command::Smoke(_) => ExitCode::SUCCESS,
        }
    })
}

/// Whether a command looks at the environment itself.
fn is_check(command: &Command) -> bool {
    matches!(
        command,
        Command::Doctor(_)
            | Command::Gate(_)
            | Command::Preflight(_)
            | Command::Audit(Audit::Security(_))
            | Command::Env(_)
            | Command::Smoke(_)
    )
}

/// Runs a command that looks at the environment itself. It also works, and says why, where the environment is wrong.
fn run_checks(command: Command) -> ExitCode {
    let variables = match config::environment_variables() {
        Ok(variables) => variables,
        Err(problems) => return fail(&problems),
    };
    let command = match command {
        Command::Env(args) => return env::run(args, variables),
        command => command,
    };
    let config = Config::from_variables(variables.clone(), Purpose::Command);
    if let Ok(config) = &config {
        start_logs(config, false);
    }
    // The pool of the database needs a runtime.
    block_on(async {
        let deps = match config.map(|config| app::check_deps(config, &variables)) {
            Ok(Ok(deps)) => Ok(deps),
            Ok(Err(error)) => return fail(&error),
            Err(problems) => Err(problems),
        };
        match command {
            Command::Doctor(args) => checks::run(checks::DOCTOR, &args, deps).await,
            Command::Gate(args) => gate::run(args, deps).await,
            Command::Smoke(args) => smoke::run(args, deps, &variables).await,
            Command::Preflight(args) => checks::run(checks::PREFLIGHT, &args, deps).await,
            Command::Audit(Audit::Security(args)) => checks::run(checks::AUDIT_SECURITY, &args, deps).await,
            _ => ExitCode::SUCCESS,
        }
    })
}

fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let code = runtime.block_on(work);
    // An abandoned write may still hang on a dead disk, and must not block the exit.
    runtime.shutdown_background();
    if output::is_output_lost() { ExitCode::FAILURE } else { code }
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
    // A person who types a command reads every line.
    let percent = if is_service { config.telemetry.log_sample_percent } else { 100 };
    let sampling = Sampling { percent };
    let clock = Arc::new(SystemClock::default());
    let subscriber = logs::subscriber(filter, format, sampling, clock, std::io::stderr);
    // It fails only if a subscriber is installed already, which is equally good.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
