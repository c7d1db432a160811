//! `innovation audit security`: what could a stranger use?

use std::process::ExitCode;

use super::checks::{CheckArgs, report, report_problems};
use crate::{
    checks::{deps::CheckDeps, sets},
    config::Problems,
};

const QUESTION: &str = "is this installation closed to strangers?";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    checks: CheckArgs,
}

/// Asks for rights, keys, secrets, connections and routes.
pub async fn run(args: Args, deps: Result<CheckDeps, Problems>) -> ExitCode {
    match deps {
        Ok(deps) => report("audit security", QUESTION, &args.checks, sets::security(&deps), &deps).await,
        Err(problems) => report_problems("audit security", QUESTION, &args.checks, &problems),
    }
}
