//! `innovation preflight`: may this be deployed here, now?

use std::process::ExitCode;

use super::checks::{CheckArgs, report, report_problems};
use crate::{
    checks::{deps::CheckDeps, sets},
    config::Problems,
};

const QUESTION: &str = "may this be deployed here now?";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    checks: CheckArgs,
}

/// Asks what a deployment depends on.
pub async fn run(args: Args, deps: Result<CheckDeps, Problems>) -> ExitCode {
    match deps {
        Ok(deps) => report("preflight", QUESTION, &args.checks, sets::preflight(&deps), &deps).await,
        Err(problems) => report_problems("preflight", QUESTION, &args.checks, &problems),
    }
}
