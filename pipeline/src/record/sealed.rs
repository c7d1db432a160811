//! The stored form of a record. It is made once, and every store takes the same bytes and the same digest.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::canonical::{RecordError, canonical_json, sha256_hex};

/// The name of the member that is no part of the payload.
const META: &str = "meta";

/// A record's bytes, and their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The whole record in its RFC 8785 form.
    pub json: String,
    /// SHA-256 (hex) of `json`.
    pub sha256: String,
}

impl Sealed {
    /// Seals a whole record.
    pub(super) fn of_record(record: &impl Serialize) -> Result<Self, RecordError> {
        Self::of_bytes(canonical_json(record)?)
    }

    fn of_bytes(json: Vec<u8>) -> Result<Self, RecordError> {
        let sha256 = sha256_hex(&json);
        // JSON is UTF-8 text, so this cannot fail.
        let json = String::from_utf8(json)
            .map_err(|error| RecordError::Canonical(serde::ser::Error::custom(error)))?;
        Ok(Self { json, sha256 })
    }
}

/// The canonical form of a payload, from which the form of the whole record follows without a second pass.
/// RFC 8785 sorts members by name, so `meta` belongs between two parts.
#[derive(Debug)]
pub(super) struct CanonicalPayload {
    /// The members before `meta`, without braces.
    before: Vec<u8>,
    after: Vec<u8>,
}

impl CanonicalPayload {
    pub(super) fn new(payload: &Map<String, Value>) -> Result<Self, RecordError> {
        // The order of RFC 8785 is that of UTF-16.
        let is_before = |name: &str| name.encode_utf16().lt(META.encode_utf16());
        let (before, after): (Vec<_>, Vec<_>) = payload.iter().partition(|(name, _)| is_before(name));
        Ok(Self { before: members(before)?, after: members(after)? })
    }

    /// The payload's own canonical form.
    pub(super) fn bytes(&self) -> Vec<u8> {
        object(&[&self.before, &self.after])
    }

    /// Seals the record of this payload.
    pub(super) fn with_meta(&self, meta: &impl Serialize) -> Result<Sealed, RecordError> {
        let mut member = format!("\"{META}\":").into_bytes();
        member.extend(canonical_json(meta)?);
        Sealed::of_bytes(object(&[&self.before, &member, &self.after]))
    }
}

/// The canonical form of these members, without braces.
fn members(of: Vec<(&String, &Value)>) -> Result<Vec<u8>, RecordError> {
    let members: std::collections::BTreeMap<_, _> = of.into_iter().collect();
    let mut json = canonical_json(&members)?;
    json.pop();
    if !json.is_empty() {
        json.remove(0);
    }
    Ok(json)
}

/// Joins lists of members to one object.
fn object(parts: &[&[u8]]) -> Vec<u8> {
    let mut json = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum::<usize>() + 2);
    json.push(b'{');
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if json.len() > 1 {
            json.push(b',');
        }
        json.extend_from_slice(part);
    }
    json.push(b'}');
    json
}

/// The place in a record for its stored form. It is no part of the record's value.
#[derive(Clone, Default)]
pub(super) struct Seal(OnceLock<Arc<Sealed>>);

impl Seal {
    pub(super) fn with(sealed: Sealed) -> Self {
        Self(OnceLock::from(Arc::new(sealed)))
    }

    pub(super) fn get(&self) -> Option<Arc<Sealed>> {
        self.0.get().cloned()
    }

    pub(super) fn put(&self, sealed: Sealed) -> Arc<Sealed> {
        self.0.get_or_init(|| Arc::new(sealed)).clone()
    }
}

impl PartialEq for Seal {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "sealed" } else { "open" })
    }
}
