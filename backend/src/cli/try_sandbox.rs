//! `innovation try-sandbox`, in builds for tests alone: tries to leave the sandbox of documents.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use foundation::clock::SystemClock;

use crate::documents::{
    attempts::{NAME, document},
    isolate::Isolation,
    readers::{Readers, Requester},
};

/// The hidden subcommand that prints the attempts and their outcomes.
pub(super) const ARGUMENT: &str = "try-sandbox";

/// Makes the attempts in a child of the fork server, in a process of its own, and without a sandbox. Prints
/// a JSON array: the rules in force, and the three documents.
pub(super) fn main() -> ExitCode {
    match try_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn try_all() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let readers = Readers::new(Isolation::default(), Arc::new(SystemClock::default()));
    let (forked, alone) = runtime.block_on(async {
        let forked = readers.extract(&Requester::Service, NAME, &[]).await;
        (forked, Isolation::default().extract(NAME, &[]).await)
    });
    let report = readers.report();
    let unconfined = document();
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &(report, forked, alone, unconfined))?;
    out.flush()
}
