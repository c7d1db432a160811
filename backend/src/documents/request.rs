//! The request that a confined child receives on its standard input: a line of JSON, then the document's bytes.

use std::io::{self, BufRead as _, Read as _};

use serde::de::DeserializeOwned;

use super::limits::INPUT_BYTES_MAX;

/// The longest header. It holds a name and a few numbers.
const HEADER_BYTES_MAX: u64 = 64 * 1024;

/// Reads the header and the bytes. `expected` says how many bytes the header promises.
///
/// # Errors
///
/// The parent has gone, or sent no header.
pub(super) fn read<H: DeserializeOwned>(expected: impl FnOnce(&H) -> usize) -> io::Result<(H, Vec<u8>)> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    input.by_ref().take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)?;
    let header = serde_json::from_slice(&line)?;
    let mut bytes = Vec::with_capacity(expected(&header).min(INPUT_BYTES_MAX));
    input.take(INPUT_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok((header, bytes))
}
