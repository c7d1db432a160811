//! `innovation env`: checks, compares and describes the variables of the environment.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Read as _},
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{
    exit::{EXIT_COULD_NOT_CHECK, EXIT_USAGE, EXIT_WARNINGS},
    output::{put, put_json, say},
};
use crate::{
    checks::variables::{self, Drift},
    config::{Config, Problem, Problems, Purpose, problems_of_service},
};
use foundation::safe_read;

/// The variables of a service are a few kilobytes.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// One byte more, so that a longer input is noticed.
const STDIN_BYTES_MAX: u64 = 1024 * 1024 + 1;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say everything that is wrong with the environment of a service; exit code 1 if something is
    Check {
        /// Check these variables in place of the environment: JSON, as `railway variables --json` prints it; - for stdin
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// By the rules of production
        #[arg(long)]
        production: bool,
        /// Exit code 2 if there are warnings
        #[arg(long)]
        strict: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare the environment with a platform's variables, by names; exit code 1 if they differ
    Drift {
        /// JSON, as `railway variables --json` prints it; - for stdin
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the environment
    Schema,
    /// Print `.env.example`
    Example,
}

/// Runs the command. It needs no valid configuration.
pub fn run(args: Args, here: BTreeMap<String, String>) -> ExitCode {
    match args.command {
        Command::Check { file, production, strict, json } => {
            let variables = match file {
                None => here,
                Some(file) => match read(&file) {
                    Ok(variables) => variables,
                    Err(code) => return code,
                },
            };
            check(variables, production, strict, json)
        }
        Command::Drift { file, json } => match read(&file) {
            Ok(there) => show_drift(&variables::drift(&here, &there), json),
            Err(code) => code,
        },
        Command::Schema => {
            put_json(&variables::schema());
            ExitCode::SUCCESS
        }
        Command::Example => {
            put(variables::EXAMPLE);
            ExitCode::SUCCESS
        }
    }
}

fn check(variables: BTreeMap<String, String>, in_production: bool, strict: bool, json: bool) -> ExitCode {
    let problems =
        problems_of_service(variables.clone(), in_production).map_or_else(Vec::new, |Problems(all)| all);
    let config = Config::from_variables(variables, Purpose::Service);
    let warnings = config.map_or_else(|_| Vec::new(), |config| config.warnings);
    if json {
        let listed: Vec<Value> = problems
            .iter()
            .map(|Problem { variable, what, example }| {
                json!({ "variable": variable, "problem": what, "example": example })
            })
            .collect();
        put_json(&json!({ "ok": problems.is_empty(), "problems": listed, "warnings": warnings }));
    }
    for warning in &warnings {
        say(&format!("warn  {warning}"));
    }
    if !problems.is_empty() {
        say(&format!("innovation: {}", Problems(problems)));
        return ExitCode::FAILURE;
    }
    say("the environment is valid");
    if strict && !warnings.is_empty() { ExitCode::from(EXIT_WARNINGS) } else { ExitCode::SUCCESS }
}

fn show_drift(drift: &Drift, json: bool) -> ExitCode {
    if json {
        put_json(&json!({ "ok": drift.is_empty(), "drift": drift }));
    }
    for (what, names, next) in [
        ("set here and not there", &drift.only_here, "railway variables --set NAME=value"),
        ("set there and not here", &drift.only_there, "innovation env example"),
        ("set to other values", &drift.different, "railway variables --set NAME=value"),
        ("set there and read by nothing", &drift.unread, "innovation env example"),
    ] {
        if !names.is_empty() {
            say(&format!("{what}: {}\n  next: {next}", names.join(", ")));
        }
    }
    if drift.is_empty() {
        say("both environments are equal");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Reads variables: an object of texts. The error is the exit code, after a sentence.
fn read(file: &std::path::Path) -> Result<BTreeMap<String, String>, ExitCode> {
    let could_not = |what: &str| {
        say(&format!("innovation: {}: {what}; write `railway variables --json > FILE`", file.display()));
        ExitCode::from(EXIT_COULD_NOT_CHECK)
    };
    let bytes = if file.as_os_str() == "-" {
        if std::io::stdin().is_terminal() {
            return Err(could_not("nothing is piped in"));
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(STDIN_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|error| could_not(&error.to_string()))?;
        bytes
    } else {
        safe_read::read(file, FILE_BYTES_MAX).map_err(|error| could_not(&error.to_string()))?
    };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(could_not("more than 1 MiB"));
    }
    serde_json::from_slice(&bytes).map_err(|_| {
        let _ = could_not("not a JSON object whose values are texts");
        ExitCode::from(EXIT_USAGE)
    })
}
