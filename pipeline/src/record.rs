//! Stage records: the stored form of a stage, its canonical form and its digests.

mod canonical;
mod clean;
mod facts;
mod provenance;
mod reuse;
mod sealed;

use std::sync::Arc;

use chrono::SubsecRound as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

pub(crate) use self::canonical::hex;
pub use self::{
    canonical::{PAYLOAD_BYTES_MAX, RecordError, canonical_json, sha256_canonical, sha256_hex},
    facts::{BrandFacts, DocumentFacts},
    provenance::Provenance,
    reuse::Reuse,
    sealed::Sealed,
};
use self::{
    clean::Cleaned,
    sealed::{CanonicalPayload, Seal},
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
    /// The stored form. A change of the record breaks it, by [`StageRecord::change`].
    #[serde(skip)]
    seal: Seal,
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
    /// The revision of the database's flags that the process had applied. 0 without one, and before the first change there.
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
        let canonical = CanonicalPayload::new(&payload)?;
        let bytes = canonical.bytes();
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes: bytes.len() });
        }
        let payload_sha256 = sha256_hex(&bytes);
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
        let seal = Seal::with(canonical.with_meta(&meta)?);
        Ok(Self { meta, payload, meta_as_read: None, seal })
    }

    /// Reads a record and checks its payload against the digest it states.
    ///
    /// # Errors
    ///
    /// [`RecordError::Shape`], [`RecordError::WrongStage`] or [`RecordError::Digest`] if the bytes are not an intact record
    /// of this stage.
    pub fn from_bytes(stage: Stage, bytes: &[u8]) -> Result<Self, RecordError> {
        let (meta, payload, as_read) = parts(stage, bytes)?;
        let canonical = CanonicalPayload::new(&payload)?;
        let computed = sha256_hex(&canonical.bytes());
        if computed != meta.payload_sha256 {
            return Err(RecordError::Digest { stated: meta.payload_sha256, computed });
        }
        let seal = Seal::with(canonical.with_meta(&as_read)?);
        let meta_as_read = (!is_same(&meta, &as_read)?).then_some(as_read);
        Ok(Self { meta, payload, meta_as_read, seal })
    }

    /// Reads the sealed form of a record that this process has kept in memory. Its digest was computed or checked before.
    ///
    /// # Errors
    ///
    /// [`RecordError::Shape`] or [`RecordError::WrongStage`] if the bytes are no record of this stage.
    pub(crate) fn from_memory(stage: Stage, sealed: &[u8]) -> Result<Self, RecordError> {
        let (meta, payload, as_read) = parts(stage, sealed)?;
        let meta_as_read = (!is_same(&meta, &as_read)?).then_some(as_read);
        Ok(Self { meta, payload, meta_as_read, seal: Seal::default() })
    }

    /// Changes what the record says about its write.
    pub fn change_mode(&mut self, mode: &str, flags_revision: u64) {
        if self.meta.mode != mode || self.meta.flags_revision != flags_revision {
            self.change(|record| {
                mode.clone_into(&mut record.meta.mode);
                record.meta.flags_revision = flags_revision;
            });
        }
    }

    /// Changes the record, which is sealed anew afterwards.
    pub fn change(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.seal = Seal::default();
    }

    /// The record's typed output.
    ///
    /// # Errors
    ///
    /// [`RecordError::Shape`] if the payload does not have the form of the stage's answer.
    pub fn output(&self) -> Result<StageOutput, RecordError> {
        StageOutput::read(self.meta.stage, &self.payload).map_err(RecordError::Shape)
    }

    /// SHA-256 (hex) of the whole record's canonical form. It is stored beside the record, not in it.
    ///
    /// # Errors
    ///
    /// [`RecordError::Canonical`] if the record has no canonical form.
    pub fn sha256(&self) -> Result<String, RecordError> {
        self.sealed().map(|sealed| sealed.sha256.clone())
    }

    /// The bytes and the digest of the record, for every store. They are made once; clones share them.
    ///
    /// # Errors
    ///
    /// [`RecordError::Canonical`] if the record has no canonical form.
    pub fn sealed(&self) -> Result<Arc<Sealed>, RecordError> {
        let Some(sealed) = self.seal.get() else { return Ok(self.seal.put(Sealed::of_record(self)?)) };
        debug_assert_eq!(
            canonical_json(self).ok().as_deref(),
            Some(sealed.json.as_bytes()),
            "a record was changed without StageRecord::change"
        );
        Ok(sealed)
    }
}

/// The parts of a record: its meta, its payload, and its meta as it was read.
fn parts(stage: Stage, bytes: &[u8]) -> Result<(StageMeta, Map<String, Value>, Value), RecordError> {
    let mut payload: Map<String, Value> = serde_json::from_slice(bytes).map_err(RecordError::Shape)?;
    let no_meta = || RecordError::Shape(serde::de::Error::missing_field("meta"));
    let as_read = payload.remove("meta").ok_or_else(no_meta)?;
    let meta = StageMeta::deserialize(&as_read).map_err(RecordError::Shape)?;
    if meta.stage != stage {
        return Err(RecordError::WrongStage { expected: stage, found: meta.stage });
    }
    Ok((meta, payload, as_read))
}

/// Whether `meta` holds nothing but what this release knows.
fn is_same(meta: &StageMeta, as_read: &Value) -> Result<bool, RecordError> {
    let known = serde_json::to_value(meta).map_err(RecordError::Canonical)?;
    // Numbers may be equal in canonical form only: 1 and 1.0.
    Ok(known == *as_read || canonical_json(&known)? == canonical_json(as_read)?)
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
        let kept = StageRecord::from_memory(Stage::InputProcessing, text.as_bytes()).unwrap();
        assert_eq!((kept.sealed().unwrap(), kept), (record.sealed().unwrap(), record.clone()));
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
    fn a_seal_is_the_canonical_form() {
        let mut sealed = record("A summary.".into()).unwrap();
        for changed in ["zeta", "alpha", "metb"] {
            sealed.change(|record| drop(record.payload.insert(changed.to_owned(), 1.5.into())));
            let canonical = CanonicalPayload::new(&sealed.payload).unwrap();
            assert_eq!(canonical.bytes(), canonical_json(&sealed.payload).unwrap());
            let whole = canonical.with_meta(&sealed.meta).unwrap();
            assert_eq!(whole.json.as_bytes(), canonical_json(&sealed).unwrap());
            assert_eq!(*sealed.sealed().unwrap(), whole);
        }
    }

    #[test]
    fn a_changed_record_gets_a_new_digest() {
        let mut changed = record("A summary.".into()).unwrap();
        let before = changed.sha256().unwrap();
        changed.change_mode("FILE_ONLY", 7);
        assert_ne!(changed.sha256().unwrap(), before);
        assert_eq!(changed.sha256().unwrap(), sha256_canonical(&changed).unwrap());
    }

    #[test]
    fn a_payload_beyond_the_limit_is_refused() {
        let error = record("x".repeat(PAYLOAD_BYTES_MAX)).unwrap_err();
        assert!(matches!(error, RecordError::TooLarge { .. }), "{error}");
    }
}
