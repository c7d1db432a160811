//! Where runs are kept, behind one seam: files, Postgres, memory (for tests), and the router over them, which alone
//! knows the storage modes.
//!
//! # Invariants
//!
//! * A run is accepted when its request is durable, and never twice.
//! * Every write of a worker names the fence that its claim gave it; a claim by somebody else makes it stale.
//! * A stage, once stored, is never replaced: an equal record is success, a different one is a conflict.
//! * A terminal status never changes within a generation.
//! * A deleted run's tombstone outlives it: nothing brings the run back.

pub mod atomic;
pub mod breaker;
pub mod bulkhead;
pub mod changes;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod control;
pub mod create_if_absent;
pub mod files;
pub mod frontend_rows;
pub mod leased;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod merge;
pub mod mode;
pub mod observer;
pub mod optional_millis;
pub mod outbox;
pub mod postgres;
pub mod probe;
pub mod proof;
pub mod router;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    failure::RunFailure,
    record::{RecordError, StageRecord, sha256_canonical},
    run::{RunId, RunStatus, Stage},
    store::{StoreDisposition, StoreError},
};
use serde::{Deserialize, Serialize};

pub use self::control::Control;

/// What was asked. The same run id with another request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The document's name for people: a file name, or the last part of its address.
    pub source: String,
    /// Where the document is fetched from; none for a run on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_url: Option<String>,
    pub brand_id: BrandId,
    /// The brand's company by the frontend's own name for it; the frontend's lists filter by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
    /// The user by the frontend's own name for them (a Clerk id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// SHA-256 (hex) of what makes two requests the same work.
    pub digest: String,
}

impl RunRequest {
    /// A request by address. The same work is the same address for the same company.
    pub fn by_url(
        source: String,
        document_url: String,
        brand_id: BrandId,
        user_id: Option<String>,
    ) -> Result<Self, RecordError> {
        let digest = sha256_canonical(&(&document_url, &brand_id))?;
        Ok(Self { source, document_url: Some(document_url), brand_id, company_name: None, user_id, digest })
    }

    /// A request with the document at hand. The same work is the same bytes for the same brand.
    pub fn by_document(
        source: String,
        document_sha256: &str,
        brand_id: BrandId,
    ) -> Result<Self, RecordError> {
        let digest = sha256_canonical(&(document_sha256, &brand_id))?;
        Ok(Self { source, document_url: None, brand_id, company_name: None, user_id: None, digest })
    }

    /// The same request for a company that the frontend calls so.
    #[must_use]
    pub fn of_company(mut self, name: String) -> Self {
        self.company_name = None;
        if self.company() != name {
            self.company_name = Some(name);
        }
        self
    }

    /// The company's name in rows that we create.
    #[must_use]
    pub fn company(&self) -> &str {
        let offered = || frontend_rows::offered(&self.brand_id);
        self.company_name.as_deref().or_else(offered).unwrap_or_else(|| self.brand_id.as_str())
    }
}

/// A run to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSubmission {
    pub id: RunId,
    pub request: RunRequest,
    /// When it was asked for; kept when the row is inserted later than that.
    pub accepted_at: Timestamp,
}

/// In whose name, and for how long, a run is worked on without a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The replica's id.
    pub owner: String,
    pub duration: Duration,
}

/// The right to write to a run, until somebody else claims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub run: RunId,
    pub owner: String,
    /// The fencing token: raised by every claim and by a cancellation.
    pub epoch: i32,
    /// Raised by a retry; a higher generation wins.
    pub generation: i32,
    /// Which attempt at the next stage this is: claims that ended without storing one, this one included.
    pub attempt: i32,
    /// Whether the run's row is held under it too. One that came from the files has yet to take its row, if there is
    /// one.
    pub owns_row: bool,
}

/// What a worker asks for when it has room.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub lease: &'a Lease,
    /// Runs at most.
    pub limit: usize,
    /// What this process works on already.
    pub held: &'a HashSet<RunId>,
    /// Whether runs may be taken away whose lease has ended. After an outage that says nothing of their workers.
    pub expired: bool,
}

/// What became of a run that asked to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// It is new, or a row that waited for it; with a fence where a lease was asked for.
    New(Option<Fence>),
    /// It has been accepted before, with the same request.
    Existing(RunStatus),
    /// The id is taken by another request.
    RequestMismatch,
    /// The run of this id has been deleted, and its tombstone lives.
    Deleted,
}

/// A run as a store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub id: RunId,
    /// None for a row that the frontend has created and nobody has asked `/run` for.
    pub request: Option<RunRequest>,
    pub status: RunStatus,
    pub generation: i32,
    pub epoch: i32,
    /// When `/run` accepted it.
    pub accepted_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub stages: BTreeMap<Stage, StoredStage>,
    pub report: Option<String>,
    pub failure: Option<RunFailure>,
    /// US dollars spent on answers that never became a stage.
    pub lost_usd: f64,
    /// Whether somebody works on it.
    pub is_leased: bool,
    /// Who knows the run.
    pub stored_in: StoredIn,
}

