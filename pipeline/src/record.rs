//! Stage records: the stored form of a stage, its canonical form and its digests.

mod clean;
mod facts;
mod provenance;
mod reuse;

use chrono::SubsecRound as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::clean::Cleaned;
pub use self::{
    facts::{BrandFacts, DocumentFacts},
    provenance::Provenance,
    reuse::Reuse,
};
use crate::{
    clock::Timestamp,
    grounding::StageGrounding,
    llm::{StructuredOutput, Usage},
    run::Stage,
    stages::StageOutput,
};

/// The stored result of one stage, equal in Postgres and in its file. It has the payload's own fields at the
/// top, and `meta`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StageRecord {
    pub meta: StageMeta,
    #[serde(flatten)]
    pub payload: Map<String, Value>,
    /// `meta` as it was read, if it holds more than this release knows. It is written and digested as it was read, so that
    /// replicas of two releases see the same digest.
    #[serde(skip)]
    meta_as_read: Option<Value>,
}

impl Serialize for StageRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.meta_as_read {
            Some(meta) => map.serialize_entry("meta", meta)?,
            None => map.serialize_entry("meta", &self.meta)?,
        }
        for (name, value) in &self.payload {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// `meta` of a record in whatever form.
#[derive(Deserialize)]
struct AsRead {
    meta: Value,
}

/// The provenance of a stage's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageMeta {
    pub stage: Stage,
    /// `extractive`, or the provider behind the model's endpoint.
    pub provider: String,
    /// The model that really answered.
    pub model: String,
    /// Hash of the prompt (or of the extractive analyst's rules).
    pub prompt_version: String,
    pub usage: Usage,
    /// Requests it took, at least 1, or 0 for a reused answer.
    pub attempts: u32,
    /// How the model was held to the schema. Records of the extractive analyst and of earlier releases lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_output: Option<StructuredOutput>,
    /// The earlier run of the same owner whose answer this is. Absent if a model or an analyst was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub started_at: Timestamp,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub finished_at: Timestamp,
    /// The storage mode under which the record was written.
    pub mode: String,
    /// The revision of the flags at the write.
    pub flags_revision: u64,
    /// Warnings for the reader, in sentences.
    pub warnings: Vec<String>,
    pub grounding: StageGrounding,
    /// The document, in the record of stage 1. Records of earlier releases lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentFacts>,
    /// The brand, in the record of stage 4. Records of earlier releases lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<BrandFacts>,
    /// SHA-256 (hex) of the payload's RFC 8785 form, without `meta`: equal for equal work.
    pub payload_sha256: String,
}

/// The largest payload that is stored. A 400-page report's payload has about 100 KB. Every store takes
/// several times this limit.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Decimals of a second in stored timestamps.
const MILLIS_DIGITS: u16 = 3;

/// Timestamps with exactly three decimals, as Postgres' TIMESTAMP(3) keeps them.
pub mod millis {
    use chrono::{DateTime, SecondsFormat, Utc};
    use schemars::{Schema, SchemaGenerator, json_schema};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the timestamp with three decimals.
    ///
    /// # Errors
    ///
    /// The serializer's own error.
    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    /// The JSON Schema of such a timestamp.
    pub fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }

    /// Reads a timestamp in RFC 3339 form.
    ///
    /// # Errors
    ///
    /// The text is not such a timestamp.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::deserialize(deserializer)
    }
}

/// The facts about a stage that the engine knows and the analyst does not.
#[derive(Debug, Clone)]
pub struct RecordContext {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub mode: String,
    pub flags_revision: u64,
    pub warnings: Vec<String>,
    pub grounding: StageGrounding,
    /// For the record of stage 1.
    pub document: Option<DocumentFacts>,
    /// For the record of stage 4.
    pub brand: Option<BrandFacts>,
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
    #[error("holds {bytes} bytes, at most {PAYLOAD_BYTES_MAX} are stored")]
    TooLarge { bytes: usize },
    #[error("says payload digest {stated}, but its payload has {computed}")]
    Digest { stated: String, computed: String },
}

