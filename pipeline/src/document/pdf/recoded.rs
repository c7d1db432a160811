//! Streams that are compressed with Brotli, which the interpreter does not know. They are compressed anew.

use std::io::{Read as _, Write as _};

use brotli_decompressor::Decompressor;
use flate2::{Compression, write::ZlibEncoder};
use memchr::memmem;

const NAME: &[u8] = b"/BrotliDecode";
const NEW_NAME: &[u8] = b"/FlateDecode";
/// The most bytes that the streams of a file give together. The reader's own memory limit is 512 MiB.
const DECODED_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// A dictionary of a stream is shorter than this.
const DICT_BYTES_MAX: usize = 16 * 1024;
const BUFFER_BYTES: usize = 16 * 1024;

/// A copy of the file in which each Brotli stream is a Flate stream, or `None` if it has none.
///
/// All places in the file change, so the copy has no mark of its table, and its objects are searched for. Of a
/// filter list, only the outermost filter can be replaced.
pub(super) fn without_brotli(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::with_capacity(bytes.len() + bytes.len() / 4);
    let (mut done, mut left, mut changed) = (0, DECODED_BYTES_MAX, false);
    for at in memmem::find_iter(bytes, NAME) {
        if at < done {
            continue;
        }
        let Some((data, end)) = stream_after(bytes, at) else { continue };
        let Some(flate) = bytes.get(data..end).and_then(|data| recoded(data, &mut left)) else { continue };
        copy.extend_from_slice(bytes.get(done..at)?);
        copy.extend_from_slice(NEW_NAME);
        copy.extend_from_slice(bytes.get(at + NAME.len()..data)?);
        copy.extend_from_slice(&flate);
        copy.push(b'\n');
        (done, changed) = (end, true);
    }
    copy.extend_from_slice(bytes.get(done..)?);
    if !changed {
        return None;
    }
    let marks: Vec<usize> = memmem::find_iter(&copy, b"startxref").collect();
    for mark in marks {
        if let Some(letter) = copy.get_mut(mark) {
            *letter = b'%';
        }
    }
    Some(copy)
}

/// The places of the data of the stream whose dictionary holds this place.
fn stream_after(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let head = bytes.get(at..bytes.len().min(at + DICT_BYTES_MAX))?;
    let mark = at + memmem::find(head, b"stream")? + b"stream".len();
    let data = match bytes.get(mark..)? {
        [b'\r', b'\n', ..] => mark + 2,
        [b'\n' | b'\r', ..] => mark + 1,
        _ => return None,
    };
    let end = data + memmem::find(bytes.get(data..)?, b"endstream")?;
    Some((data, end))
}

fn recoded(brotli: &[u8], left: &mut u64) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    // A decoder that stops at the end of its stream ignores the line break behind it.
    Decompressor::new(brotli, BUFFER_BYTES).take(*left).read_to_end(&mut decoded).ok()?;
    *left = left.checked_sub(decoded.len() as u64)?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&decoded).ok()?;
    encoder.finish().ok()
}
