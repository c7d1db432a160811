//! A batch: one document for several brands. Each brand gets a run of its own.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    brand::BrandId,
    run::{RUN_ID_BYTES_MAX, RunId, is_safe_name, shortened},
};

/// The most brands of one batch. All of its runs are accepted by one statement.
pub const BATCH_BRANDS_MAX: usize = 50;

/// The namespace of batch ids that are no UUID: UUIDv5 of the DNS namespace and `batches.innovation-pipeline`. It never changes,
/// because run ids derive from it.
const NAMESPACE: Uuid = Uuid::from_u128(0x09f5_e82b_bf20_5653_a811_b41f_f784_43ac);

/// The identity of a batch, which its client chooses: `[A-Za-z0-9][A-Za-z0-9_-]{0,99}`.
///
/// The ids of its runs derive from it, so a repeated request finds the same runs. A UUID is kept in lowercase.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchId(String);

/// Why a text is not a [`BatchId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("batch id {given:?} is not valid: use 1 to 100 of A-Z a-z 0-9 _ -, starting with a letter or digit")]
pub struct BatchIdError {
    given: String,
}

impl BatchId {
    /// Checks a batch id and takes it.
    ///
    /// # Errors
    ///
    /// [`BatchIdError`] if the text has another form.
    pub fn parse(text: &str) -> Result<Self, BatchIdError> {
        if !is_safe_name(text, RUN_ID_BYTES_MAX, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(BatchIdError { given: shortened(text) });
        }
        // Two spellings of one UUID would be two batches with the same runs.
        Ok(Self(uuid_of(text).map_or_else(|| text.to_owned(), |uuid| uuid.as_hyphenated().to_string())))
    }

    /// A new id.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.as_hyphenated().to_string())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the brand's run: UUIDv5 of the batch id and the brand. A batch id that is no UUID becomes one first: UUIDv5
    /// of a fixed namespace and its text.
    #[must_use]
    pub fn run_id(&self, brand: &BrandId) -> RunId {
        let namespace = uuid_of(&self.0).unwrap_or_else(|| Uuid::new_v5(&NAMESPACE, self.0.as_bytes()));
        RunId::from_uuid(Uuid::new_v5(&namespace, brand.as_str().as_bytes()))
    }
}

/// The UUID that a text is, in the form with hyphens alone: any other text of 32 digits is a name.
fn uuid_of(text: &str) -> Option<Uuid> {
    const HYPHENATED: usize = 36;
    (text.len() == HYPHENATED).then(|| Uuid::try_parse(text).ok()).flatten()
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for BatchId {
    type Error = BatchIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<BatchId> for String {
    fn from(id: BatchId) -> Self {
        id.0
    }
}

impl std::str::FromStr for BatchId {
    type Err = BatchIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl JsonSchema for BatchId {
    fn schema_name() -> Cow<'static, str> {
        "BatchId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_id(batch: &str, brand: &str) -> String {
        BatchId::parse(batch).unwrap().run_id(&BrandId::parse(brand).unwrap()).to_string()
    }

    #[test]
    fn run_ids_derive_from_batch_and_brand() {
        // The namespace of RFC 9562 for names of the DNS, so that any other implementation can check it.
        let dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert_eq!(run_id(dns, "python"), run_id(&dns.to_uppercase(), "python"));
        assert_eq!(run_id(dns, "decathlon"), Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"decathlon").to_string());
        assert_ne!(run_id(dns, "decathlon"), run_id(dns, "lactalis-canada"));
        assert_ne!(run_id("spring", "decathlon"), run_id("Spring", "decathlon"));
        assert_eq!(run_id("spring", "decathlon"), "b7a83d0e-0484-5a5e-8311-58ca6d5fb988", "it never changes");
    }

    #[test]
    fn a_uuid_has_one_spelling() {
        let upper = BatchId::parse("6BA7B810-9DAD-11D1-80B4-00C04FD430C8").unwrap();
        assert_eq!(upper.as_str(), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
        assert_eq!(BatchId::parse("Spring_1").unwrap().as_str(), "Spring_1");
        for wrong in ["", "-a", "a b", "a/b", "a.b", "é", &"a".repeat(101)] {
            assert!(BatchId::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
