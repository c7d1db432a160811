//! Stage records: what is stored of a stage, its canonical form and its digests.

use chrono::SubsecRound as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    analyst::Provenance, clock::Timestamp, grounding::StageGrounding, llm::Usage, run::Stage,
    stages::StageOutput,
};

/// One stage's result as it is stored, the same in Postgres and in its file: the payload's own fields at
/// the top, and `meta`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    pub meta: StageMeta,
    #[serde(flatten)]
    pub payload: Map<String, Value>,
}

/// How a stage's result came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageMeta {
    pub stage: Stage,
    /// `extractive`, or the provider behind the model's endpoint.
    pub provider: String,
    /// The model that really answered.
    pub model: String,
    /// Hash of the prompt (or of the extractive analyst's rules).
    pub prompt_version: String,
    pub usage: Usage,
    /// Requests it took, at least 1.
    pub attempts: u32,
    #[serde(with = "millis")]
    pub started_at: Timestamp,
    #[serde(with = "millis")]
    pub finished_at: Timestamp,
    /// The storage mode under which the record was written.
    pub mode: String,
    /// The revision of the flags at the write.
    pub flags_revision: u64,
    /// What a reader should know, in sentences.
    pub warnings: Vec<String>,
    pub grounding: StageGrounding,
    /// SHA-256 (hex) of the payload's RFC 8785 form, without `meta`: equal for equal work.
    pub payload_sha256: String,
}

/// Decimals of a second in stored timestamps.
const MILLIS_DIGITS: u16 = 3;

/// Timestamps with exactly three decimals, as Postgres' TIMESTAMP(3) keeps them.
pub mod millis {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::deserialize(deserializer)
    }
}

/// The circumstances of a stage, which the engine knows and the analyst does not.
#[derive(Debug, Clone)]
pub struct Circumstances {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub mode: String,
    pub flags_revision: u64,
    pub warnings: Vec<String>,
    pub grounding: StageGrounding,
}

/// Why a value has no canonical form or is not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot be written as canonical JSON")]
    Canonical(#[source] serde_json::Error),
    #[error("is not a stage record")]
    Shape(#[source] serde_json::Error),
    #[error("is the record of {found}, not of {expected}")]
    WrongStage { expected: Stage, found: Stage },
    #[error("says payload digest {stated}, but its payload has {computed}")]
    Digest { stated: String, computed: String },
}

impl StageRecord {
    /// Makes the record of an answered stage.
    pub fn new(
        output: &StageOutput,
        provenance: &Provenance,
        circumstances: Circumstances,
    ) -> Result<Self, RecordError> {
        let Value::Object(payload) = serde_json::to_value(output).map_err(RecordError::Shape)? else {
            return Err(RecordError::Shape(serde::de::Error::custom("the payload is not an object")));
        };
        let payload_sha256 = sha256_canonical(&payload)?;
        let meta = StageMeta {
            stage: output.stage(),
            provider: provenance.provider.clone(),
            model: provenance.model.clone(),
            prompt_version: provenance.prompt_version.clone(),
            usage: provenance.usage,
            attempts: provenance.attempts,
            // As precise as they are written, so that a record read back equals the one that was stored.
            started_at: circumstances.started_at.trunc_subsecs(MILLIS_DIGITS),
            finished_at: circumstances.finished_at.trunc_subsecs(MILLIS_DIGITS),
            mode: circumstances.mode,
            flags_revision: circumstances.flags_revision,
            warnings: circumstances.warnings,
            grounding: circumstances.grounding,
            payload_sha256,
        };
        Ok(Self { meta, payload })
    }

    /// Reads a record and checks its payload against the digest it states.
    pub fn from_bytes(stage: Stage, bytes: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(bytes).map_err(RecordError::Shape)?;
        if record.meta.stage != stage {
            return Err(RecordError::WrongStage { expected: stage, found: record.meta.stage });
        }
        let computed = sha256_canonical(&record.payload)?;
        if computed != record.meta.payload_sha256 {
            return Err(RecordError::Digest { stated: record.meta.payload_sha256, computed });
        }
        Ok(record)
    }

    /// The record's typed output.
    pub fn output(&self) -> Result<StageOutput, RecordError> {
        StageOutput::from_json(self.meta.stage, Value::Object(self.payload.clone()))
            .map_err(RecordError::Shape)
    }

    /// SHA-256 (hex) of the whole record's canonical form. Kept beside the record, not in it.
    pub fn sha256(&self) -> Result<String, RecordError> {
        sha256_canonical(self)
    }
}

/// The RFC 8785 form of a value.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, RecordError> {
    serde_json_canonicalizer::to_vec(value).map_err(RecordError::Canonical)
}

/// SHA-256 (hex) of a value's RFC 8785 form.
pub fn sha256_canonical<T: Serialize>(value: &T) -> Result<String, RecordError> {
    Ok(sha256_hex(&canonical_json(value)?))
}

/// SHA-256 of bytes, in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
