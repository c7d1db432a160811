//! Pictures of pages for OCR: a confined child draws a page and answers with its grey pixels.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use pipeline::document::{DocumentError, PICTURE_PIXELS_MAX, PagePainter, PictureSize};
use serde::{Deserialize, Serialize};

use crate::documents::{
    exchange::{Ended, Pipes},
    isolate::Isolation,
    limits::PROFILE,
    request, trailer,
};

/// The hidden subcommand of a process that draws one page for OCR.
pub const SCANNER_ARGUMENT: &str = "scan-child";

/// The resolution. Below, small letters melt; above, the program takes longer and reads no better.
const DPI: u32 = 200;
const POINTS_PER_INCH: f64 = 72.0;

/// The most bytes of an answer: the pixels, and what describes them.
const ANSWER_BYTES_MAX: usize = PICTURE_PIXELS_MAX as usize + 4_096;

/// The line that precedes the document's bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    page: u32,
}

/// The picture of a page, in shades of grey.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    width: u32,
    height: u32,
    /// Pixels a point.
    pub(super) scale: f64,
    /// Line by line from the upper left corner, a byte each.
    pub(super) pixels: Vec<u8>,
}

/// An answer without the pixels. It follows them, and its length ends the answer.
#[derive(Debug, Serialize, Deserialize)]
struct Outline {
    result: Result<(u32, u32, f64), DocumentError>,
}

impl Picture {
    /// A white square.
    pub(super) fn blank(side: u32) -> Self {
        let pixels = vec![u8::MAX; (side * side) as usize];
        Self { width: side, height: side, scale: f64::from(DPI) / POINTS_PER_INCH, pixels }
    }

    /// The head of the format PGM, without its last line break.
    pub(super) fn head(&self) -> Vec<u8> {
        format!("P5\n{} {}\n255", self.width, self.height).into_bytes()
    }

    /// Pixels an inch. A huge page has fewer, and the program takes 70 for the least.
    pub(super) fn dpi(&self) -> u32 {
        ((self.scale * POINTS_PER_INCH).round() as u32).clamp(70, 2_400)
    }
}

/// Draws a page in a confined child.
///
/// # Errors
///
/// [`DocumentError::Unavailable`] if the child cannot run. Every other error is the page's fault.
pub(super) async fn draw(isolation: &Isolation, page: u32, bytes: &[u8]) -> Result<Picture, DocumentError> {
    let drawing = async {
        let mut child = isolation.spawn(SCANNER_ARGUMENT)?;
        let pipes = Pipes::of(&mut child)?;
        let header = serde_json::to_vec(&Header { page })?;
        let ended = pipes.send(header, bytes, ANSWER_BYTES_MAX).await?;
        if ended.output_bytes() > ANSWER_BYTES_MAX {
            let _ = child.kill().await;
        }
        let status = child.wait().await?;
        Ok((ended, status))
    };
    let drawn = tokio::time::timeout(isolation.limits.wall_timeout, drawing).await;
    let late = |_| DocumentError::Timeout("a page took too long to draw".to_owned());
    let (ended, status): (Ended, _) = drawn.map_err(late)?.map_err(|error: io::Error| {
        tracing::error!(event = "document_child_failed", %error, "the process that draws pages failed to run");
        DocumentError::Unavailable("the process that draws pages could not be started".to_owned())
    })?;
    decode(ended.answer(status)?)
        .unwrap_or_else(|| Err(DocumentError::Corrupt("drawing it ended without an answer".to_owned())))
}

/// Draws a page in this process. The binary's `main` calls it before any runtime starts.
#[must_use]
pub fn scanner_main() -> ExitCode {
    match sandbox::run_confined(&PROFILE, |_| answer()) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn answer() -> io::Result<()> {
    let result = std::panic::catch_unwind(read_and_draw)
        .unwrap_or_else(|_panic| Ok(Err(DocumentError::Corrupt("the page contradicts itself".to_owned()))))?;
    let mut out = io::stdout().lock();
    out.write_all(&encode(result)?)?;
    out.flush()
}

fn read_and_draw() -> io::Result<Result<Picture, DocumentError>> {
    let (header, bytes): (Header, _) = request::read(|_| 0)?;
    Ok(picture_of(header.page, &bytes))
}

fn picture_of(page: u32, bytes: &[u8]) -> Result<Picture, DocumentError> {
    let drawn = PagePainter::open(bytes)?.draw(page, PictureSize::Dpi(DPI));
    let drawn = drawn.ok_or_else(|| DocumentError::Corrupt(format!("it has no page {page}")))?;
    let (width, height, scale) = (drawn.width(), drawn.height(), drawn.scale);
    let pixels = drawn.rgba().as_chunks().0.iter().map(grey).collect();
    Ok(Picture { width, height, scale, pixels })
}

/// The brightness of a pixel as an eye sees it (ITU-R BT.601).
fn grey([red, green, blue, _]: &[u8; 4]) -> u8 {
    let brightness = 299 * u32::from(*red) + 587 * u32::from(*green) + 114 * u32::from(*blue);
    u8::try_from(brightness / 1_000).unwrap_or(u8::MAX)
}

fn encode(result: Result<Picture, DocumentError>) -> io::Result<Vec<u8>> {
    let (bytes, result) = match result {
        Ok(picture) => (picture.pixels, Ok((picture.width, picture.height, picture.scale))),
        Err(error) => (Vec::new(), Err(error)),
    };
    trailer::append(bytes, &Outline { result })
}

/// None if the bytes do not end in an answer whose pixels fit its sides.
fn decode(bytes: &[u8]) -> Option<Result<Picture, DocumentError>> {
    let (rest, outline): (_, Outline) = trailer::split(bytes)?;
    let (width, height, scale) = match outline.result {
        Ok(sides) => sides,
        Err(error) => return Some(Err(error)),
    };
    let count = width.checked_mul(height).filter(|count| (1..=PICTURE_PIXELS_MAX).contains(count))?;
    let (_, pixels) = trailer::split_end(rest, usize::try_from(count).ok()?)?;
    let is_scale = scale.is_finite() && scale > 0.0;
    is_scale.then_some(Ok(Picture { width, height, scale, pixels: pixels.to_vec() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_the_way_after_chatter() {
        let picture = || Picture { width: 3, height: 2, scale: 2.5, pixels: vec![0, 1, 2, 3, 4, 255] };
        let answer = [b"chatter".to_vec(), encode(Ok(picture())).unwrap()].concat();
        assert_eq!(decode(&answer), Some(Ok(picture())));
        assert_eq!(picture().head(), b"P5\n3 2\n255");
        let refused = encode(Err(DocumentError::Encrypted)).unwrap();
        assert_eq!(decode(&refused), Some(Err(DocumentError::Encrypted)));
    }

    #[test]
    fn forged_answers_are_none() {
        let forged = |width, height, scale| {
            decode(&encode(Ok(Picture { width, height, scale, pixels: vec![0; 6] })).unwrap())
        };
        for (width, height, scale) in
            [(3, 3, 1.0), (0, 2, 1.0), (u32::MAX, u32::MAX, 1.0), (3, 2, 0.0), (3, 2, -1.0)]
        {
            assert_eq!(forged(width, height, scale), None, "{width} {height} {scale}");
        }
        assert_eq!(decode(&[0xff; 8]), None);
    }

    #[test]
    fn brightness_follows_the_eye() {
        assert_eq!([[255; 4], [0, 0, 0, 255], [0, 255, 0, 255]].map(|pixel| grey(&pixel)), [255, 0, 149]);
    }
}
