//! One write of a run under way, as the mode says: which stores it goes to, and what follows when one of them fails.

use pipeline::{clock::Timestamp, record::StageRecord, run::Stage};

use crate::{
    database::Database,
    error::{StorageError, StorageErrorKind},
    files::DbSync,
    mode::Mode,
    observer::StoreName,
    ports::{lifecycle::Fence, prelude::*},
    router::{core::Router, retry::Retries},
    run::End,
};
use foundation::failpoints;

/// A stage or an end that is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Write<'a> {
    Stage(&'a StageRecord),
    End(End<'a>, Timestamp),
}

impl Router {
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
                record.change_mode(flags.mode().as_str(), flags.named_revision());
            }
            match self.attempt(fence, Write::Stage(&record)).await {
                Ok(()) => {
                    self.changes.publish(&fence.run);
                    self.observer.stage_written(retries.attempts(), true);
                    return Ok(record);
                }
                Err(error) => {
                    may_be_stored |= error.kind == StorageErrorKind::Indeterminate;
                    if let Err(error) = retries.next(error).await {
                        self.observer.stage_written(retries.attempts(), false);
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Writes once, in the current mode.
    pub(super) async fn attempt(&self, fence: &Fence, write: Write<'_>) -> Result<(), StorageError> {
        match self.mode() {
            Mode::Invalid => Err(StorageError::new(
                StorageErrorKind::Unavailable,
                "both storage flags are off; set ENABLE_DATABASE_WRITES or ENABLE_FILE_FALLBACK",
            )),
            Mode::FileOnly => {
                self.check_end_in_files(fence, write).await?;
                let db_sync = if self.database.is_some() { DbSync::Pending } else { DbSync::NotTracked };
                self.write_file(fence, write, db_sync).await?;
                // The database accepted the run before a change of mode.
                if matches!(write, Write::End(..)) && self.active.owns_row(fence) {
                    self.leases.retain(fence, self.clock.monotonic());
                }
                Ok(())
            }
            Mode::DatabaseOnly => {
                if matches!(write, Write::Stage(_)) {
                    self.note_row_is_ahead(fence).await;
                }
                self.write_database(fence, write).await?;
                match write {
                    Write::Stage(_) => self.active.note_files_incomplete(&fence.run),
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

    /// Writes the database first, under the fence. The mirror brings it to the files a moment later; the run waits for them
    /// only if the database has not taken the write, or if the mirror does not take it.
    async fn write_both(&self, fence: &Fence, write: Write<'_>) -> Result<(), StorageError> {
        self.check_files_know_no_other(fence)?;
        let in_database = self.write_database(fence, write).await;
        failpoints::hit(if matches!(write, Write::Stage(_)) {
            "stage-in-database"
        } else {
            "end-in-database"
        });
        if in_database.is_ok() && self.is_mirrored(fence, write).await? {
            return Ok(());
        }
        if in_database.as_ref().is_err_and(StorageError::is_outage) {
            // The files of other runs follow soon, too.
            self.files.mirror().hasten();
        }
        // The files need the earlier parts first. If they do not answer, the write below says so.
        let _ = self.files.settle(&fence.run).await;
        let db_sync = match &in_database {
            Ok(()) if matches!(write, Write::End(..)) && self.active.are_files_incomplete(&fence.run) => {
                DbSync::Diverged
            }
            Ok(()) => DbSync::Synced,
            Err(error) if error.is_outage() => {
                self.check_end_in_files(fence, write).await?;
                DbSync::Pending
            }
            Err(error) => return Err(error.clone()),
        };
        match (in_database, self.write_file(fence, write, db_sync).await) {
            (Ok(()), Ok(())) => Ok(()),
            // The files know a later claim, a cancellation, an end or a deletion that the row does not know yet. The next
            // claim brings both sides together; this worker pays for nothing more.
            (Ok(()), Err(error)) if error.kind == StorageErrorKind::Fenced => Err(error),
            (Ok(()), Err(error)) => {
                self.note_missing_file(fence, write, &error).await;
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

    /// Refuses a run's end in files alone once the lease may have run out. The failed write to the database may
    /// have taken longer than the rest of the lease, or the process was paused in it. Another replica may have
    /// completed the run since, and only the database knows.
    async fn check_end_in_files(&self, fence: &Fence, write: Write<'_>) -> Result<(), StorageError> {
        if matches!(write, Write::Stage(_)) || !self.files.is_on_disk() || self.can_start_stage(fence).await?
        {
            return Ok(());
        }
        Err(StorageError::new(
            StorageErrorKind::Unavailable,
            "the run's lease has run out; only the database can say whether this replica may end the run",
        ))
    }

    async fn write_database(&self, fence: &Fence, write: Write<'_>) -> Result<(), StorageError> {
        let Some(database) = &self.database else {
            return Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set"));
        };
        if !self.active.owns_row(fence) {
            self.take_row(fence).await?;
        }
        self.store_lacking(database, fence, write).await?;
        let written = match write {
            Write::Stage(record) => database.store_stage(fence, record).await,
            Write::End(end, at) => database.finish(fence, end, at).await,
        };
        self.observer.database_write(written.is_ok());
        written?;
        if let Write::Stage(record) = write {
            self.active.note_in_row(&fence.run, record.meta.stage);
            self.note_stage_stored(fence, record);
        }
        Ok(())
    }

    /// Stores in the row the stages that went to files alone while the database was away or switched off.
    async fn store_lacking(
        &self,
        database: &Database,
        fence: &Fence,
        write: Write<'_>,
    ) -> Result<(), StorageError> {
        match write {
            // A completed row has all four.
            Write::End(End::Completed { records, .. }, _) => {
                let in_row = self.active.get(&fence.run).map(|active| active.in_row).unwrap_or_default();
                let lacking: Vec<&StageRecord> =
                    records.iter().filter(|record| !in_row.contains(&record.meta.stage)).collect();
                self.store_in_row(database, fence, &lacking, true).await.map(drop)
            }
            // The frontend shows the highest step as the current one, so an outage must not leave a gap below it.
            Write::Stage(record) => self.store_earlier(database, fence, Some(record.meta.stage)).await,
            // A stage that the row will never accept must not keep the run open.
            Write::End(End::Failed(_), _) => match self.store_earlier(database, fence, None).await {
                Err(error) if error.kind == StorageErrorKind::Invalid => {
                    tracing::error!(event = "stage_sync_failed", run_id = %fence.run, %error, "a stage of a failed run cannot be written to its row");
                    Ok(())
                }
                stored => stored,
            },
        }
    }

    /// Stores in the row the stages of the files before a later one, or all.
    async fn store_earlier(
        &self,
        database: &Database,
        fence: &Fence,
        later: Option<Stage>,
    ) -> Result<(), StorageError> {
        let Some(in_row) = self.active.get(&fence.run).map(|active| active.in_row) else { return Ok(()) };
        let is_earlier = |stage: &Stage| later.is_none_or(|later| *stage < later);
        let has_all = Stage::ALL.iter().filter(|stage| is_earlier(stage)).all(|stage| in_row.contains(stage));
        if has_all || !database.breaker.is_closed() {
            return Ok(());
        }
        // Unreadable files do not hold a stage up.
        let Ok(Some(file)) = self.files.load(&fence.run).await else { return Ok(()) };
        let is_lacking = |stage: &Stage| is_earlier(stage) && !in_row.contains(stage);
        let lacking: Vec<&StageRecord> =
            file.stages.iter().filter(|(stage, _)| is_lacking(stage)).map(|(_, held)| &held.record).collect();
        self.store_in_row(database, fence, &lacking, true).await.map(drop)
    }

    pub(super) async fn write_file(
        &self,
        fence: &Fence,
        write: Write<'_>,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        // The mirror may hold earlier parts, and find that the files lack one. If they do not answer, the write says so.
        let _ = self.files.settle(&fence.run).await;
        // Files with a gap would let a takeover pay again for what the row has.
        let has_gap = matches!(write, Write::Stage(_)) && self.active.are_files_incomplete(&fence.run);
        if has_gap {
            self.note_row_is_ahead(fence).await;
        }
        let mut written = self.files_write(fence, write, db_sync).await;
        if matches!(&written, Err(error) if error.kind == StorageErrorKind::NotFound) {
            // Only the database accepted the run, before a change of mode.
            written = match self.begin_files(fence).await {
                Ok(row_is_ahead) => self.write_begun(fence, write, db_sync, has_gap, row_is_ahead).await,
                Err(error) => Err(error),
            };
        }
        self.note_file(&written);
        if let (Ok(()), Write::Stage(record)) = (&written, write) {
            self.observer.stage_stored(record.meta.stage, &record.meta.provider, StoreName::File);
        }
        written
    }
}
