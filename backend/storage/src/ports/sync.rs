//! Proofs: the stored evidence that row and files held the same content.

use std::collections::BTreeMap;

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::{StageRecord, millis, sha256_hex},
    run::{RunId, RunStatus, Stage},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::StorageError,
    part::Part,
    ports::{lifecycle::Fence, store::Store},
    run::{End, RunRecord, RunSubmission},
};

/// States that row and files held the same at one version of the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub run_id: RunId,
    pub status: RunStatus,
    pub generation: i32,
    /// SHA-256 of each whole record, by stage.
    pub stages: BTreeMap<Stage, String>,
    /// SHA-256 of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// The version of the row that was read: PostgreSQL's `xmin`.
    pub row_version: String,
    #[serde(with = "millis")]
    pub proved_at: Timestamp,
    /// The version of this program.
    pub program: String,
}

impl Proof {
    /// Creates the proof of a run that both stores hold equally.
    #[must_use]
    pub fn of(snapshot: &RunRecord, row_version: String, proved_at: Timestamp) -> Self {
        Self {
            run_id: snapshot.id.clone(),
            status: snapshot.status,
            generation: snapshot.generation,
            stages: snapshot.stages.iter().map(|(stage, held)| (*stage, held.sha256.clone())).collect(),
            report: snapshot.report.as_ref().map(|report| sha256_hex(report.as_bytes())),
            row_version,
            proved_at,
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A run's row, with the fields that a [`RunRecord`] lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub snapshot: RunRecord,
    /// PostgreSQL's `xmin`.
    pub version: String,
    /// The owner of the last lease on the run.
    pub owner: Option<String>,
    /// The parts that do not match their own digest, because somebody edited the row. The snapshot omits them.
    pub damaged: BTreeMap<Part, String>,
}

/// The times before which data is old enough to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Of ended runs, and of finished deliveries.
    pub ended_before: Timestamp,
    /// Of tombstones.
    pub deleted_before: Timestamp,
}

/// Where a page of rows begins: after this time of creation (in milliseconds since 1970) and this id. A row of the frontend
/// may have an id that names no run.
pub type RowKey = (i64, String);

/// Outlines from a bounded part of all rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutlinePage {
    pub rows: Vec<RowOutline>,
    /// Where the next page begins. None after the last row of all.
    pub next: Option<RowKey>,
}

/// An ended row by its digests. Its records are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOutline {
    pub run: RunId,
    pub status: RunStatus,
    pub generation: i32,
    /// The parts that the row holds, each with the digest that the row says. None where it says none.
    pub parts: BTreeMap<Part, Option<String>>,
    /// Whether the row names parts that differ from the files.
    pub has_conflict: bool,
    pub finished_at: Option<Timestamp>,
}

/// The database's knowledge of a run that the files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has a tombstone.
    Deleted,
    /// It has neither a row nor a tombstone.
    Absent,
    /// It has not ended.
    Open {
        is_leased: bool,
    },
    Ended,
}

/// A database whose rows can be compared with files and repaired.
#[async_trait]
pub trait SyncTarget: Store {
    /// Reads the run's row.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn read_row(&self, run: &RunId) -> Result<Option<Row>, StorageError>;

    /// The runs whose row notes a conflict, by id.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn conflicted(&self, limit: usize) -> Result<Vec<RunId>, StorageError>;

    /// Selects the runs that have ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn ended_among(&self, runs: &[RunId]) -> Result<Vec<RunId>, StorageError>;

    /// Selects the runs that have no row.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn absent_among(&self, runs: &[RunId]) -> Result<Vec<RunId>, StorageError>;

    /// Lists deleted runs with the times of their tombstones, in that order, after that time and run, at most
    /// `limit`.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn tombstones(
        &self,
        after: Option<(Timestamp, Option<&RunId>)>,
        limit: usize,
    ) -> Result<Vec<(RunId, Timestamp)>, StorageError>;

    /// Adds a stage that an ended run of this generation lacks. An equal stored record is a success.
    ///
    /// # Errors
    ///
    /// `Conflict` if a different record is stored. `Unavailable` or `Schema` if the store fails.
    /// `Indeterminate` if it does not answer in time.
    async fn fill_stage(
        &self,
        run: &RunId,
        generation: i32,
        record: &StageRecord,
    ) -> Result<(), StorageError>;

    /// Adds the frontend rows that a completed run of this generation lacks.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn fill_rows(
        &self,
        run: &RunId,
        generation: i32,
        end: End<'_>,
        at: Timestamp,
    ) -> Result<(), StorageError>;

    /// Adds the report that a completed run of this generation lacks. It is missing if the frontend completed
    /// the run after our webhook, while we could not write.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn fill_report(&self, run: &RunId, generation: i32, report: &str) -> Result<(), StorageError>;

    /// Writes the stages and the end from a run's files to its open row. With `new`, it first inserts or
    /// adopts the row. Each step is a separate statement, so an interrupted replay can start again.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the row. `Conflict` if a different record is stored. `Unavailable` or
    /// `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn replay(
        &self,
        fence: &Fence,
        new: Option<&RunSubmission>,
        stages: &[&StageRecord],
        end: End<'_>,
        at: Timestamp,
    ) -> Result<(), StorageError>;

    /// Stores the proof with the row. False if the row has changed since it was read.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn keep_proof(&self, proof: &Proof) -> Result<bool, StorageError>;

    /// Opens an ended row again under a lease of the fence's owner. Removes these stages, the report, and the
    /// frontend rows built from it. False if the row has changed since it was read.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn reopen(&self, fence: &Fence, without: &[Stage], row_version: &str)
    -> Result<bool, StorageError>;

    /// Replaces the digests of these parts of an ended row by those of its columns. False if the row has changed
    /// since it was read.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn accept_digests(
        &self,
        run: &RunId,
        digests: &BTreeMap<Part, String>,
        row_version: &str,
    ) -> Result<bool, StorageError>;

    /// Records the parts that differ in the row. An empty list clears the record.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn note_conflicts(&self, run: &RunId, parts: &[Part]) -> Result<(), StorageError>;

    /// Lists ended runs in the order of their creation, after `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn ended_since(
        &self,
        since: Option<Timestamp>,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, StorageError>;

    /// Outlines accepted runs that have ended, in the order of their creation, after `after`, at most `limit`. A page may be
    /// empty where many rows are not such runs.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn outlines(&self, after: Option<&RowKey>, limit: usize) -> Result<OutlinePage, StorageError>;

    /// Says how the database knows each of these runs.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn standings(&self, runs: &[RunId]) -> Result<Vec<(RunId, Standing)>, StorageError>;

    /// A value that changes when the server restarts, when another database or timeline takes its place, and when a
    /// migration changes the table of runs.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn identity(&self) -> Result<String, StorageError>;

    /// Lists ended runs whose rows say that the files lack a part, in the order of creation.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn files_incomplete_since(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, StorageError>;

    /// Counts accepted runs that have not ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn open_since(&self, since: Option<Timestamp>) -> Result<usize, StorageError>;

    /// Deletes tombstones and finished deliveries that are old enough, at most `limit` of each. Returns how many.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn expire(&self, expiry: Expiry, limit: usize) -> Result<usize, StorageError>;
}
