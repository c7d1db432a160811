//! A claim, after the row or the manifest is this worker's: read both sides, plan, apply, hand over the resume point.

use std::collections::{BTreeSet, HashSet};

use pipeline::run::{RunId, Stage};

use crate::{
    error::{StorageError, StorageErrorKind},
    merge::merge,
    ports::{lifecycle::Fence, prelude::*},
    router::{core::Router, retry::Retries},
    run::{RunRecord, RunSubmission},
    sync::{
        apply::{Work, apply},
        plan::{FilesKnow, RowSide, Sides, Trigger, must_take_row, plan},
    },
};

/// Only the row has some of the run's stages, and the database is switched off.
fn row_is_needed() -> StorageError {
    let what = "only the database has some of the run's stages, and it is switched off; set ENABLE_DATABASE_WRITES=true";
    StorageError::new(StorageErrorKind::Unavailable, what)
}

/// How far a claimed run has come.
#[derive(Debug)]
pub enum Resume {
    /// It had ended in files, and its row has the end now.
    Ended,
    /// Work goes on from here.
    At {
        snapshot: Box<RunRecord>,
        /// The stages that the row has.
        in_row: HashSet<Stage>,
    },
}

impl Router {
    /// Brings both sides of a claimed run together and says how far it has come. Waits as long as a write would for a
    /// database that may hold what the files lack: a stage that could not be looked up would be paid for again.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker has the run. `NotFound` if no store has it. `Invalid` or `Conflict` if the sides do not fit
    /// together. `Unavailable`, `Schema` or `Indeterminate` if a store fails until the retry deadline.
    pub async fn resume(&self, fence: &Fence) -> Result<Resume, StorageError> {
        let mut retries = Retries::new(self);
        loop {
            match self.try_resume(fence).await {
                Err(error) => retries.next(error).await?,
                resumed => return resumed,
            }
        }
    }

    async fn try_resume(&self, fence: &Fence) -> Result<Resume, StorageError> {
        self.take_row_of_claim(fence).await?;
        if self.sync_on_claim(fence).await? {
            return Ok(Resume::Ended);
        }
        let run = &fence.run;
        let row = match &self.database {
            Some(database) if self.mode().has_database() && self.active.owns_row(fence) => {
                database.call_queued(|store| async move { store.load(run).await }).await?
            }
            _ => None,
        };
        let in_row = row.iter().flat_map(|row| row.stages.keys().copied()).collect();
        let file = self.files.load(run).await?;
        let in_files = |stage: &Stage| file.as_ref().is_some_and(|file| file.stages.contains_key(stage));
        if !self.mode().has_database() && !fence.row_stages.iter().all(in_files) {
            // The next claim may come from the files, and would know nothing of the row.
            self.note_row_is_ahead(fence).await;
            return Err(row_is_needed());
        }
        merge(row, file)
            .map(|snapshot| Resume::At { snapshot: Box::new(snapshot), in_row })
            .ok_or_else(|| StorageError::new(StorageErrorKind::NotFound, "the run's record has gone"))
    }

    /// Whether a run that came from the files has a row that this replica could not take, although the mode uses the database.
    /// Manifests that cannot be read say nothing.
    pub async fn misses_row(&self, fence: &Fence) -> bool {
        if self.database.is_none() || !self.mode().has_database() || self.active.owns_row(fence) {
            return false;
        }
        let manifest = self.files.manifest(&fence.run).await.ok().flatten();
        manifest.is_some_and(|manifest| manifest.has_row())
    }

    /// Takes the row of a run that came from the files, if another replica may have gone on with it since.
    async fn take_row_of_claim(&self, fence: &Fence) -> Result<(), StorageError> {
        let has_database = self.mode().has_database();
        let is_shared = self.files.has_shared_create_if_absent();
        if self.database.is_none() || self.active.owns_row(fence) || !(has_database || is_shared) {
            return Ok(());
        }
        let Some(manifest) = self.files.manifest(&fence.run).await? else { return Ok(()) };
        let is_alone = self.config.presence.is_alone();
        let row_is_ahead = manifest.row_is_ahead;
        if !has_database {
            return if row_is_ahead { Err(row_is_needed()) } else { Ok(()) };
        }
        if !row_is_ahead && !must_take_row(&FilesKnow::from(&manifest), manifest.generation, is_alone) {
            return Ok(());
        }
        self.register_active(fence, manifest.new_run(), HashSet::new());
        match self.take_row(fence).await {
            // All replicas share these files, and the claim there was a compare-and-swap. The row follows with a later write, or
            // with a renewal.
            Err(error) if error.is_outage() && is_shared && !row_is_ahead => {
                tracing::warn!(event = "run_resumed_by_files", run_id = %fence.run, %error, "[{}] goes on by its files; the database is away", fence.run);
                Ok(())
            }
            taken => taken,
        }
    }

