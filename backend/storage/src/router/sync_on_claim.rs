//! Two stores of one run brought together: after an outage, after a flip, after somebody else's decision.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use pipeline::{
    failure::{FailureCode, RunFailure},
    record::StageRecord,
    run::{RunId, RunStatus, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{DbSync, manifest::Manifest},
    merge::merge,
    ports::{lifecycle::Fence, store::Store as _},
    router::{Database, Retries, Router, Write},
    run::{End, RunRecord, RunSubmission},
};

/// Whether the manifest would not yield to the fence: it is further, or as far in somebody else's hands.
fn is_behind(fence: &Fence, manifest: &Manifest) -> bool {
    let (ours, theirs) = (fence.term(), manifest.term());
    let is_others = manifest.owner.as_ref().is_some_and(|owner| *owner != fence.owner);
    theirs > ours || (theirs == ours && is_others)
}

/// What a row that is taken with its manifest's fence is leased for, until the first renewal says how long.
const ADOPTED_LEASE: Duration = Duration::from_secs(15);

/// Where a claimed run stands.
#[derive(Debug)]
pub enum Resume {
    /// It has ended already, and both stores know.
    Ended,
    /// It goes on from here.
    At {
        snapshot: Box<RunRecord>,
        /// The stages that the row has.
        in_row: HashSet<Stage>,
    },
}

impl Router {
    /// Raises fences of the database above what the files have seen: claims by manifest, while the database was away,
    /// raised theirs alone.
    pub(super) async fn raise_epochs(&self, database: &Database, fences: Vec<Fence>) -> Vec<Fence> {
        let mut raised = Vec::with_capacity(fences.len());
        // All at once: a place that lets each of them wait must not outlast the leases.
        let manifests = join_all(fences.iter().map(|fence| self.files.manifest(&fence.run))).await;
        for (mut fence, manifest) in fences.into_iter().zip(manifests) {
            if let Ok(Some(manifest)) = manifest
                && is_behind(&fence, &manifest)
            {
                let generation = manifest.generation.max(fence.generation);
                // The manifest has the later story: also that of stages which only files have.
                let (epoch, attempt) = (manifest.epoch + 1, manifest.attempts + 1);
                let higher = Fence { epoch, generation, attempt, ..fence.clone() };
                let new = &manifest.new_run();
                let higher_ref = &higher;
                match database.call(|store| async move { store.adopt(new, higher_ref).await }).await {
                    Ok(()) => fence = higher,
                    Err(error) => {
                        tracing::warn!(event = "row_epoch_not_raised", run_id = %fence.run, %error, "the row's fence could not be raised; its lease will end");
                        continue;
                    }
                }
            }
            raised.push(fence);
        }
        raised
    }

    /// Takes the row of a run that came from the files, if it has one: somebody else may have gone on with it since
    /// they were written.
    async fn take_row(&self, fence: &Fence) -> Result<(), StorageError> {
        let database = self.database.as_ref().filter(|_| self.mode().has_database() && !self.owns_row(fence));
        let Some(database) = database else { return Ok(()) };
        let manifest = self.files.manifest(&fence.run).await?;
        // With company, also what no row is known of: somebody else may have been asked for it. And what was retried in
        // files: the row of the generation before may have more stages.
        let is_alone = self.config.presence.is_alone();
        let has_row = |manifest: &Manifest| manifest.has_row() || !is_alone || manifest.generation > 1;
        let Some(manifest) = manifest.filter(has_row) else {
            return Ok(());
        };
        self.register_active(fence, manifest.new_run(), HashSet::new());
        self.give_row(database, fence).await
    }

    /// Takes the run's row, or brings one into the database that was accepted by file; with what the files have of it.
    pub(super) async fn give_row(&self, database: &Database, fence: &Fence) -> Result<(), StorageError> {
        let Some(active) = self.active(&fence.run) else {
            return Err(StorageError::new(
                StorageErrorKind::Unavailable,
                "the database does not know the run",
            ));
        };
        let new = &*active.new;
        let began = self.clock.monotonic();
        database.call_queued(|store| async move { store.adopt(new, fence).await }).await?;
        self.leases.grant([&fence.run], began + ADOPTED_LEASE);
        if let Some(file) = self.files.load(&fence.run).await? {
            for held in file.stages.values() {
                let record = &held.record;
                match database
                    .call_queued(|store| async move { store.store_stage(fence, record).await })
                    .await
                {
                    Err(error) if error.kind == StorageErrorKind::Conflict => {
                        tracing::error!(event = "sync_conflict_found", run_id = %fence.run, %error, "the row's own stands; both are kept");
                    }
                    stored => {
                        stored?;
                        self.files.store_stage_with_sync_state(fence, record, DbSync::Synced).await?;
                    }
                }
                self.note_in_row(&fence.run, record.meta.stage);
            }
        }
        if let Some(active) = self.lock_active().get_mut(&fence.run) {
            active.owns_row = true;
        }
        tracing::info!(event = "row_created", run_id = %fence.run, "[{}] has its row in the database", fence.run);
        Ok(())
    }

