//! Claims runs and renews leases according to the current mode.

use futures_util::future::join_all;
use pipeline::run::RunId;

use crate::{
    database::Database,
    error::{StorageError, StorageErrorKind},
    files::manifest::Manifest,
    ports::lifecycle::{Claim, Fence, Lease, WaitingRuns},
    router::core::Router,
};

/// The most leases of ended runs that one statement renews, so that it does not delay the renewals of active
/// runs.
const RENEWALS_PER_STATEMENT: usize = 500;

/// Whether the manifest would not yield to the fence: it is further, or as far in somebody else's hands.
fn is_behind(fence: &Fence, manifest: &Manifest) -> bool {
    let (ours, theirs) = (fence.term(), manifest.term());
    let is_others = manifest.owner.as_ref().is_some_and(|owner| *owner != fence.owner);
    theirs > ours || (theirs == ours && is_others)
}

impl Router {
    pub(super) async fn claim_by_mode(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        let mode = self.mode();
        let began = self.clock.monotonic();
        let mut fences = Vec::new();
        let mut database_error = None;
        if mode.has_database()
            && let Some(database) = &self.database
        {
            // During an outage, no worker could renew. An expired lease does not mean a dead worker yet.
            let has_lasted = self.connectivity.has_lasted(claim.lease.duration, self.clock.monotonic());
            let asked = Claim { expired: claim.expired && has_lasted, ..claim };
            let claimed = database.call(|store| async move { store.claim(asked).await }).await;
            self.connectivity.note(&claimed, self.clock.monotonic());
            match claimed {
                Ok(claimed) => {
                    fences = self.raise_epochs(database, claimed).await;
                    self.leases.grant(fences.iter().map(|fence| &fence.run), began, claim.lease.duration);
                }
                Err(error) if mode.has_files() => database_error = Some(error),
                Err(error) => return Err(error),
            }
        } else {
            self.connectivity.lose();
        }
        let has_global_claim = self.has_global_claim();
        // With peers and a local disk, the database decides who owns a run. Runs that it cannot decide now
        // must wait.
        let [for_work, _] = &self.poll_limiters;
        // A poll without a notification, on a bucket where each poll costs a request.
        let is_poll = claim.expired || matches!(claim.waiting, WaitingRuns::Overdue(_));
        let is_too_soon =
            is_poll && self.files.has_shared_create_if_absent() && !for_work.is_due(self.clock.monotonic());
        if mode.has_files()
            && fences.len() < claim.limit
            && (has_global_claim || database_error.is_none())
            && !is_too_soon
        {
            let mut skipped = claim.held.clone();
            skipped.extend(fences.iter().map(|fence| fence.run.clone()));
            let without_row_only = !has_global_claim || (mode.has_database() && database_error.is_none());
            let rest = Claim { limit: claim.limit - fences.len(), held: &skipped, ..claim };
            match self.files.claim_where(rest, without_row_only).await {
                Ok(more) => fences.extend(more),
                // Keep the runs that the database handed out.
                Err(error) if !fences.is_empty() => {
                    tracing::warn!(event = "file_claim_failed", %error, "cannot search the files for runs");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(fences)
    }

    /// Raises fences of the database above what the files have seen: claims by manifest, while the database was away,
    /// raised theirs alone.
    async fn raise_epochs(&self, database: &Database, fences: Vec<Fence>) -> Vec<Fence> {
        let mut raised = Vec::with_capacity(fences.len());
        // The manifests are read at once: one after the other, a slow disk or bucket could take longer than the leases last.
        let standings = join_all(fences.iter().map(|fence| self.files.standing(&fence.run))).await;
        for (mut fence, standing) in fences.into_iter().zip(standings) {
            if matches!(standing, Ok((true, _))) {
                if let Err(error) = self.restore_deletion(&fence.run).await {
                    tracing::warn!(event = "deleted_row_not_removed", run_id = %fence.run, %error, "the row of a deleted run came back, and could not be removed yet");
                }
                continue;
            }
            if let Ok((_, Some(manifest))) = standing
                && is_behind(&fence, &manifest)
            {
                let generation = manifest.generation.max(fence.generation);
                // The manifest was claimed later than the row, and its attempts count stages that only the files have.
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

    pub(super) async fn renew_rows(
        &self,
        lease: &Lease,
        fences: &[Fence],
    ) -> Result<Vec<RunId>, StorageError> {
        let with_row: Vec<Fence> =
            fences.iter().filter(|fence| self.active.owns_row(fence)).cloned().collect();
        let began = self.clock.monotonic();
        let mut lost = Vec::new();
        if let Some(gone) = self.renew_in_database(lease, &with_row).await? {
            let kept = with_row.iter().map(|fence| &fence.run).filter(|run| !gone.contains(run));
            self.leases.grant(kept, began, lease.duration);
            lost = gone;
        }
        Ok(lost)
    }

    /// Takes the rows of runs that came from shared files while the database was away. Otherwise the database would hand them
    /// out again once their old leases count as expired. It reads files, which may be slow, so no renewal waits for it. Returns
    /// the runs that belong to somebody else.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn take_rows_of_shared_files(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let mut lost = Vec::new();
        if !self.files.has_shared_create_if_absent() || self.open_database(self.mode()).is_none() {
            return Ok(lost);
        }
        for fence in fences.iter().filter(|fence| !self.active.owns_row(fence)) {
            match self.take_row(fence).await {
                Err(error) if error.kind == StorageErrorKind::Fenced => lost.push(fence.run.clone()),
                Err(error) if error.is_outage() => return Err(error),
                _ => {}
            }
        }
        Ok(lost)
    }

    /// Renews leases of rows. None if the mode has no database, or if the database is down.
    async fn renew_in_database(
        &self,
        lease: &Lease,
        fences: &[Fence],
    ) -> Result<Option<Vec<RunId>>, StorageError> {
        // An empty call would count as a success for the breaker.
        let Some(database) =
            self.database.as_ref().filter(|_| self.mode().has_database() && !fences.is_empty())
        else {
            return Ok(None);
        };
        let is_closed = database.breaker.is_closed();
        let renewed = if is_closed {
            database.call(|store| async move { store.renew(lease, fences).await }).await
        } else {
            // Other calls may have opened the breaker: a full database disk accepts no ends, but it still
            // renews leases.
            database.store.renew(lease, fences).await
        };
        self.connectivity.note(&renewed, self.clock.monotonic());
        match renewed {
            // The breaker has logged the outage already.
            Err(error) if error.is_outage() && !is_closed => Ok(None),
            renewed => renewed.map(Some),
        }
    }

    /// Lists the leases of runs that ended here in files alone.
    #[must_use]
    pub fn retained_leases(&self) -> Vec<Fence> {
        self.leases.retained(self.clock.monotonic())
    }

    /// Finds the retained lease of a run.
    #[must_use]
    pub fn retained_lease(&self, run: &RunId) -> Option<Fence> {
        self.leases.retained_of(run)
    }

    /// Stops renewing these leases, after the reconciler has processed their runs.
    pub fn stop_retaining<'a>(&self, fences: impl IntoIterator<Item = &'a Fence>) {
        self.leases.stop_retaining(fences);
    }

    /// Renews the leases of rows whose runs ended here in files alone. No other worker may execute such a run
    /// again before the reconciler has written its end to the database.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    pub async fn renew_retained(&self, lease: &Lease) -> Result<(), StorageError> {
        let mut renewed = Ok(());
        for some in self.retained_leases().chunks(RENEWALS_PER_STATEMENT) {
            match self.renew_in_database(lease, some).await {
                // The row has ended too, or another worker owns it.
                Ok(Some(gone)) => self.stop_retaining(some.iter().filter(|fence| gone.contains(&fence.run))),
                Ok(None) => {}
                Err(error) => renewed = Err(error),
            }
        }
        renewed
    }
}
