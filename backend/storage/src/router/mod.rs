//! The only part that knows the storage modes. It decides which stores receive a write, and what follows if
//! one fails.
//!
//! It implements the failure table of README.md, "When something fails", row by row.

mod accept;
mod both_sides;
mod claim;
mod connectivity;
mod control;
mod database;
mod lease_wait;
mod leases;
mod missing_row;
mod poll_limiter;
mod presence;
mod retry;
mod state;
mod sync_on_claim;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use pipeline::{
    clock::{Clock, Timestamp},
    record::StageRecord,
    run::{RunId, Stage},
};
use tokio::sync::watch;

use self::{
    both_sides::{BothSides, ReadPurpose},
    connectivity::ConnectivityTracker,
    leases::Leases,
    poll_limiter::PollLimiter,
    retry::Retries,
};
pub use self::{
    database::{Database, ReadLimiter},
    presence::ReplicaPresence,
    state::StorageState,
    sync_on_claim::Resume,
};
use crate::observer::{StorageObserver, StoreName, Unobserved};
use crate::{
    error::{StorageError, StorageErrorKind},
    files::{DbSync, FileStore},
    mode::{Flags, Mode},
    ports::{
        changes::RunChanges,
        lifecycle::{Acceptance, Claim, Fence, Lease},
        store::Store,
    },
    run::{End, RunRecord, RunSubmission},
};
use foundation::failpoints;

/// The operator's settings for the router.
#[derive(Debug, Clone)]
pub struct RouterConfig {
    /// How long an output is kept in memory and retried if the only store fails.
    pub retry_deadline: Duration,
    /// Whether other replicas run, which decides whether a file guards against a second execution.
    pub presence: Arc<ReplicaPresence>,
}

/// Routes every call by the current mode.
#[derive(Debug)]
pub struct Router {
    files: FileStore,
    database: Option<Database>,
    flags: watch::Receiver<Flags>,
    config: RouterConfig,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn StorageObserver>,
    /// Since when the database has answered.
    connectivity: ConnectivityTracker,
    /// Since when the mode has had no database.
    disabled_since: Mutex<Option<Duration>>,
    /// The failure of the last file write, until one succeeds.
    file_alarm: Mutex<Option<String>>,
    /// The runs that this process works on. A store that receives a run for the first time, after a change of
    /// mode or an outage, needs their requests.
    active: Mutex<HashMap<RunId, ActiveRun>>,
    /// The active runs whose files lack a stage that the row has.
    files_incomplete: Mutex<HashSet<RunId>>,
    leases: Leases,
    changes: Arc<RunChanges>,
    /// One limiter for finding work, one for finding runs that others ended.
    poll_limiters: [PollLimiter; 2],
}

/// A run that this process works on.
#[derive(Debug, Clone)]
struct ActiveRun {
    fence: Fence,
    new: Arc<RunSubmission>,
    /// Whether this process owns the row under the fence.
    owns_row: bool,
    /// The stages that the row surely has.
    in_row: HashSet<Stage>,
}

