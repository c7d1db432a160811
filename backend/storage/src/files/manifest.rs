//! A run's manifest, `run.json`: its request, its progress, its owner, and the digest of every stored file.

use std::collections::{BTreeMap, BTreeSet};

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
    term::Term,
    waiting::Waiting,
};

/// The newest manifest version that this program writes.
pub const MANIFEST_VERSION: u32 = 1;

/// The manifest of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub run_id: RunId,
    pub status: RunStatus,
    pub request: RunRequest,
    /// Raised by a retry.
    pub generation: i32,
    /// The fencing token. Every claim raises it.
    pub epoch: i32,
    /// Claims that ended without storing a stage, and the current claim.
    #[serde(default)]
    pub attempts: i32,
    /// Why and until when the run waits. The next stored stage clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// The process that works on the run, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Set once the document has been read.
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
    /// US dollars spent on answers that never became a stage.
    #[serde(default)]
    pub lost_usd: f64,
    /// The parts of the run that the database holds. None for a run without a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSide>,
    /// Whether the row has, or is about to get, stages that the files lack: the operator has switched them off, or they were
    /// away. Then nobody resumes the run by its files alone: it would pay for these stages again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub row_is_ahead: bool,
    /// The last proof that the database holds the same content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// The audit record of the last retry or cancellation by a person that was decided here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_id: Option<String>,
    /// The webhooks to send from here, in order. See `deliveries` for their layout.
    #[serde(flatten, with = "deliveries")]
    pub webhooks: Vec<Delivery>,
    /// The etag of the version that was read; a write must find it again. None before the first write.
    #[serde(skip)]
    pub(super) etag: Option<ETag>,
    /// Folders to flush before the manifest is written.
    #[serde(skip)]
    pub(super) unflushed: Vec<String>,
}

/// Stores the events of a manifest in two fields: `webhooks`, and the starts of steps. An older release
/// treats a manifest as damaged if `webhooks` holds an event that it does not know. It ignores a field that
/// it does not know.
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

    /// Skips entries of a later release that this one does not know.
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

/// The parts of a run that the database holds, as far as the writer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatabaseSide {
    /// Whether it has the run's row.
    pub has_row: bool,
    /// Whether the row has the run's end.
    pub has_end: bool,
}

/// Facts about the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSummary {
    pub format: Format,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub pages: usize,
    /// SHA-256 (hex) of the document's bytes. It shows whether another download returned the same document.
    pub sha256: String,
}

impl DocumentSummary {
    /// `sha256` is the hex digest of the document's bytes.
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
    /// Whether the database lacks the stage and should hold it.
    pub pending_database: bool,
}

/// A [`StageEntry`] in the form of `run.json`. The previous release calls `pending_database` `unsynced`. This
/// release writes both and reads the old one, so that replicas of both releases may share a disk or a bucket.
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
        // The old field decides, because the previous release does not write the new one.
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

    /// Undoes the end of a run, for a new generation.
    pub(super) fn reopen(&mut self) {
        self.status = RunStatus::Processing;
        self.finished_at = None;
        self.error = None;
        // A retry waits anew.
        self.waiting = None;
    }

    /// Says that the row is ahead if it had a stage that the files lack when the writer took it. Every write under a fence of
    /// the database says so, also the first one, because its worker may die right after it.
    pub(super) fn note_row_stages(&mut self, row_stages: &BTreeSet<Stage>) {
        self.row_is_ahead |= row_stages.iter().any(|stage| !self.stages.contains_key(stage));
    }

    /// How far the run has come here.
    #[must_use]
    pub fn term(&self) -> Term {
        Term { generation: self.generation, epoch: self.epoch }
    }

    /// Flushes the folder of this file before the manifest is written.
    pub(super) fn flush_with(&mut self, name: &str) {
        let folder = folder_of(name);
        if !self.unflushed.iter().any(|one| one == folder) {
            self.unflushed.push(folder.to_owned());
        }
    }

    /// The request, and when it was accepted.
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

    /// Whether the database lacks a part of this run that it should hold.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        self.database.is_some_and(|side| !side.has_row || (self.has_ended() && !side.has_end))
            || self.stages.values().any(|stage| stage.pending_database)
    }
}
