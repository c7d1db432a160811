//! The side that parses: a confined process reads one document from stdin and answers on stdout.
//!
//! Architecture invariant: nothing else in this crate parses a document of any format.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use pipeline::document::DocumentError;

use super::{
    limits::PROFILE,
    request,
    wire::{Confinement, Header, Reply},
};

/// The hidden subcommand of a process that reads one document.
pub const CHILD_ARGUMENT: &str = "extract-child";

/// The hidden subcommand of the fork server.
pub const SERVER_ARGUMENT: &str = "extract-server";

/// Reads a document in this process. The binary's `main` calls it before any runtime starts.
#[must_use]
pub fn child_main() -> ExitCode {
    match sandbox::run_confined(&PROFILE, |enforced| answer(enforced.into())) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Forks a process for each document. The binary's `main` calls it before any runtime starts.
#[must_use]
pub fn server_main() -> ExitCode {
    // A panic would end the server, which reads without tables as well.
    let warm_up = || drop(std::panic::catch_unwind(pipeline::document::warm_up));
    sandbox::serve(&PROFILE, warm_up, |enforced| answer(enforced.into()))
}

/// Returns whether the parent got an answer.
fn answer(confinement: Confinement) -> bool {
    let read = std::panic::catch_unwind(read);
    let result = match read {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => return false,
        Err(_panic) => Err(DocumentError::Corrupt("its parts contradict each other".to_owned())),
    };
    Reply { confinement, result }.encode().and_then(|reply| write(&reply)).is_ok()
}

fn write(reply: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(reply)?;
    out.flush()
}

type Extracted = Result<pipeline::document::recognition::Scanned, DocumentError>;

fn read() -> io::Result<Extracted> {
    let (header, bytes): (Header, _) = request::read(|header: &Header| header.bytes)?;
    #[cfg(feature = "testing")]
    if header.source_name == super::attempts::NAME {
        let (document, scans) = (super::attempts::document(), pipeline::document::Scans::default());
        return Ok(Ok(pipeline::document::recognition::Scanned { document, scans }));
    }
    Ok(pipeline::document::extract_for_recognition(&header.source_name, &bytes))
}
