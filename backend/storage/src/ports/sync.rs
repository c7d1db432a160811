//! What is found equal on both sides, and kept as evidence of it.

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
    ports::{lifecycle::Fence, store::Store},
    run::{End, RunRecord, RunSubmission},
};

/// That row and files held the same at one version of the row.
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
    /// The row's version that was read: PostgreSQL's `xmin`.
    pub row_version: String,
    #[serde(with = "millis")]
    pub proved_at: Timestamp,
    /// The version of this program.
    pub program: String,
}

impl Proof {
    /// A proof of a run that both sides hold equally.
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

/// A run as its row says, with what a snapshot does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub snapshot: RunRecord,
    /// PostgreSQL's `xmin`.
    pub version: String,
    /// Whose lease is, or was, on it.
    pub owner: Option<String>,
    /// What stands in it and does not match its own digest, by number (5 is the report): somebody has changed it by hand.
    /// The snapshot has none of it.
    pub damaged: BTreeMap<i32, String>,
}

/// A database whose rows can be compared with files, and mended.
#[async_trait]
pub trait SyncTarget: Store {
    /// The run as its row says.
    async fn read_row(&self, run: &RunId) -> Result<Option<Row>, StorageError>;

    /// Those of these runs that have ended.
    async fn ended_among(&self, runs: &[RunId]) -> Result<Vec<RunId>, StorageError>;

    /// Those of these runs that have no row.
    async fn absent_among(&self, runs: &[RunId]) -> Result<Vec<RunId>, StorageError>;

    /// Deleted runs with the times of their tombstones, in the order of these, after that time and run, at most `limit`.
    async fn tombstones(
        &self,
        after: Option<(Timestamp, Option<&RunId>)>,
        limit: usize,
    ) -> Result<Vec<(RunId, Timestamp)>, StorageError>;

    /// Stores a stage that an ended run of this generation lacks. An equal one is success, another a conflict.
    async fn fill_stage(
        &self,
        run: &RunId,
        generation: i32,
        record: &StageRecord,
    ) -> Result<(), StorageError>;

    /// Gives a completed run of this generation the rows of the frontend's tables that it lacks.
    async fn fill_rows(
        &self,
        run: &RunId,
        generation: i32,
        end: End<'_>,
        at: Timestamp,
    ) -> Result<(), StorageError>;

    /// Stores the report that a completed run of this generation lacks: one that the frontend completed, when it was told
    /// and we could not write.
    async fn fill_report(&self, run: &RunId, generation: i32, report: &str) -> Result<(), StorageError>;

    /// Gives an open row what the files have of its run, up to its end: takes or enters it where `new` says what was asked,
    /// stores the stages in order, ends it. Each step stands by itself, so that what breaks off can be begun anew.
    async fn replay(
        &self,
        fence: &Fence,
        new: Option<&RunSubmission>,
        stages: &[&StageRecord],
        end: End<'_>,
        at: Timestamp,
    ) -> Result<(), StorageError>;

    /// Keeps the proof with the row; false if the row is no longer the one that was read.
    async fn keep_proof(&self, proof: &Proof) -> Result<bool, StorageError>;

    /// Opens an ended row again under a lease of the fence's owner, without these stages, its report and the rows made of
    /// it; false if the row is no longer the one that was read.
    async fn reopen(&self, fence: &Fence, without: &[Stage], row_version: &str)
    -> Result<bool, StorageError>;

    /// Gives columns of an ended row (5 is the report) the digests of what stands in them; false if the row is no longer the
    /// one that was read.
    async fn accept_digests(
        &self,
        run: &RunId,
        digests: &BTreeMap<i32, String>,
        row_version: &str,
    ) -> Result<bool, StorageError>;

    /// Notes the stages (5 is the report, 0 the status) that differ; none takes the note away.
    async fn note_conflicts(&self, run: &RunId, numbers: &[i32]) -> Result<(), StorageError>;

    /// Ended runs in the order of their creation, after `after`, at most `limit`.
    async fn ended_since(
        &self,
        since: Option<Timestamp>,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, StorageError>;

    /// Ended runs whose rows say that the files lack something of them, in the same way.
    async fn files_incomplete_since(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, StorageError>;

    /// How many accepted runs have not ended.
    async fn open_since(&self, since: Option<Timestamp>) -> Result<usize, StorageError>;

    /// Forgets tombstones and settled deliveries from before then, at most `limit` of each; returns how many went.
    async fn expire(&self, before: Timestamp, limit: usize) -> Result<usize, StorageError>;
}
