//! The run's id as an argument.

use pipeline::run::RunId;

/// Parses a run's id for clap.
pub(super) fn parse_run(text: &str) -> Result<RunId, String> {
    RunId::parse(text).map_err(|error| error.to_string())
}
