//! The binary `innovation`.

use std::path::Path;
use std::process::ExitCode;

use backend::{cli, documents::isolate};

fn main() -> anyhow::Result<ExitCode> {
    // First of all: the child's limits must be set before anything else takes memory or starts a thread.
    if std::env::args().nth(1).as_deref() == Some(isolate::CHILD_ARGUMENT) {
        return Ok(isolate::child_main());
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["extract", file] => runtime.block_on(cli::extract::run(Path::new(file), false)),
        ["extract", file, "--json"] => runtime.block_on(cli::extract::run(Path::new(file), true)),
        _ => Ok(ExitCode::FAILURE),
    }
}
