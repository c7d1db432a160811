//! The canonical form of values (RFC 8785), their digests, and what keeps a value from having them.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::run::Stage;

/// The largest payload that is stored. A 400-page report's payload has about 100 KB. Every store takes
/// several times this limit.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why a value has no canonical form or is not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot be written as canonical JSON")]
    Canonical(#[source] serde_json::Error),
    #[error("is not a stage record")]
    Shape(#[source] serde_json::Error),
    #[error("is the record of {found}, not of {expected}")]
    WrongStage { expected: Stage, found: Stage },
    #[error("holds {bytes} bytes, at most {PAYLOAD_BYTES_MAX} are stored")]
    TooLarge { bytes: usize },
    #[error("says payload digest {stated}, but its payload has {computed}")]
    Digest { stated: String, computed: String },
}

/// The RFC 8785 form of a value.
///
/// # Errors
///
/// [`RecordError::Canonical`] if the value cannot be written as canonical JSON.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, RecordError> {
    serde_json_canonicalizer::to_vec(value).map_err(RecordError::Canonical)
}

/// SHA-256 (hex) of a value's RFC 8785 form.
///
/// # Errors
///
/// [`RecordError::Canonical`] if the value cannot be written as canonical JSON.
pub fn sha256_canonical<T: Serialize>(value: &T) -> Result<String, RecordError> {
    Ok(sha256_hex(&canonical_json(value)?))
}

/// SHA-256 of bytes, in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' - 10 + half });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