    /// Gives the row the stages that went to files alone while the database was away or switched off: a completed row
    /// has all four.
    pub(super) async fn complete_row(
        &self,
        database: &Database,
        fence: &Fence,
        records: &[StageRecord],
    ) -> Result<(), StorageError> {
        let in_row = self.active(&fence.run).map(|active| active.in_row).unwrap_or_default();
        for record in records.iter().filter(|record| !in_row.contains(&record.meta.stage)) {
            match database.call_queued(|store| async move { store.store_stage(fence, record).await }).await {
                // Two workers that were cut off from each other. The run ends all the same, and is marked: what
                // differs is found again, and told, by reconciliation.
                Err(error) if error.kind == StorageErrorKind::Conflict => {
                    tracing::error!(event = "sync_conflict_found", run_id = %fence.run, %error, "[{}] the row's own stage stands; both are kept", fence.run);
                    continue;
                }
                stored => stored?,
            }
            self.note_in_row(&fence.run, record.meta.stage);
            match self.files.mark_stage_synced(&fence.run, record.meta.stage).await {
                Err(error) if error.kind != StorageErrorKind::NotFound => {
                    tracing::warn!(event = "pending_marker_not_cleared", run_id = %fence.run, %error, "the manifest still calls a stage unsynced");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the row the stages that went to files alone, before a later one or (none) before the run fails.
    pub(super) async fn complete_row_up_to(
        &self,
        database: &Database,
        fence: &Fence,
        later: Option<Stage>,
    ) -> Result<(), StorageError> {
        let Some(in_row) = self.active(&fence.run).map(|active| active.in_row) else { return Ok(()) };
        let is_earlier = |stage: &Stage| later.is_none_or(|later| *stage < later);
        let has_all = Stage::ALL.iter().filter(|stage| is_earlier(stage)).all(|stage| in_row.contains(stage));
        if has_all || !database.breaker.is_closed() {
            return Ok(());
        }
        // Files that cannot be read, or have none of it, keep a stage from nothing.
        let Ok(Some(file)) = self.files.load(&fence.run).await else { return Ok(()) };
        let earlier = file.stages.into_iter().filter(|(stage, _)| is_earlier(stage));
        let records: Vec<StageRecord> = earlier.map(|(_, held)| held.record).collect();
        self.complete_row(database, fence, &records).await
    }

    /// Where a claimed run stands, with both stores brought together. Waits for a database that may hold what the
    /// files lack, for as long as a write would: what could not be looked up does not count as missing, or a stage
    /// that is stored would be paid for again.
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
        self.take_row(fence).await?;
        if self.sync_on_claim(fence).await? {
            return Ok(Resume::Ended);
        }
        let run = &fence.run;
        let row = match &self.database {
            Some(database) if self.mode().has_database() && self.owns_row(fence) => {
                database.call_queued(|store| async move { store.load(run).await }).await?
            }
            _ => None,
        };
        let in_row = row.iter().flat_map(|row| row.stages.keys().copied()).collect();
        let file = self.files.load(run).await?;
        merge(row, file)
            .map(|snapshot| Resume::At { snapshot: Box::new(snapshot), in_row })
            .ok_or_else(|| StorageError::new(StorageErrorKind::NotFound, "the run's record has gone"))
    }

    /// Brings the side up that misses what the other has, after a claim. True if the run has ended already, in
    /// files, and nothing is left to do.
    pub async fn sync_on_claim(&self, fence: &Fence) -> Result<bool, StorageError> {
        let mode = self.mode();
        let database = self.database.as_ref().filter(|_| mode.has_database() && self.owns_row(fence));
        let Some(database) = database else { return Ok(false) };
        let run = &fence.run;
        let Some(row) = database.call_queued(|store| async move { store.load(run).await }).await? else {
            return Ok(false);
        };
        if mode.has_files()
            && let (Some(request), Some(accepted_at)) = (row.request.clone(), row.accepted_at)
        {
            let new = RunSubmission { id: run.clone(), request, accepted_at };
            self.note_file(&self.files.adopt(&new, fence).await);
        }
        let Some(file) = self.files.load(run).await? else { return Ok(false) };
        let manifest = self.files.manifest(run).await?;
        let is_unsynced = |stage| {
            manifest
                .as_ref()
                .and_then(|all| all.stages.get(stage))
                .is_some_and(|stored| stored.pending_database)
        };
        for (stage, held) in &file.stages {
            match row.stages.get(stage) {
                // Another record stands there: both are kept, and the mark with them.
                Some(theirs) if theirs.sha256 != held.sha256 => continue,
                Some(_) => {}
                None => self.write_database(fence, Write::Stage(&held.record)).await?,
            }
            if is_unsynced(stage) {
                self.files.mark_stage_synced(run, *stage).await?;
            }
        }
        let has_ended = file.status != RunStatus::Processing && file.generation >= row.generation;
        if has_ended {
            return self.end_as_in_files(fence, row, file).await;
        }
        for held in
            row.stages.iter().filter(|(stage, _)| !file.stages.contains_key(stage)).map(|(_, held)| held)
        {
            if !mode.has_files() {
                self.note_files_incomplete(run);
                break;
            }
            match self.write_file(fence, Write::Stage(&held.record), DbSync::Synced).await {
                // The database has it: a full disk does not hold the run up.
                Err(error) if error.is_outage() => {
                    tracing::error!(event = "stage_file_not_written", run_id = %run, %error, "[{run}] the files lack a stage that the database has");
                    self.note_files_incomplete(run);
                }
                written => written?,
            }
        }
        Ok(false)
    }

    /// Writes the end that the files know into the database.
    async fn end_as_in_files(
        &self,
        fence: &Fence,
        row: RunRecord,
        file: RunRecord,
    ) -> Result<bool, StorageError> {
        let at = file.finished_at.unwrap_or_else(|| self.clock.now());
        let Some(whole) = merge(Some(row), Some(file)) else { return Ok(false) };
        let records: Vec<StageRecord> = whole.stages.into_values().map(|held| held.record).collect();
        let end = match (&whole.failure, &whole.report) {
            (Some(failure), _) => End::Failed(failure),
            (None, Some(report)) => End::Completed { records: &records, report },
            (None, None) => return Ok(false),
        };
        self.write_database(fence, Write::End(end, at)).await?;
        self.changes.publish(&fence.run);
        // The mark stays until reconciliation has proved both sides equal, or told what differs.
        Ok(true)
    }

    /// Lets go of a run that somebody else has: in files it ends as its row has, or waits to be taken again.
    pub async fn relinquish(&self, fence: &Fence) {
        let run_id = &fence.run;
        match self.follow_row(fence).await {
            // Fenced: they have been told already.
            Err(error) if error.kind != StorageErrorKind::Fenced => {
                tracing::warn!(event = "manifest_update_failed", %error, "[{run_id}] how it stands in the database could not be noted in files");
            }
            _ => {}
        }
        match self.files.release(fence).await {
            // Ended, taken, or never in files.
            Err(error) if error.is_outage() => {
                tracing::warn!(event = "manifest_update_failed", %error, "[{run_id}] that it is no longer ours could not be noted in files");
            }
            _ => {}
        }
    }

    /// Ends in files a run that has ended in the database and that nobody here works on.
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
        };
        self.files.clear_leftovers(run).await?;
        self.follow_row(&fence).await
    }

    /// Ends in files what somebody else has ended in the database. Of what somebody else goes on with, our attempt is
    /// given back: we live, and only the lease was lost.
    async fn follow_row(&self, fence: &Fence) -> Result<(), StorageError> {
        // Whoever ended it may have told nobody: the frontend, in the database.
        self.changes.publish(&fence.run);
        let mode = self.mode();
        let Some(database) = self.open_database(mode) else { return Ok(()) };
        let run = &fence.run;
        let Some(row) = database.call_queued(|store| async move { store.load(run).await }).await? else {
            return if self.purge_if_deleted(run).await? {
                Ok(())
            } else {
                self.cancel_missing_row(run).await
            };
        };
        if row.status == RunStatus::Failed && row.failure.is_none() {
            let failure = &ended_by_frontend();
            database.call_queued(|store| async move { store.end_step(run, failure).await }).await?;
        }
        if row.status == RunStatus::Processing && row.epoch > fence.epoch && self.owns_row(fence) {
            // Refused, as it is not ours to release.
            let _ = database.call(|store| async move { store.release(fence).await }).await;
        }
        if !mode.has_files() {
            return Ok(());
        }
        let at = row.finished_at.unwrap_or_else(|| self.clock.now());
        // The row's generation is the one that has ended; a fence of the files alone may be of the one before.
        let fence = &Fence {
            epoch: fence.epoch.max(row.epoch),
            generation: fence.generation.max(row.generation),
            ..fence.clone()
        };
        match (row.status, row.report) {
            (RunStatus::Processing, _) => Ok(()),
            (RunStatus::Completed, Some(report)) => {
                let records: Vec<StageRecord> = row.stages.into_values().map(|held| held.record).collect();
                let mut db_sync = DbSync::Synced;
                for record in &records {
                    match self.write_file(fence, Write::Stage(record), DbSync::Synced).await {
                        // What this disk had of it stays, marked: reconciliation tells what differs.
                        Err(error) if error.kind == StorageErrorKind::Conflict => db_sync = DbSync::Diverged,
                        written => written?,
                    }
                }
                let end = End::Completed { records: &records, report: &report };
                self.files.finish_with_sync_state(fence, end, at, db_sync).await
            }
            (..) => {
                let failure = row.failure.unwrap_or_else(|| match row.status {
                    RunStatus::Failed => ended_by_frontend(),
                    _ => RunFailure::cancelled(None),
                });
                self.files.finish_with_sync_state(fence, End::Failed(&failure), at, DbSync::Synced).await
            }
        }
    }
}

/// A row says FAILED and not why: the frontend sets that itself, where it has had no answer.
fn ended_by_frontend() -> RunFailure {
    RunFailure::new(FailureCode::Internal, None, "the frontend has ended the run; retry it to go on", true)
}
