//! Content codings: decodes a compressed body within the limits of a document.
//!
//! # Invariants
//!
//! * The output of every layer is counted. Neither the document nor the data between two codings may exceed
//!   the limit. So a few kilobytes cannot cause hours of work.
//! * No coding is guessed. The service decodes only named codings, and refuses an unknown one by its name.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::{
    tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder},
    zstd::DParameter,
};
use reqwest::header::{AsHeaderName, CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader, ReadBuf};

/// The codings that [`undo`] supports, for `Accept-Encoding`.
pub(super) const ACCEPTED: &str = "gzip, br, zstd, deflate";

/// No honest server applies more codings than this.
const CODINGS_MAX: usize = 4;

/// The largest window of `zstd` in HTTP: 8 MiB (RFC 9659). The library's default limit is 128 MiB per
/// transfer.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How much is decoded at once.
const BUFFER_BYTES: usize = 32 * 1024;

/// How many characters of an unknown coding are shown.
const SHOWN_CHARS_MAX: usize = 40;

/// A body that is being read.
pub(super) type Body = Pin<Box<dyn AsyncBufRead + Send>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// The codings of an answer in the order of their application, or the reason why one is unsupported.
pub(super) fn of(headers: &HeaderMap) -> Result<Vec<Coding>, String> {
    let mut codings = Vec::new();
    for name in tokens(headers, CONTENT_ENCODING).chain(tokens(headers, TRANSFER_ENCODING)) {
        let coding = match name.as_str() {
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "br" => Coding::Brotli,
            "zstd" => Coding::Zstd,
            // These are no coding, a framing, or wrong values that a store kept from an upload. Browsers
            // ignore them too.
            "identity" | "chunked" | "aws-chunked" | "none" | "binary" | "7bit" | "8bit" | "utf-8"
            | "utf8" => continue,
            unknown => {
                let shown: String =
                    unknown.chars().filter(char::is_ascii_graphic).take(SHOWN_CHARS_MAX).collect();
                return Err(format!(
                    "the server sends it in the content coding “{shown}”; only {ACCEPTED} are supported"
                ));
            }
        };
        codings.push(coding);
    }
    if codings.len() > CODINGS_MAX {
        return Err(format!("the server sends it in more than {CODINGS_MAX} content codings"));
    }
    Ok(codings)
}

/// The elements of a list, over all lines of a header.
fn tokens(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = String> {
    let lines: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase())
        .collect();
    lines.into_iter().flat_map(|line| {
        let parts = line.split(',').map(|part| part.trim().to_owned());
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>()
    })
}

/// Decodes a body. Reading more than `limit` bytes of any layer fails with [`io::ErrorKind::FileTooLarge`].
pub(super) async fn undo(
    raw: impl AsyncRead + Send + 'static,
    codings: &[Coding],
    limit: usize,
) -> io::Result<Body> {
    // Incompressible data grows a little under a coding.
    let slack = if codings.is_empty() { 0 } else { limit / 100 + 1024 };
    let mut body = counted(raw, limit + slack);
    for coding in codings.iter().rev() {
        body = match coding {
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(body);
                // RFC 1952: a file has one or several members.
                decoder.multiple_members(true);
                counted(decoder, limit + slack)
            }
            Coding::Brotli => counted(BrotliDecoder::new(body), limit + slack),
            Coding::Zstd => {
                let window = [DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX)];
                let mut decoder = ZstdDecoder::with_params(body, &window);
                decoder.multiple_members(true);
                counted(decoder, limit + slack)
            }
            Coding::Deflate => {
                if is_zlib(body.fill_buf().await?) {
                    counted(ZlibDecoder::new(body), limit + slack)
                } else {
                    counted(DeflateDecoder::new(body), limit + slack)
                }
            }
        };
    }
    Ok(body)
}

/// Whether data begins with a zlib header (RFC 1950). RFC 9110 requires one, but some servers send raw
/// deflate (RFC 1951). Raw deflate begins with these bits only if the padding of a stored block is not zero,
/// which no compressor writes.
fn is_zlib(start: &[u8]) -> bool {
    start.first().is_none_or(|first| first & 0x0f == 8 && first >> 4 <= 7)
}

fn counted(inner: impl AsyncRead + Send + 'static, limit: usize) -> Body {
    Box::pin(BufReader::with_capacity(BUFFER_BYTES, Counted { inner: Box::pin(inner), left: limit }))
}

/// Fails if more bytes arrive than allowed.
struct Counted<R> {
    inner: Pin<Box<R>>,
    left: usize,
}

impl<R: AsyncRead> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.inner.as_mut().poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        match self.left.checked_sub(read) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into())),
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn codings_are_parsed_from_all_header_lines() {
        use Coding::{Brotli, Deflate, Gzip, Zstd};
        for (lines, codings) in [
            (&[][..], &[][..]),
            (&["identity"], &[]),
            (&["", "aws-chunked, UTF-8"], &[]),
            (&["GZip"], &[Gzip]),
            (&["x-gzip", "br , zstd"], &[Gzip, Brotli, Zstd]),
            (&["deflate,,gzip"], &[Deflate, Gzip]),
        ] {
            assert_eq!(of(&headers(lines)).unwrap(), codings, "{lines:?}");
        }
    }

    #[test]
    fn an_unknown_coding_is_named() {
        assert!(of(&headers(&["gzip, dcz"])).unwrap_err().contains("“dcz”"));
        assert!(of(&headers(&["compress"])).is_err());
        assert!(of(&headers(&["gzip,gzip,gzip,gzip,gzip"])).is_err());
        let long = of(&headers(&["x".repeat(5000).as_str()])).unwrap_err();
        assert!(long.len() < 300, "{long}");
    }
}
