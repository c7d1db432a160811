//! The parent's side of drawing: a process of its own for each page. It takes some milliseconds to start, and a page takes a
//! tenth of a second; so drawing needs no fork server, and no document of a run waits for it.

use std::{io, process::ExitStatus, time::Duration};

use pipeline::document::{DocumentError, PictureSize};

use super::{
    child::{CPU_SECONDS_MAX, PAINTER_ARGUMENT},
    picture::{Picture, PictureError, WIDTH},
    wire::{Facts, Header, decode},
};
use crate::documents::{exchange::Pipes, isolate::Isolation};

/// From start to answer. The process has a low priority, so it may wait for the CPU longer than it computes.
const WALL_TIMEOUT: Duration = Duration::from_secs(18);

/// The most bytes of an answer: four million pixels without any compression, and a little.
const OUTPUT_BYTES_MAX: usize = 17 * 1024 * 1024;

/// Draws a page. Dropped, it ends the process.
pub(super) async fn paint(isolation: &Isolation, page: u32, bytes: &[u8]) -> Result<Picture, PictureError> {
    try_paint(isolation, page, bytes).await.unwrap_or_else(|error| {
        tracing::error!(event = "page_painter_failed", %error, "the process that draws pages failed to run");
        Err(DocumentError::Unavailable("the page could not be drawn".to_owned()).into())
    })
}

async fn try_paint(
    isolation: &Isolation,
    page: u32,
    bytes: &[u8],
) -> io::Result<Result<Picture, PictureError>> {
    let mut child = isolation.spawn(PAINTER_ARGUMENT)?;
    let pipes = Pipes::of(&mut child)?;
    let header = serde_json::to_vec(&Header { page, size: PictureSize::Width(WIDTH) })?;
    let exchange = pipes.send(header, bytes, OUTPUT_BYTES_MAX);
    let Ok(ended) = tokio::time::timeout(WALL_TIMEOUT, exchange).await else {
        // An error here means that the child has just ended.
        let _ = child.kill().await;
        // The limit of CPU time says something about the page. This one may say that the machine is busy.
        let reason = format!("drawing the page takes longer than {WALL_TIMEOUT:?} at the moment");
        return Ok(Err(DocumentError::Unavailable(reason).into()));
    };
    let ended = ended?;
    if ended.output_bytes() > OUTPUT_BYTES_MAX {
        let _ = child.kill().await;
        return Ok(Err(DocumentError::TooLarge("its picture is larger than allowed".to_owned()).into()));
    }
    let status = child.wait().await?;
    if is_killed(status) {
        return Err(io::Error::other("the process that drew the page was killed"));
    }
    Ok(match ended.answer(status) {
        Ok(answer) => understand(answer),
        Err(DocumentError::Timeout(_)) => Err(too_slow().into()),
        Err(error) => Err(error.into()),
    })
}

fn understand(answer: &[u8]) -> Result<Picture, PictureError> {
    match decode(answer) {
        Some((png, Facts::Painted { width, height, scale, .. })) => {
            Ok(Picture { png: png.into(), width, height, scale })
        }
        Some((_, Facts::NoSuchPage { pages })) => Err(PictureError::NoSuchPage(pages)),
        Some((_, Facts::Failed(error))) => Err(error.into()),
        None => Err(DocumentError::Corrupt("drawing it ended without an answer".to_owned()).into()),
    }
}

fn too_slow() -> DocumentError {
    DocumentError::Timeout(format!("drawing the page takes more than {CPU_SECONDS_MAX} s of computing"))
}

/// Whether somebody killed the process: an operator, or the kernel for the memory of the whole machine. The page may be
/// innocent, so its next reader tries again.
#[cfg(unix)]
fn is_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(rustix::process::Signal::KILL.as_raw())
}

#[cfg(not(unix))]
fn is_killed(_: ExitStatus) -> bool {
    false
}
