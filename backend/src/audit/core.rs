//! Stores records, imports them, and removes expired ones.

use std::{sync::Arc, time::Duration};

use pipeline::clock::{Clock, Timestamp};
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{AuditLog, AuditRecord},
    router::Router,
};
use tokio::{sync::Notify, time::timeout};

use super::actor::Actor;

/// How long a record waits for the database. Then it goes to a file.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// How many records are imported or removed at once.
pub(super) const BATCH: usize = 100;

/// The audit of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) router: Arc<Router>,
    /// None without a database.
    pub(super) database: Option<Arc<dyn AuditLog>>,
    clock: Arc<dyn Clock>,
    /// The platform's id of this deployment.
    deployment: Option<String>,
    keep: Duration,
    import_now: Notify,
}

/// The result of one pass of the background task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    pub imported: usize,
    /// Records whose retention was over.
    pub expired: usize,
}

impl Audit {
    #[must_use]
    pub fn new(
        router: Arc<Router>,
        database: Option<Arc<dyn AuditLog>>,
        clock: Arc<dyn Clock>,
        deployment: Option<String>,
        keep: Duration,
    ) -> Self {
        let inner = Inner { router, database, clock, deployment, keep, import_now: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// A record of a change that this actor makes now ([`Actor::record`]).
    #[must_use]
    pub fn describe(&self, actor: &Actor, action: &str, target: &str) -> AuditRecord {
        actor.record(action, target, self.inner.clock.now(), self.inner.deployment.clone())
    }

    /// Stores the record of a change that no statement stores with it: in the database, or else in a file.
    ///
    /// # Errors
    ///
    /// The error of the files, if neither store took the record. The log then has the whole record.
    pub async fn record(&self, record: AuditRecord) -> Result<(), StorageError> {
        match self.in_database(|log| log.add(std::slice::from_ref(&record))).await {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => {
                tracing::warn!(event = "audit_in_file", id = record.id, %error, "the database did not take an audit record; it goes to a file");
            }
            None => {}
        }
        let stored = self.inner.router.files().add_audit(&record).await;
        if let Err(error) = &stored {
            // The log is the last place that may keep it.
            let content = serde_json::to_string(&record).unwrap_or_default();
            tracing::error!(event = "audit_not_stored", %error, record = content, "an audit record could not be stored anywhere else");
        }
        stored
    }

    /// Stores a record in the file storage. For changes that were made without the database.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Indeterminate` if the files cannot be written.
    pub async fn record_in_file(&self, record: AuditRecord) -> Result<(), StorageError> {
        self.inner.router.files().add_audit(&record).await
    }

    /// Imports records of the files into the database, the oldest first, and removes those whose retention is over.
    /// A record that the database has already stays as it is there, so each is imported once.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Indeterminate` if a store fails. The next pass continues.
    pub async fn import(&self) -> Result<Imported, StorageError> {
        let files = self.inner.router.files();
        let mut done = Imported::default();
        loop {
            let waiting = files.oldest_audit(BATCH).await?;
            let expired: Vec<AuditRecord> =
                waiting.records.iter().filter(|record| record.at < self.keeps_after()).cloned().collect();
            files.remove_audit(&expired).await?;
            done.expired += expired.len();
            let now = self.inner.clock.now();
            let kept = waiting.records.into_iter().filter(|record| record.at >= self.keeps_after());
            let records: Vec<AuditRecord> =
                kept.map(|record| AuditRecord { imported_at: Some(now), ..record }).collect();
            if !records.is_empty() {
                match self.in_database(|log| log.add(&records)).await {
                    None if self.inner.database.is_none() || !self.inner.router.uses_database() => {
                        return Ok(done);
                    }
                    None => return Err(away()),
                    Some(added) => added?,
                }
                files.remove_audit(&records).await?;
                done.imported += records.len();
                tracing::info!(
                    event = "audit_imported",
                    records = records.len(),
                    "audit records of the files are in the database"
                );
            }
            if !waiting.has_more {
                return Ok(done);
            }
        }
    }

    /// Removes records of the database whose retention is over. Returns how many.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Indeterminate` if the database fails.
    pub async fn expire(&self) -> Result<usize, StorageError> {
        let before = self.keeps_after();
        let mut all = 0;
        loop {
            let Some(expired) = self.in_database(|log| log.expire(before, BATCH)).await else {
                return Ok(all);
            };
            let expired = expired?;
            all += expired;
            if expired < BATCH {
                return Ok(all);
            }
        }
    }

    /// Wakes the import, for example because the database is back.
    pub fn wake(&self) {
        self.inner.import_now.notify_one();
    }

    /// Returns when an import must not wait for its time.
    pub async fn woken(&self) {
        tokio::select! {
            () = self.inner.import_now.notified() => {}
            () = self.inner.router.files().audit_added() => {}
        }
    }

    /// Records before this time have expired.
    fn keeps_after(&self) -> Timestamp {
        let keep = chrono::TimeDelta::from_std(self.inner.keep).unwrap_or(chrono::TimeDelta::MAX);
        self.inner.clock.now().checked_sub_signed(keep).unwrap_or(Timestamp::MIN_UTC)
    }

    /// Calls the database within the time limit. None without one, or while it is known to be away.
    pub(super) async fn in_database<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn AuditLog) -> F,
    ) -> Option<Result<T, StorageError>>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let database = self.inner.database.as_deref()?;
        let router = &self.inner.router;
        // A mode without the database opens no connection to it. The records wait in files until another mode.
        if !router.is_database_open() {
            return None;
        }
        let what = || StorageError::new(StorageErrorKind::Indeterminate, "the database does not answer");
        Some(timeout(WRITE_TIMEOUT, call(database)).await.unwrap_or_else(|_| Err(what())))
    }
}

fn away() -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, "the database is away")
}
