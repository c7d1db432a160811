//! Files of runs that the database has no row of any more: those of deleted runs go, those of open ones are closed, and
//! those of ended ones stay as they are until somebody asks for their rows.

use std::{collections::HashSet, sync::PoisonError, time::Duration};

use chrono::TimeDelta;
use pipeline::{clock::Timestamp, run::RunId};

use super::{ReconcileOutcome, Reconciler, SWEEP_BATCH};
use crate::{StorageError, files::manifest::Manifest};

/// How far back tombstones are asked for that should have been seen: a statement that took its time, or a server that
/// follows another whose clock was ahead.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// How long an open run's manifest must have stood still where no lease is configured.
const GRACE: Duration = Duration::from_secs(15);

/// Who wants a run's row entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Nobody in particular: a row that has been there, complete, was removed by somebody.
    Automatic,
    /// An operator.
    Command,
}

impl Reconciler {
    /// Brings one run's row up to its files, also where the row was there and has been removed or lost since.
    pub(super) async fn reenter_one(&self, run: &RunId) -> ReconcileOutcome {
        self.apply_plan(run, Trigger::Command).await
    }

    /// The ended runs of this disk that the database has no row of, and is meant to have one.
    pub async fn missing(&self) -> Result<Vec<RunId>, StorageError> {
        let mut missing = Vec::new();
        for run in self.absent(self.files().runs().await?).await? {
            let manifest = self.files().manifest(&run).await?;
            if manifest.is_some_and(|manifest| manifest.has_ended() && manifest.database.is_some()) {
                missing.push(run);
            }
        }
        Ok(missing)
    }

    async fn absent(&self, runs: Vec<RunId>) -> Result<Vec<RunId>, StorageError> {
        let mut absent = Vec::new();
        for batch in runs.chunks(SWEEP_BATCH) {
            absent.extend(self.call(|target| async { target.absent_among(batch).await }).await?);
        }
        Ok(absent)
    }

    /// What becomes of ended files that have no row; none if a row is to be entered.
    pub(super) async fn without_row(
        &self,
        run: &RunId,
        trigger: Trigger,
    ) -> Result<Option<ReconcileOutcome>, StorageError> {
        let had_all = |manifest: Manifest| {
            manifest.has_ended() && manifest.database.is_some_and(|side| side.has_row && side.has_end)
        };
        if !self.files().manifest(run).await?.is_some_and(had_all) {
            return Ok(None);
        }
        if self.router.purge_if_deleted(run).await? {
            return Ok(Some(ReconcileOutcome::Deleted));
        }
        Ok((trigger == Trigger::Automatic).then_some(ReconcileOutcome::RowMissing))
    }

    /// Removes what this disk has of runs that were deleted on other replicas: all of them at first, later those since the
    /// last look. Files that are shared have gone with the deletion.
    pub async fn sync_tombstones(&self) -> Result<(), StorageError> {
        if !self.files().is_on_disk() {
            return Ok(());
        }
        let seen = *self.tombstones_read_until.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after: Option<(Timestamp, Option<RunId>)> = seen.map(|at| (at - OVERLAP, None));
        let mut here: Option<HashSet<RunId>> = None;
        let mut has_left_any = false;
        loop {
            let from = after.as_ref().map(|(at, run)| (*at, run.as_ref()));
            let page = self.call(|target| async move { target.tombstones(from, SWEEP_BATCH).await }).await?;
            let is_last = page.len() < SWEEP_BATCH;
            for (run, at) in page {
                let here = match &mut here {
                    Some(here) => here,
                    none => none.insert(self.files().runs().await?.into_iter().collect()),
                };
                if here.contains(&run) && self.files().manifest(&run).await?.is_some() {
                    // Its worker finds out by itself, and lets go of it first.
                    if self.is_worked_on(&run) {
                        has_left_any = true;
                    } else if let Err(error) = self.router.purge_if_deleted(&run).await {
                        // The next would fare no better: a disk that takes nothing, or the database is away.
                        tracing::warn!(event = "deleted_files_not_removed", run_id = %run, %error, "[{run}] has been deleted, and its files could not be removed yet");
                        return Ok(());
                    }
                }
                after = Some((at, Some(run)));
            }
            if is_last {
                break;
            }
        }
        if let (Some((at, _)), false) = (after, has_left_any) {
            let mut until = self.tombstones_read_until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = (*until).max(Some(at));
        }
        Ok(())
    }

    /// Closes what is open in files, was in the database, and is not there any more. Not before it has stood still for a
    /// lease: whoever works on it finds out by itself.
    pub(super) async fn close_missing_rows(&self, open: Vec<RunId>) -> Result<(), StorageError> {
        let grace = self.active.as_ref().map_or(GRACE, |active| active.lease().duration);
        for run in self.absent(open).await? {
            let Some(manifest) = self.files().manifest(&run).await? else { continue };
            let age = (self.clock.now() - manifest.updated_at).to_std().unwrap_or_default();
            if manifest.has_row() && age >= grace && !self.is_worked_on(&run) {
                self.router.close_in_files(&run).await?;
            }
        }
        Ok(())
    }
}
