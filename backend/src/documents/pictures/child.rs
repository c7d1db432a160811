//! The side that draws: a confined process reads one document from stdin and answers with a picture on stdout.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use pipeline::document::{DocumentError, PagePainter};

use super::wire::{Facts, Header, encode};
use crate::documents::request;

/// The hidden subcommand of a process that draws one page.
pub const PAINTER_ARGUMENT: &str = "paint-child";

/// The most CPU time for a page. A page of photographs takes about a second.
pub(super) const CPU_SECONDS_MAX: u64 = 8;

/// The kernel's limits. A picture of four million pixels takes 16 MB, and each group that is blended as much again.
const PROFILE: sandbox::Profile = sandbox::Profile {
    memory_bytes: 512 * 1024 * 1024,
    cpu_seconds: CPU_SECONDS_MAX,
    // Nested forms need some, and an overflow ends only this process.
    stack_bytes: 64 * 1024 * 1024,
};

/// A process that reads a document of a run goes first: with these steps of niceness it gets three quarters of a core that
/// both want.
const NICENESS: i32 = 5;

/// Draws a page in this process. The binary's `main` calls it before any runtime starts.
#[must_use]
pub fn painter_main() -> ExitCode {
    // A system that refuses it draws with the same priority.
    let _ = rustix::process::nice(NICENESS);
    match sandbox::run_confined(&PROFILE, |_| answer()) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn answer() -> io::Result<()> {
    let painted = std::panic::catch_unwind(read_and_paint);
    let (png, facts) = painted.unwrap_or_else(|_| {
        let error = DocumentError::Corrupt("the parts of the page contradict each other".to_owned());
        Ok((Vec::new(), Facts::Failed(error)))
    })?;
    let mut out = io::stdout().lock();
    out.write_all(&encode(png, &facts)?)?;
    out.flush()
}

fn read_and_paint() -> io::Result<(Vec<u8>, Facts)> {
    let (header, bytes): (Header, _) = request::read(|_| 0)?;
    Ok(paint(&header, &bytes).unwrap_or_else(|facts| (Vec::new(), facts)))
}

/// The error is an answer too.
fn paint(header: &Header, bytes: &[u8]) -> Result<(Vec<u8>, Facts), Facts> {
    let painter = PagePainter::open(bytes).map_err(Facts::Failed)?;
    let picture = painter.draw(header.page, header.size).ok_or_else(|| {
        let pages = u32::try_from(painter.page_count()).unwrap_or(u32::MAX);
        Facts::NoSuchPage { pages }
    })?;
    let (width, height, scale) = (picture.width(), picture.height(), picture.scale);
    let png = picture.into_png().ok_or_else(|| {
        Facts::Failed(DocumentError::Corrupt("the picture of the page cannot be written".to_owned()))
    })?;
    let facts = Facts::Painted { png_bytes: png.len(), width, height, scale };
    Ok((png, facts))
}
