//! The use cases and the services that they need.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use pipeline::{clock::Clock, run::RunId};
use tokio::sync::Semaphore;

use super::{admission::Admission, keyless::Keyless, query::QueryError};
use crate::{
    access::Scope,
    audit::Audit,
    brands::BrandFolder,
    documents::{fetch::Fetcher, isolate::Isolation, pictures::Pictures},
    worker::Worker,
};
use storage::{RunRecord, StorageError, StorageErrorKind, prelude::*, router::Router};

/// How many documents are sent at once, each of at most 25 MiB in memory.
const DOCUMENTS_SENT_MAX: usize = 4;

/// The use cases.
#[derive(Debug)]
pub struct Runs {
    pub(super) router: Arc<Router>,
    pub(super) worker: Worker,
    pub(super) queue: Admission,
    pub(super) fetcher: Fetcher,
    pub(super) brands: BrandFolder,
    pub(super) audit: Audit,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) accepting: Mutex<HashMap<RunId, Weak<tokio::sync::Mutex<()>>>>,
    pub(super) keyless: Keyless,
    pub(super) pictures: Pictures,
    /// The documents on their way to clients.
    pub(super) sending: Arc<Semaphore>,
}

impl Runs {
    #[must_use]
    pub fn new(
        router: Arc<Router>,
        worker: Worker,
        queue: Admission,
        fetcher: Fetcher,
        brands: BrandFolder,
        audit: Audit,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            router,
            worker,
            queue,
            fetcher,
            brands,
            audit,
            clock,
            accepting: Mutex::default(),
            keyless: Keyless::default(),
            pictures: Pictures::new(Isolation::default()),
            sending: Arc::new(Semaphore::new(DOCUMENTS_SENT_MAX)),
        }
    }

    /// Loads a run that the caller may see. All use cases over one run find it here.
    pub(super) async fn find(&self, run_id: &RunId, scope: &Scope) -> Result<RunRecord, QueryError> {
        match self.router.load(run_id).await {
            Ok(Some(record)) if scope.admits(&record.principal) => Ok(record),
            // The answer does not tell it from an id that nobody has used.
            Ok(Some(_)) if self.sees_every_run() => Err(self.unknown(run_id)),
            Ok(Some(_)) => Err(QueryError::Unavailable(StorageError::new(
                StorageErrorKind::Unavailable,
                "the database is away, and may hold the run",
            ))),
            missing => Err(self.why_missing(run_id, scope, missing.err()).await),
        }
    }

    /// Finds out why a run is missing: deleted, never there, or not readable.
    async fn why_missing(&self, run_id: &RunId, scope: &Scope, error: Option<StorageError>) -> QueryError {
        match (self.router.deleted_owner(run_id).await, error) {
            (Ok(Some(owner)), _) if scope.admits(&owner) => QueryError::Deleted(run_id.clone()),
            // While the database is away, this is also the answer for a run that no file names.
            (_, Some(error)) | (Err(error), None) => QueryError::Unavailable(error),
            (Ok(_), None) => self.unknown(run_id),
        }
    }

    /// Whether the service can say that a run does not exist. While the database is away, it cannot.
    fn sees_every_run(&self) -> bool {
        self.router.database().is_none() || self.router.is_database_open()
    }

    /// The answer for a run that is nowhere, or that the caller may not see.
    fn unknown(&self, run_id: &RunId) -> QueryError {
        match self.router.unseen_runs() {
            Some(refusal) => QueryError::NotAlone(run_id.clone(), refusal),
            None => QueryError::NotFound(run_id.clone()),
        }
    }

    /// The lock for concurrent requests with the same id.
    pub(super) fn run_lock(&self, run_id: &RunId) -> Arc<tokio::sync::Mutex<()>> {
        let mut accepting = self.accepting.lock();
        if let Some(lock) = accepting.get(run_id).and_then(Weak::upgrade) {
            return lock;
        }
        // Remove unused locks: the map holds only ids with requests under way.
        accepting.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        accepting.insert(run_id.clone(), Arc::downgrade(&lock));
        lock
    }
}
