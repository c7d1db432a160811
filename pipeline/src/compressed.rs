//! Values of a waiting run, compressed: thousands of runs wait at once, each with its document and its records.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::Serialize;

/// A value as compressed JSON: a third of what its JSON takes, and a tenth of what it takes as a value.
#[derive(Debug, Clone)]
pub(crate) struct Compressed(Box<[u8]>);

/// A defect: what was compressed can be decompressed.
#[derive(Debug, thiserror::Error)]
#[error("cannot be kept in memory: {0}")]
pub struct CompressError(#[from] std::io::Error);

impl Compressed {
    pub(crate) fn new(value: &impl Serialize) -> Result<Self, CompressError> {
        Self::of_json(&serde_json::to_vec(value).map_err(std::io::Error::other)?)
    }

    /// Compresses a value that is JSON already.
    pub(crate) fn of_json(json: &[u8]) -> Result<Self, CompressError> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(json)?;
        Ok(Self(encoder.finish()?.into()))
    }

    #[cfg(test)]
    pub(crate) fn compressed_bytes(&self) -> usize {
        self.0.len()
    }

    /// The value's JSON.
    pub(crate) fn json(&self) -> Result<Vec<u8>, CompressError> {
        let mut json = Vec::new();
        DeflateDecoder::new(&*self.0).read_to_end(&mut json)?;
        Ok(json)
    }
}