/// One write.
#[derive(Debug, Clone, Copy)]
enum Write<'a> {
    Stage(&'a StageRecord),
    End(End<'a>, Timestamp),
}

impl Router {
    #[must_use]
    pub fn new(
        files: FileStore,
        database: Option<Database>,
        flags: watch::Receiver<Flags>,
        config: RouterConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            files,
            database,
            flags,
            config,
            clock,
            observer: Arc::new(Unobserved),
            connectivity: ConnectivityTracker::default(),
            disabled_since: Mutex::default(),
            file_alarm: Mutex::default(),
            active: Mutex::default(),
            files_incomplete: Mutex::default(),
            leases: Leases::default(),
            changes: Arc::default(),
            poll_limiters: Default::default(),
        }
    }

    /// Sets the observer that receives this router's figures.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn StorageObserver>) -> Self {
        Self { observer, ..self }
    }

    /// A router that uses files only, whatever the flags say, for commands.
    #[must_use]
    pub fn files_only(files: FileStore, clock: Arc<dyn Clock>) -> Self {
        let flags = Flags { database_writes: false, file_fallback: true, revision: 0 };
        let config = RouterConfig {
            retry_deadline: Duration::ZERO,
            presence: Arc::new(ReplicaPresence::new(Some(true))),
        };
        Self::new(files, None, watch::channel(flags).1, config, clock)
    }

    /// The receiver of this router's figures.
    #[must_use]
    pub fn observer(&self) -> &dyn StorageObserver {
        &*self.observer
    }

    /// The part that publishes changes of runs.
    #[must_use]
    pub fn changes(&self) -> &Arc<RunChanges> {
        &self.changes
    }

    /// Whether files guard against a second execution: no other replica runs, or all replicas use the same
    /// files.
    pub(super) fn has_global_claim(&self) -> bool {
        self.config.presence.is_alone() || self.files.has_shared_create_if_absent()
    }

    /// The current flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        *self.flags.borrow()
    }

    /// The file store of this router.
    #[must_use]
    pub fn files(&self) -> &FileStore {
        &self.files
    }

    /// The database of this router, if there is one.
    #[must_use]
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Since when the current mode has had no database, as far as this process has noticed. It checks several
    /// times a second.
    fn database_disabled_since(&self) -> Option<Duration> {
        let mut disabled_since = self.disabled_since.lock().unwrap_or_else(PoisonError::into_inner);
        if self.mode().has_database() {
            *disabled_since = None;
        } else {
            disabled_since.get_or_insert_with(|| self.clock.monotonic());
        }
        *disabled_since
    }

    /// The configured mode, or `FILE_ONLY` without a database.
    fn mode(&self) -> Mode {
        let mode = self.flags().mode();
        if mode.has_database() && self.database.is_none() { Mode::FileOnly } else { mode }
    }

    /// The database, if it may be called: the mode has it, and its breaker is closed.
    fn open_database(&self, mode: Mode) -> Option<&Database> {
        self.database.as_ref().filter(|database| mode.has_database() && database.breaker.is_closed())
    }

    /// Stores a stage in the current mode, and retries while the stores are down. Returns the stored record.
    /// Its `meta` names the mode in which it was stored.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run. `Conflict` if a different record is stored. `Unavailable` or
    /// `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    pub async fn write_stage(
        &self,
        fence: &Fence,
        mut record: StageRecord,
    ) -> Result<StageRecord, StorageError> {
        let mut may_be_stored = false;
        let mut retries = Retries::new(self);
        loop {
            let flags = self.flags();
            // A record that may be stored already must not change.
            if !may_be_stored {
                flags.mode().as_str().clone_into(&mut record.meta.mode);
                record.meta.flags_revision = flags.revision;
            }
            match self.attempt(fence, Write::Stage(&record)).await {
                Ok(()) => {
                    self.changes.publish(&fence.run);
                    return Ok(record);
                }
                Err(error) => {
                    may_be_stored |= error.kind == StorageErrorKind::Indeterminate;
                    retries.next(error).await?;
                }
            }
        }
    }

    /// Writes once, in the current mode.
    async fn attempt(&self, fence: &Fence, write: Write<'_>) -> Result<(), StorageError> {
        match self.mode() {
            Mode::Invalid => Err(StorageError::new(
                StorageErrorKind::Unavailable,
                "both storage flags are off; set ENABLE_DATABASE_WRITES or ENABLE_FILE_FALLBACK",
            )),
            Mode::FileOnly => {
                let db_sync = if self.database.is_some() { DbSync::Pending } else { DbSync::NotTracked };
                self.write_file(fence, write, db_sync).await?;
                // The database accepted the run before a change of mode.
                if matches!(write, Write::End(..)) && self.owns_row(fence) {
                    self.leases.retain(fence, self.clock.monotonic());
                }
                Ok(())
            }
            Mode::DatabaseOnly => {
                self.write_database(fence, write).await?;
                match write {
                    Write::Stage(_) => self.note_files_incomplete(&fence.run),
                    Write::End(end, at) => self.close_files(fence, end, at).await,
                }
                Ok(())
            }
            Mode::DualWrite => self.write_both(fence, write).await,
        }
    }

    /// Ends the files of a run that began there before a change of mode. Otherwise, a later change of mode
    /// would make a worker claim the open manifest. The reconciler later adds the stages that the files lack.
    async fn close_files(&self, fence: &Fence, end: End<'_>, at: Timestamp) {
        match self.files.finish_with_sync_state(fence, end, at, DbSync::Diverged).await {
            Err(error) if error.kind != StorageErrorKind::NotFound => {
                tracing::warn!(event = "manifest_close_failed", run_id = %fence.run, %error, "the run's manifest could not be closed");
            }
            _ => {}
        }
    }

    /// Writes the database first, under the fence, and the file right after. A container's disk may be gone a
    /// second later.
    async fn write_both(&self, fence: &Fence, write: Write<'_>) -> Result<(), StorageError> {
        let in_database = self.write_database(fence, write).await;
        failpoints::hit(if matches!(write, Write::Stage(_)) {
            "stage-in-database"
        } else {
            "end-in-database"
        });
        let db_sync = match &in_database {
            Ok(()) if matches!(write, Write::End(..)) && self.are_files_incomplete(&fence.run) => {
                DbSync::Diverged
            }
            Ok(()) => DbSync::Synced,
            Err(error) if error.is_outage() => DbSync::Pending,
            Err(error) => return Err(error.clone()),
        };
        match (in_database, self.write_file(fence, write, db_sync).await) {
            (Ok(()), Ok(())) => Ok(()),
            (Ok(()), Err(error)) => {
                tracing::error!(event = "file_write_failed", run_id = %fence.run, %error, "file write failed; the database has it");
                self.note_files_incomplete(&fence.run);
                self.mark_missing_file(fence, write).await;
                Ok(())
            }
            (Err(error), Ok(())) => {
                tracing::warn!(event = "database_write_failed", run_id = %fence.run, %error, "database write failed; the file has it, unsynced");
                if matches!(write, Write::End(..)) {
                    self.leases.retain(fence, self.clock.monotonic());
                }
                Ok(())
            }
            (Err(database), Err(file)) => {
                // Either write may have happened, so the record must not change.
                let ambiguous = [&database, &file].iter().any(|e| e.kind == StorageErrorKind::Indeterminate);
                let kind = if file.is_outage() && !ambiguous {
                    StorageErrorKind::Unavailable
                } else if ambiguous {
                    StorageErrorKind::Indeterminate
                } else {
                    file.kind
                };
                Err(StorageError::new(kind, format!("database: {database}; file: {file}")))
            }
        }
    }

    async fn write_database(&self, fence: &Fence, write: Write<'_>) -> Result<(), StorageError> {
        let Some(database) = &self.database else {
            return Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set"));
        };
        if !self.owns_row(fence) {
            self.give_row(database, fence).await?;
        }
        match write {
            Write::End(End::Completed { records, .. }, _) => {
                self.complete_row(database, fence, records).await?
            }
            // The frontend shows the highest step as the current one, so an outage must not leave a gap below
            // it.
            Write::Stage(record) => {
                self.complete_row_up_to(database, fence, Some(record.meta.stage)).await?;
            }
            // A stage that the row will never accept must not keep the run open.
            Write::End(End::Failed(_), _) => match self.complete_row_up_to(database, fence, None).await {
                Err(error) if error.kind == StorageErrorKind::Invalid => {
                    tracing::error!(event = "stage_sync_failed", run_id = %fence.run, %error, "a stage of a failed run cannot be written to its row");
                }
                completed => completed?,
            },
        }
        let written = database
            .call_queued(|store| async move {
                match write {
                    Write::Stage(record) => store.store_stage(fence, record).await,
                    Write::End(end, at) => store.finish(fence, end, at).await,
                }
            })
            .await;
        self.observer.database_write(written.is_ok());
        written?;
        if let Write::Stage(record) = write {
            self.note_in_row(&fence.run, record.meta.stage);
            self.observer.stage_stored(record.meta.stage, &record.meta.provider, StoreName::Database);
            let stage = record.meta.stage.number();
            tracing::info!(event = "stage_row_written", run_id = %fence.run, stage, "[{}] Wrote Stage {stage} to database", fence.run);
        }
        Ok(())
    }

    async fn write_file(&self, fence: &Fence, write: Write<'_>, db_sync: DbSync) -> Result<(), StorageError> {
        let mut written = self.files_write(fence, write, db_sync).await;
        if matches!(&written, Err(error) if error.kind == StorageErrorKind::NotFound)
            && let Some(active) = self.active(&fence.run)
        {
            // Only the database accepted the run, before a change of mode.
            written = self.files.adopt(&active.new, fence).await;
            if written.is_ok() {
                written = self.files_write(fence, write, db_sync).await;
            }
        }
        self.note_file(&written);
        if let (Ok(()), Write::Stage(record)) = (&written, write) {
            self.observer.stage_stored(record.meta.stage, &record.meta.provider, StoreName::File);
        }
        written
    }

    async fn files_write(
        &self,
        fence: &Fence,
        write: Write<'_>,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        match write {
            Write::Stage(record) => self.files.store_stage_with_sync_state(fence, record, db_sync).await,
            Write::End(end, at) => self.files.finish_with_sync_state(fence, end, at, db_sync).await,
        }
    }

    /// Remembers a run's request while this process works on it.
    pub fn register_active(&self, fence: &Fence, new: RunSubmission, in_row: HashSet<Stage>) {
        let active = ActiveRun { fence: fence.clone(), new: Arc::new(new), owns_row: fence.owns_row, in_row };
        self.lock_active().insert(fence.run.clone(), active);
    }

    /// Forgets a run that this process no longer works on.
    pub fn forget(&self, run: &RunId) {
        self.lock_active().remove(run);
        self.lock_incomplete().remove(run);
        self.leases.forget(run);
        self.files.forget(run);
    }

    /// Records that the run's files lack a stage which its row has.
    fn note_files_incomplete(&self, run: &RunId) {
        self.lock_incomplete().insert(run.clone());
    }

    fn are_files_incomplete(&self, run: &RunId) -> bool {
        self.lock_incomplete().contains(run)
    }

    fn lock_incomplete(&self) -> std::sync::MutexGuard<'_, HashSet<RunId>> {
        self.files_incomplete.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_in_row(&self, run: &RunId, stage: Stage) {
        if let Some(active) = self.lock_active().get_mut(run) {
            active.in_row.insert(stage);
        }
    }

    fn active(&self, run: &RunId) -> Option<ActiveRun> {
        self.lock_active().get(run).cloned()
    }

    fn owns_row(&self, fence: &Fence) -> bool {
        fence.owns_row || self.active(&fence.run).is_some_and(|active| active.owns_row)
    }

    fn lock_active(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, ActiveRun>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks in the database what the files lack. If the database fails too, the files' own state shows it.
    async fn mark_missing_file(&self, fence: &Fence, write: Write<'_>) {
        let Some(database) = &self.database else { return };
        let stages: &[Stage] = match &write {
            Write::Stage(record) => &[record.meta.stage],
            Write::End(..) => &[],
        };
        if let Err(error) =
            database.call_queued(|store| async move { store.mark_unsynced(fence, stages).await }).await
        {
            tracing::warn!(event = "missing_file_not_recorded", run_id = %fence.run, %error, "failed to mark the missing file in the database");
        }
    }

    fn note_file<T>(&self, result: &Result<T, StorageError>) {
        match result {
            Ok(_) => *self.alarm() = None,
            Err(error) if error.is_outage() => {
                self.observer.file_write_failed();
                *self.alarm() = Some(error.message.clone());
            }
            Err(_) => {}
        }
    }

    fn alarm(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.file_alarm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Router {
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError> {
        let began = self.clock.monotonic();
        let accepted = self.accept_as_mode_says(run, lease).await;
        if let (Ok(Acceptance::New(Some(fence))), Some(lease)) = (&accepted, lease) {
            self.leases.grant([&fence.run], began + lease.duration);
        }
        if let Ok(Acceptance::New(_)) = &accepted {
            self.changes.publish(&run.id);
        }
        accepted
    }

    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError> {
        let mode = self.mode();
        if let Some(database) = self.open_database(mode) {
            database.call(|store| async move { store.adopt(run, fence).await }).await?;
        }
        if mode.has_files() { self.files.adopt(run, fence).await } else { Ok(()) }
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        self.claim_by_mode(claim).await
    }

    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        self.renew_rows(lease, fences).await
    }

    async fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        let mode = self.mode();
        let mut released = Ok(());
        if self.owns_row(fence)
            && let Some(database) = self.open_database(mode)
        {
            released = database.call_queued(|store| async move { store.release(fence).await }).await;
        }
        if mode.has_files() {
            released = self.files.release(fence).await.and(released);
        }
        released
    }

    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        self.read_both(run, ReadPurpose::Display).await.map(BothSides::merged)
    }

    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        self.write_stage(fence, record.clone()).await.map(drop)
    }

    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        self.files.mark_unsynced(fence, stages).await
    }

    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError> {
        let mut retries = Retries::new(self);
        loop {
            match self.attempt(fence, Write::End(end, at)).await {
                Ok(()) => {
                    self.changes.publish(&fence.run);
                    return Ok(());
                }
                Err(error) => retries.next(error).await?,
            }
        }
    }

    async fn probe(&self) -> Result<(), StorageError> {
        let mode = self.mode();
        if mode.has_files() && self.files.probe().await.is_ok() {
            return Ok(());
        }
        match &self.database {
            Some(database) if mode.has_database() => database.store.probe().await,
            _ => self.files.probe().await,
        }
    }
}