    /// Brings both sides of a run together whose row this worker holds. True if the run had ended in files.
    async fn sync_on_claim(&self, fence: &Fence) -> Result<bool, StorageError> {
        let mode = self.mode();
        let database = self.database.as_ref().filter(|_| mode.has_database() && self.active.owns_row(fence));
        let Some(database) = database else { return Ok(false) };
        let run = &fence.run;
        let Some(row) = database.call_queued(|store| async move { store.load(run).await }).await? else {
            return Ok(false);
        };
        if mode.has_files()
            && let (Some(request), Some(accepted_at)) = (row.request.clone(), row.accepted_at)
        {
            let new = RunSubmission { id: run.clone(), request, accepted_at };
            // This process may be killed before the files have what the row has, so that they say at once what they lack.
            let with_row = Fence { row_stages: row.stages.keys().copied().collect(), ..fence.clone() };
            self.note_file(&self.files.adopt(&new, &with_row).await);
        }
        let Some(file) = self.files.load(run).await? else { return Ok(false) };
        let manifest = self.files.manifest(run).await?;
        let sides = Sides {
            row: RowSide::Present { record: &row, damaged: &[], names_caller: true },
            file: Some(&file),
            know: &manifest.as_ref().map(FilesKnow::from).unwrap_or_default(),
            expects_files: mode.has_files(),
            fence: Some((fence, true)),
        };
        let steps = plan(Trigger::Claim, &sides);
        let work = Work { run, fence, new: None, row: Some(&row), row_version: None, file: Some(&file) };
        // The mark of an ended run stays until reconciliation has proved both sides equal, or reported what differs.
        let has_ended_row = apply(self, &steps, &work).await?.has_ended_row;
        let was_ahead = manifest.is_some_and(|manifest| manifest.row_is_ahead && !manifest.has_ended());
        if sides.expects_files && was_ahead && !self.active.are_files_incomplete(run) {
            self.clear_row_is_ahead(fence).await;
        }
        Ok(has_ended_row)
    }

    /// Releases a run that another replica has. In files it ends as its row has, or waits for the next claim.
    pub async fn relinquish(&self, fence: &Fence) {
        let run_id = &fence.run;
        match self.follow_row(fence).await {
            // Fenced: the files know already.
            Err(error) if error.kind != StorageErrorKind::Fenced => {
                tracing::warn!(event = "manifest_update_failed", %error, "[{run_id}] the files could not follow the database");
            }
            _ => {}
        }
        match self.files.release(fence).await {
            // The run has ended, is another's, or was never in files.
            Err(error) if error.is_outage() => {
                tracing::warn!(event = "manifest_update_failed", %error, "[{run_id}] the files could not release the run");
            }
            _ => {}
        }
    }

    /// Ends in files a run that has ended in the database and that nobody here works on.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn close_in_files(&self, run: &RunId) -> Result<(), StorageError> {
        let Some(manifest) = self.files.manifest(run).await?.filter(|manifest| !manifest.has_ended()) else {
            return Ok(());
        };
        let fence = Fence {
            run: run.clone(),
            owner: manifest.owner.unwrap_or_default(),
            epoch: manifest.epoch,
            generation: manifest.generation,
            attempt: 0,
            owns_row: false,
            row_stages: BTreeSet::new(),
        };
        self.files.clear_leftovers(run).await?;
        self.follow_row(&fence).await
    }

    /// The files follow the row of a run that is not this process's.
    async fn follow_row(&self, fence: &Fence) -> Result<(), StorageError> {
        // The frontend may have ended the run in the database, and told nobody.
        self.changes.publish(&fence.run);
        let mode = self.mode();
        let Some(database) = self.open_database(mode) else { return Ok(()) };
        let run = &fence.run;
        let row = database.call_queued(|store| async move { store.load(run).await }).await?;
        let mut know = FilesKnow::default();
        let side = match &row {
            Some(row) => RowSide::Present { record: row, damaged: &[], names_caller: false },
            None if self.has_tombstone_in_database(run).await? => RowSide::Deleted,
            None => {
                know = self.files.manifest(run).await?.as_ref().map(FilesKnow::from).unwrap_or_default();
                RowSide::Missing
            }
        };
        let sides = Sides {
            row: side,
            file: None,
            know: &know,
            expects_files: mode.has_files(),
            fence: Some((fence, self.active.owns_row(fence))),
        };
        let steps = plan(Trigger::Lost, &sides);
        let work = Work { run, fence, new: None, row: row.as_ref(), row_version: None, file: None };
        apply(self, &steps, &work).await.map(drop)
    }
}
