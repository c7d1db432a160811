//! The end of a child's answer: JSON, and its length in four bytes. The end comes last, because a decoder may print messages
//! of its own first.

use std::io;

use serde::{Serialize, de::DeserializeOwned};

/// Appends the JSON and its length.
///
/// # Errors
///
/// The JSON is longer than its length can say.
pub(super) fn append(mut bytes: Vec<u8>, facts: &impl Serialize) -> io::Result<Vec<u8>> {
    let facts = serde_json::to_vec(facts)?;
    let length = u32::try_from(facts.len()).map_err(io::Error::other)?;
    bytes.extend_from_slice(&facts);
    bytes.extend_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// The bytes before the JSON, and the JSON. None if the bytes do not end in it.
pub(super) fn split<T: DeserializeOwned>(bytes: &[u8]) -> Option<(&[u8], T)> {
    let (rest, length) = bytes.split_last_chunk::<4>()?;
    let (rest, facts) = split_end(rest, usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((rest, serde_json::from_slice(facts).ok()?))
}

/// The bytes before the last `length` ones, and those.
pub(super) fn split_end(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(length)?)
}
