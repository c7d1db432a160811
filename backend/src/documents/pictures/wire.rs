//! The messages between the service and the process that draws.
//!
//! The service sends a line of JSON and the document's bytes. The process answers with the PNG and facts in a trailer.

use std::io;

use pipeline::document::{DocumentError, PictureSize};
use serde::{Deserialize, Serialize};

use crate::documents::trailer::{self, split_end};

/// The line that precedes the document's bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) page: u32,
    pub(super) size: PictureSize,
}

/// The process's answer without the PNG.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Facts {
    Painted { png_bytes: usize, width: u32, height: u32, scale: f64 },
    NoSuchPage { pages: u32 },
    Failed(DocumentError),
}

pub(super) fn encode(png: Vec<u8>, facts: &Facts) -> io::Result<Vec<u8>> {
    trailer::append(png, facts)
}

/// None if the bytes do not end in an answer.
pub(super) fn decode(bytes: &[u8]) -> Option<(&[u8], Facts)> {
    let (rest, facts) = trailer::split(bytes)?;
    let png = match &facts {
        Facts::Painted { png_bytes, .. } => split_end(rest, *png_bytes)?.1,
        _ => &[],
    };
    Some((png, facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_the_way_after_chatter() {
        let facts = || Facts::Painted { png_bytes: 3, width: 1, height: 2, scale: 0.5 };
        let answer = encode(b"png".to_vec(), &facts()).unwrap();
        let with_chatter = [b"a decoder's chatter\n{}", answer.as_slice()].concat();
        assert_eq!(decode(&with_chatter), Some((&b"png"[..], facts())));
        for cut in 0..answer.len() {
            assert_eq!(decode(&answer[..cut]), None, "{cut}");
        }
        assert_eq!(decode(&[0xff; 8]), None);
    }
}
