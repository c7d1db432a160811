//! A run's manifest, `run.json`: what was asked, how far it has come, who works on it, and the digest of everything
//! stored.

use std::collections::BTreeMap;

use pipeline::{
    clock::Timestamp,
    document::{Document, Format},
    failure::RunFailure,
    record::millis,
    run::{RunId, RunStatus, Stage},
};
use serde::{Deserialize, Serialize};

use crate::{
    files::backend::file_backend::{ETag, folder_of},
    optional_millis,
    ports::{outbox::Delivery, sync::Proof},
    run::{RunRequest, RunSubmission},
};

/// The newest layout of the manifest that this program writes.
pub const MANIFEST_VERSION: u32 = 1;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub run_id: RunId,
    pub status: RunStatus,
    pub request: RunRequest,
    /// Raised by a retry.
    pub generation: i32,
    /// The fencing token: raised by every claim.
    pub epoch: i32,
    /// Claims that ended without storing a stage, and the one under way.
    #[serde(default)]
    pub attempts: i32,
    /// Who works on it, while somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Known once the document has been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentSummary>,
    #[serde(with = "millis")]
    pub accepted_at: Timestamp,
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
    #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// By stage number.
    pub stages: BTreeMap<Stage, StageEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<StoredReport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunFailure>,
    /// US dollars that were spent on answers that never became a stage.
    #[serde(default)]
    pub lost_usd: f64,
    /// How the database stands to this run; none for a run that no database is meant to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSide>,
    /// The last proof that the database holds the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// The events that the frontend is to be told from here, in order. See [`deliveries`] for how they are written.
    #[serde(flatten, with = "deliveries")]
    pub webhooks: Vec<Delivery>,
    /// The state that was read, which a writing must find again. None before there is one.
    #[serde(skip)]
    pub(super) etag: Option<ETag>,
    /// Folders whose newest names are made durable before the manifest is written.
    #[serde(skip)]
    pub(super) unflushed: Vec<String>,
}

/// The events of a manifest in two fields: those that every release knows, and the beginnings of steps. A release that does
/// not know an event in `webhooks` takes the manifest for damaged; a field that it does not know, it leaves out.
mod deliveries {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    use crate::ports::outbox::{Delivery, WebhookEvent};

    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        webhooks: Vec<&'a Delivery>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        webhooks_of_beginnings: Vec<&'a Delivery>,
    }

    /// Entries of a later release that this one does not know are left out.
    #[derive(Deserialize)]
    struct Read {
        #[serde(default)]
        webhooks: Vec<Value>,
        #[serde(default)]
        webhooks_of_beginnings: Vec<Value>,
    }

    pub(super) fn serialize<S: Serializer>(all: &[Delivery], serializer: S) -> Result<S::Ok, S::Error> {
        let is_beginning = |one: &&Delivery| matches!(one.event, WebhookEvent::Started(_));
        let (webhooks_of_beginnings, webhooks) = all.iter().partition(is_beginning);
        Written { webhooks, webhooks_of_beginnings }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Delivery>, D::Error> {
        let Read { webhooks, webhooks_of_beginnings } = Read::deserialize(deserializer)?;
        let entries = webhooks.into_iter().chain(webhooks_of_beginnings);
        let mut all: Vec<Delivery> = entries.filter_map(|entry| serde_json::from_value(entry).ok()).collect();
        all.sort_by_key(Delivery::position);
        Ok(all)
    }
}

/// What the database has of a run, as far as the writer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatabaseSide {
    /// Whether it has the run's row.
    pub has_row: bool,
    /// Whether the row has the run's end.
    pub has_end: bool,
}

/// What the document turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSummary {
    pub format: Format,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub pages: usize,
    /// SHA-256 (hex) of its bytes, by which another fetch of it is known to be the same.
    pub sha256: String,
}

impl DocumentSummary {
    /// `sha256`: of the document's bytes, in hex.
    #[must_use]
    pub fn new(document: &Document, sha256: String) -> Self {
        Self { format: document.format, title: document.title.clone(), pages: document.pages.len(), sha256 }
    }
}

/// A stage whose record is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StageEntryJson", into = "StageEntryJson")]
pub struct StageEntry {
    /// Relative to the run's folder.
    pub file: String,
    pub record_sha256: String,
    pub payload_sha256: String,
    pub stored_at: Timestamp,
    /// The database lacks it and is meant to have it.
    pub pending_database: bool,
}

/// A [`StageEntry`] as it stands in `run.json`. The previous release knows `pending_database` as `unsynced`: this release
/// writes both and reads either, so that replicas of both may share a disk or a bucket.
#[derive(Serialize, Deserialize)]
struct StageEntryJson {
    file: String,
    record_sha256: String,
    payload_sha256: String,
    #[serde(with = "millis")]
    stored_at: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pending_database: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unsynced: bool,
}

impl From<StageEntryJson> for StageEntry {
    fn from(json: StageEntryJson) -> Self {
        // The previous release writes the entry without the new field: the old one decides.
        let StageEntryJson { file, record_sha256, payload_sha256, stored_at, unsynced, .. } = json;
        Self { file, record_sha256, payload_sha256, stored_at, pending_database: unsynced }
    }
}

impl From<StageEntry> for StageEntryJson {
    fn from(entry: StageEntry) -> Self {
        let StageEntry { file, record_sha256, payload_sha256, stored_at, pending_database } = entry;
        let unsynced = pending_database;
        Self { file, record_sha256, payload_sha256, stored_at, pending_database, unsynced }
    }
}

/// A report that is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReport {
    /// Relative to the run's folder.
    pub file: String,
    pub sha256: String,
}

impl Manifest {
    /// Whether the run has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.status != RunStatus::Processing
    }

    /// Has a file's name made durable before the manifest is written.
    pub(super) fn flush_with(&mut self, name: &str) {
        let folder = folder_of(name);
        if !self.unflushed.iter().any(|one| one == folder) {
            self.unflushed.push(folder.to_owned());
        }
    }

    /// What was asked, and when.
    #[must_use]
    pub fn new_run(&self) -> RunSubmission {
        RunSubmission {
            id: self.run_id.clone(),
            request: self.request.clone(),
            accepted_at: self.accepted_at,
        }
    }

    /// Whether the database has the run's row.
    #[must_use]
    pub fn has_row(&self) -> bool {
        self.database.is_some_and(|side| side.has_row)
    }

    /// Whether the database is meant to have something of this run that it lacks.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        self.database.is_some_and(|side| !side.has_row || (self.has_ended() && !side.has_end))
            || self.stages.values().any(|stage| stage.pending_database)
    }
}
