//! A run's manifest, `run.json`: what was asked, how far it has come, and the digest of everything stored.

use std::collections::BTreeMap;

use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    document::Format,
    failure::RunFailure,
    record::millis,
    run::{RunId, RunStatus, Stage},
};
use serde::{Deserialize, Serialize};

/// The newest layout of the manifest that this program writes.
pub const MANIFEST_VERSION: u32 = 1;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub run_id: RunId,
    pub status: RunStatus,
    pub request: Request,
    /// Known once the document has been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentSummary>,
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
    /// By stage number.
    pub stages: BTreeMap<Stage, StoredStage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<StoredReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RunFailure>,
    /// US dollars that were spent on answers that never became a stage.
    #[serde(default)]
    pub lost_usd: f64,
}

/// What was asked. The same run id with another request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The file's name, or the address it was fetched from without its query.
    pub source: String,
    pub document_sha256: String,
    pub brand_id: BrandId,
}

impl Request {
    /// Whether two requests ask for the same work; the name of the document does not matter.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.document_sha256 == other.document_sha256 && self.brand_id == other.brand_id
    }
}

/// What the document turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSummary {
    pub format: Format,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub pages: usize,
}

/// A stage whose record is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredStage {
    /// Relative to the run's folder.
    pub file: String,
    pub record_sha256: String,
    pub payload_sha256: String,
    #[serde(with = "millis")]
    pub stored_at: Timestamp,
}

/// A report that is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReport {
    /// Relative to the run's folder.
    pub file: String,
    pub sha256: String,
}
