//! `innovation doctor`: what is wrong here, and what to type next.

use std::process::ExitCode;

use super::checks::{CheckArgs, report, report_problems};
use crate::{
    checks::{deps::CheckDeps, sets},
    config::Problems,
};

const QUESTION: &str = "does this installation work?";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    checks: CheckArgs,
}

/// Asks everything.
pub async fn run(args: Args, deps: Result<CheckDeps, Problems>) -> ExitCode {
    match deps {
        Ok(deps) => report("doctor", QUESTION, &args.checks, sets::doctor(&deps), &deps).await,
        Err(problems) => report_problems("doctor", QUESTION, &args.checks, &problems),
    }
}