impl StageRecord {
    /// Makes the record of an answered stage. Values that some store would change are cleaned first. The
    /// record's warnings count them.
    ///
    /// # Errors
    ///
    /// [`RecordError::TooLarge`] beyond [`PAYLOAD_BYTES_MAX`]; [`RecordError::Canonical`] or [`RecordError::Shape`] if the
    /// output has no canonical form, which is a defect.
    pub fn new(
        output: &StageOutput,
        provenance: &Provenance,
        context: RecordContext,
    ) -> Result<Self, RecordError> {
        let Value::Object(payload) = serde_json::to_value(output).map_err(RecordError::Shape)? else {
            return Err(RecordError::Shape(serde::de::Error::custom("the payload is not an object")));
        };
        let mut cleaned = Cleaned::default();
        let payload = cleaned.object(payload);
        let canonical = canonical_json(&payload)?;
        if canonical.len() > PAYLOAD_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes: canonical.len() });
        }
        let payload_sha256 = sha256_hex(&canonical);
        let mut text = |text: &String| {
            let mut text = text.clone();
            cleaned.text(&mut text);
            text
        };
        let provider = text(&provenance.provider);
        let model = text(&provenance.model);
        let mut warnings: Vec<String> = context.warnings.iter().map(&mut text).collect();
        let document = context.document.map(|facts| DocumentFacts {
            source: text(&facts.source),
            title: facts.title.as_ref().map(&mut text),
            warnings: facts.warnings.iter().map(&mut text).collect(),
            ..facts
        });
        let brand = context.brand.map(|facts| BrandFacts {
            name: text(&facts.name),
            country: text(&facts.country),
            industry: text(&facts.industry),
        });
        warnings.extend(cleaned.warnings());
        let meta = StageMeta {
            stage: output.stage(),
            provider,
            model,
            prompt_version: provenance.prompt_version.clone(),
            usage: provenance.usage,
            attempts: provenance.attempts,
            structured_output: provenance.structured_output,
            reuse: provenance.reuse.clone(),
            // Timestamps are as precise as their stored form, so that a record read back equals the one that
            // was stored.
            started_at: context.started_at.trunc_subsecs(MILLIS_DIGITS),
            finished_at: context.finished_at.trunc_subsecs(MILLIS_DIGITS),
            mode: context.mode,
            flags_revision: context.flags_revision,
            warnings,
            grounding: context.grounding,
            document,
            brand,
            payload_sha256,
        };
        Ok(Self { meta, payload, meta_as_read: None })
    }

    /// Reads a record and checks its payload against the digest it states.
    ///
    /// # Errors
    ///
    /// [`RecordError::Shape`], [`RecordError::WrongStage`] or [`RecordError::Digest`] if the bytes are not an intact record
    /// of this stage.
    pub fn from_bytes(stage: Stage, bytes: &[u8]) -> Result<Self, RecordError> {
        let mut record: Self = serde_json::from_slice(bytes).map_err(RecordError::Shape)?;
        let AsRead { meta } = serde_json::from_slice(bytes).map_err(RecordError::Shape)?;
        if canonical_json(&meta)? != canonical_json(&record.meta)? {
            record.meta_as_read = Some(meta);
        }
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
    ///
    /// # Errors
    ///
    /// [`RecordError::Shape`] if the payload does not have the form of the stage's answer.
    pub fn output(&self) -> Result<StageOutput, RecordError> {
        StageOutput::from_json(self.meta.stage, Value::Object(self.payload.clone()))
            .map_err(RecordError::Shape)
    }

    /// SHA-256 (hex) of the whole record's canonical form. It is stored beside the record, not in it.
    ///
    /// # Errors
    ///
    /// [`RecordError::Canonical`] if the record has no canonical form.
    pub fn sha256(&self) -> Result<String, RecordError> {
        sha256_canonical(self)
    }
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
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stages::{Evidence, InputProcessing, Inspiration},
        testing::{context, provenance},
    };

    fn record(summary: String) -> Result<StageRecord, RecordError> {
        let inspiration = Inspiration {
            id: "I1".into(),
            title: "A ti\0tle".into(),
            summary,
            mechanism: "It works.".into(),
            key_elements: vec![],
            evidence: vec![Evidence::cited("from a P\0DF", 1)],
        };
        let output = StageOutput::InputProcessing(InputProcessing { inspirations: vec![inspiration] });
        let provenance = Provenance { model: "mo\0del".into(), ..provenance() };
        let context = RecordContext { warnings: vec!["a\0 warning".into()], ..context(Timestamp::default()) };
        StageRecord::new(&output, &provenance, context)
    }

    #[test]
    fn a_record_is_cleaned_before_its_digest() {
        let record = record("A summary.".into()).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains("\\u0000"), "{text}");
        assert_eq!(record.meta.warnings, ["a warning", "4 control characters were removed"]);
        assert_eq!(StageRecord::from_bytes(Stage::InputProcessing, text.as_bytes()).unwrap(), record);
    }

    #[test]
    fn fields_of_a_later_release_keep_their_digest() {
        let mut later = serde_json::to_value(record("A summary.".into()).unwrap()).unwrap();
        later["meta"]["usage"]["cached_tokens_of_a_later_release"] = 7.into();
        later["meta"]["later"] = serde_json::json!({"revision": 1.50});
        let read = StageRecord::from_bytes(Stage::InputProcessing, later.to_string().as_bytes()).unwrap();
        assert_eq!(read.sha256().unwrap(), sha256_canonical(&later).unwrap());
        assert_eq!(serde_json::to_value(&read).unwrap(), later, "it is passed on as it is");
    }

    #[test]
    fn a_payload_beyond_the_limit_is_refused() {
        let error = record("x".repeat(PAYLOAD_BYTES_MAX)).unwrap_err();
        assert!(matches!(error, RecordError::TooLarge { .. }), "{error}");
    }
}