impl RunRecord {
    /// A run that has failed while no store can tell more of it.
    #[must_use]
    pub fn of_failure(id: RunId, failure: RunFailure) -> Self {
        Self {
            id,
            request: None,
            status: End::Failed(&failure).status(),
            generation: 1,
            epoch: 0,
            accepted_at: None,
            finished_at: None,
            stages: BTreeMap::new(),
            report: None,
            failure: Some(failure),
            lost_usd: 0.0,
            is_leased: true,
            stored_in: StoredIn::default(),
        }
    }
}

/// Which stores hold a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredIn {
    pub database: bool,
    pub files: bool,
}

impl StoredIn {
    pub const DATABASE: Self = Self { database: true, files: false };
    pub const FILES: Self = Self { database: false, files: true };

    /// The places of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { database: self.database || other.database, files: self.files || other.files }
    }
}

/// A stored stage and the digest of its whole record.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredStage {
    pub record: StageRecord,
    pub sha256: String,
    pub stored_in: StoredIn,
}

/// How a run ends.
#[derive(Debug, Clone, Copy)]
pub enum End<'a> {
    /// With all four records, in order, and the report made of them.
    Completed { records: &'a [StageRecord], report: &'a str },
    /// Without a report. The code `CANCELLED` is the status `CANCELLED`, every other is `FAILED`.
    Failed(&'a RunFailure),
}

impl End<'_> {
    /// The status that the run will have.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        match self {
            Self::Completed { .. } => RunStatus::Completed,
            Self::Failed(failure) if failure.code == pipeline::failure::FailureCode::Cancelled => {
                RunStatus::Cancelled
            }
            Self::Failed(_) => RunStatus::Failed,
        }
    }
}

/// Why a store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    pub kind: StorageErrorKind,
    /// A sentence for operators: the place and the cause, never a credential or a host.
    pub message: String,
}

/// What a failed call means for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// Nothing was written; the same call may work later.
    Unavailable,
    /// No answer came in time: it may have been written, or may still be. Only an idempotent or fenced call may be
    /// made again.
    Indeterminate,
    /// A table, a column or a permission is missing. Trying again helps only after a migration.
    Schema,
    /// Somebody else has the run now, or has ended it.
    Fenced,
    /// Another record is there already; both are kept.
    Conflict,
    /// This store does not know the run.
    NotFound,
    /// The call makes no sense to this store, now or later.
    Invalid,
    /// Somebody else changed the run at the same time, and nothing was written: to be done again from its beginning.
    CasConflict,
}

impl StorageError {
    #[must_use]
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether the store itself is at fault, which is what its breaker counts.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(
            self.kind,
            StorageErrorKind::Unavailable
                | StorageErrorKind::Indeterminate
                | StorageErrorKind::Schema
                | StorageErrorKind::CasConflict
        )
    }
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        let disposition = if error.is_outage() { StoreDisposition::Retry } else { StoreDisposition::Fail };
        Self { message: error.message, disposition }
    }
}

/// A place that keeps runs.
#[async_trait]
pub trait Store: Control + std::fmt::Debug {
    /// Records a request durably, or tells that it was recorded before. Of many at once, one is new.
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError>;

    /// Makes a run known here that was accepted elsewhere, under the fence that it has there. It may be known already.
    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError>;

    /// Takes accepted, unfinished runs that nobody holds, the more urgent and each user's oldest first.
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError>;

    /// Says that the runs are still worked on; returns those that are no longer the caller's.
    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError>;

    /// Gives a run back unfinished, so that anybody may claim it at once; the attempt does not count.
    async fn release(&self, fence: &Fence) -> Result<(), StorageError>;

    /// The run with all that is stored of it.
    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError>;

    /// Stores a stage durably.
    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError>;

    /// Remembers that the other store lacks these stages (none: only the run's end).
    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError>;

    /// Ends the run, durably, with its report and all that belongs to its end. Ending it again in the same way is
    /// success.
    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError>;

    /// Whether the store would take a write now.
    async fn probe(&self) -> Result<(), StorageError>;
}

/// A running process of the service, as the registry shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Replica {
    pub id: String,
    /// `all`, `web` or `worker`.
    pub role: String,
    pub version: String,
    pub git_sha: Option<String>,
    /// The revision and the words of the flags that it goes by: replicas that differ have not all seen a flip yet.
    pub flags: String,
    pub runs_in_flight: u32,
    pub is_draining: bool,
    /// Whole seconds since its last sign of life.
    pub silent_seconds: u32,
}

/// What is known beyond this process: asked of the database.
#[async_trait]
pub trait ReplicaRegistry: Send + Sync + std::fmt::Debug {
    /// Accepted runs that nobody works on yet, counted up to a number.
    async fn queue_depth(&self, at_most: usize) -> Result<usize, StorageError>;

    /// Runs of which row and files hold different records now, counted up to a number.
    async fn conflicts(&self, at_most: usize) -> Result<usize, StorageError>;

    /// The replicas that have shown a sign of life lately.
    async fn replicas(&self) -> Result<Vec<Replica>, StorageError>;

    /// Shows a sign of life; returns whether another replica has shown one in the last ten minutes.
    async fn heartbeat(&self, replica: &Replica) -> Result<bool, StorageError>;

    /// Takes a replica that stops out of the registry.
    async fn leave(&self, replica_id: &str) -> Result<(), StorageError>;
}
