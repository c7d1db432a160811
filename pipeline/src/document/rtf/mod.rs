//! Reads RTF with a small tokenizer of its own: no library for it is kept well.

mod charset;
mod group;
mod left_out;
mod paragraphs;
mod reader;
mod token;

use self::reader::Reader;
use super::error::DocumentError;
use super::raw::RawDocument;

/// Reads RTF.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut reader = Reader::new(bytes);
    reader.read()?;
    Ok(reader.finish())
}

#[cfg(test)]
mod tests;
