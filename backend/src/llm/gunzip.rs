//! Decompresses bodies that arrive compressed although the client asks for none. Some gateways compress every
//! answer.

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use flate2::write::MultiGzDecoder;

/// The first bytes of a gzip stream (RFC 1952).
const MAGIC: [u8; 2] = [0x1F, 0x8B];

/// Decodes a body piece by piece if it is compressed. The first bytes decide, because no text of an answer
/// begins like gzip.
#[derive(Debug, Default)]
pub(super) enum Gunzip {
    /// Less than two bytes so far.
    #[default]
    Undecided,
    /// The first byte of the gzip mark.
    HalfMark,
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Gunzip {
    /// Returns the next decompressed bytes.
    ///
    /// # Errors
    ///
    /// The compressed stream is damaged.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        let [first, second] = MAGIC;
        let mut bytes = Cow::Borrowed(bytes);
        match (&*self, bytes.as_ref()) {
            (Self::Undecided, []) => return Ok(bytes),
            (Self::Undecided, [only]) if *only == first => {
                *self = Self::HalfMark;
                return Ok(Cow::Borrowed(&[]));
            }
            (Self::Undecided, [a, b, ..]) if [*a, *b] == MAGIC => *self = Self::gzip(),
            (Self::HalfMark, [b, ..]) if *b == second => {
                bytes = Cow::Owned([&[first], bytes.as_ref()].concat());
                *self = Self::gzip();
            }
            (Self::Undecided | Self::HalfMark, _) => *self = Self::Plain,
            _ => {}
        }
        match self {
            Self::Gzip(decoder) => {
                decoder.write_all(&bytes)?;
                decoder.flush()?;
                Ok(Cow::Owned(std::mem::take(decoder.get_mut())))
            }
            _ => Ok(bytes),
        }
    }

    fn gzip() -> Self {
        Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn chunk_borders_do_not_change_the_body() {
        let text = b"data: {\"choices\": []}\n\n".repeat(50);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&text).unwrap();
        let packed = encoder.finish().unwrap();
        for body in [&packed, &text] {
            for size in [1, 2, 7, 4_096] {
                let mut gunzip = Gunzip::default();
                let decoded: Vec<u8> =
                    body.chunks(size).flat_map(|piece| gunzip.push(piece).unwrap().into_owned()).collect();
                assert_eq!(decoded, text);
            }
        }
        let damaged = [&MAGIC[..], &[0xFF; 40]].concat();
        assert!(Gunzip::default().push(&damaged).is_err());
    }
}
