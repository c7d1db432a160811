//! Claims and renewals, by the mode in force.

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    ports::lifecycle::{Claim, Fence, Lease},
    router::Router,
};

/// Leases of ended runs that one statement renews: it must not hold up those of the runs that are worked on.
const RENEWALS_PER_STATEMENT: usize = 500;

impl Router {
    pub(super) async fn claim_by_mode(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        let mode = self.mode();
        let began = self.clock.monotonic();
        let mut fences = Vec::new();
        let mut database_error = None;
        if mode.has_database()
            && let Some(database) = &self.database
        {
            // While we could not renew, nor could others: leases that ended meanwhile are not dead workers' yet.
            let has_lasted = self.connectivity.has_lasted(claim.lease.duration, self.clock.monotonic());
            let asked = Claim { expired: claim.expired && has_lasted, ..claim };
            let claimed = database.call(|store| async move { store.claim(asked).await }).await;
            self.connectivity.note(&claimed, self.clock.monotonic());
            match claimed {
                Ok(claimed) => {
                    fences = self.raise_epochs(database, claimed).await;
                    self.leases.grant(fences.iter().map(|fence| &fence.run), began + claim.lease.duration);
                }
                Err(error) if mode.has_files() => database_error = Some(error),
                Err(error) => return Err(error),
            }
        } else {
            self.connectivity.lose();
        }
        let has_global_claim = self.has_global_claim();
        // With company and a disk of one's own, the database says whose a run is; what it cannot be asked about waits.
        let [for_work, _] = &self.poll_limiters;
        // Where nobody says that there is work, and where each look is paid for.
        let is_too_soon = claim.expired
            && self.files.has_shared_create_if_absent()
            && !for_work.is_due(self.clock.monotonic());
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
                // What the database has handed out is not lost for it.
                Err(error) if !fences.is_empty() => {
                    tracing::warn!(event = "file_claim_failed", %error, "files could not be looked at for work");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(fences)
    }

    pub(super) async fn renew_rows(
        &self,
        lease: &Lease,
        fences: &[Fence],
    ) -> Result<Vec<RunId>, StorageError> {
        let with_row: Vec<Fence> = fences.iter().filter(|fence| self.owns_row(fence)).cloned().collect();
        let began = self.clock.monotonic();
        let Some(lost) = self.renew_in_database(lease, &with_row).await? else { return Ok(Vec::new()) };
        let kept = with_row.iter().map(|fence| &fence.run).filter(|run| !lost.contains(run));
        self.leases.grant(kept, began + lease.duration);
        Ok(lost)
    }

    /// Renews leases of rows; none if the database is not asked, or is away.
    async fn renew_in_database(
        &self,
        lease: &Lease,
        fences: &[Fence],
    ) -> Result<Option<Vec<RunId>>, StorageError> {
        // A call that asks nothing would tell the breaker that all is well.
        let Some(database) =
            self.database.as_ref().filter(|_| self.mode().has_database() && !fences.is_empty())
        else {
            return Ok(None);
        };
        let is_closed = database.breaker.is_closed();
        let renewed = if is_closed {
            database.call(|store| async move { store.renew(lease, fences).await }).await
        } else {
            // What opened it may be other calls' trouble: a full disk takes no ends, and renews leases all the same.
            database.store.renew(lease, fences).await
        };
        self.connectivity.note(&renewed, self.clock.monotonic());
        match renewed {
            // The breaker has said so already.
            Err(error) if error.is_outage() && !is_closed => Ok(None),
            renewed => renewed.map(Some),
        }
    }

    /// The leases of runs that have ended here in files alone.
    #[must_use]
    pub fn retained_leases(&self) -> Vec<Fence> {
        self.leases.retained(self.clock.monotonic())
    }

    /// That of this run, if it has one.
    #[must_use]
    pub fn retained_lease(&self, run: &RunId) -> Option<Fence> {
        self.leases.retained_of(run)
    }

    /// Renews them no more: reconciliation has done what it can.
    pub fn stop_retaining<'a>(&self, fences: impl IntoIterator<Item = &'a Fence>) {
        self.leases.stop_retaining(fences);
    }

    /// Renews the leases of rows whose runs have ended here in files alone: until reconciliation has brought their ends
    /// into the database, nobody else is to begin them anew.
    pub async fn renew_retained(&self, lease: &Lease) -> Result<(), StorageError> {
        let mut renewed = Ok(());
        for some in self.retained_leases().chunks(RENEWALS_PER_STATEMENT) {
            match self.renew_in_database(lease, some).await {
                // Ended in the row as well, or somebody else's.
                Ok(Some(gone)) => self.stop_retaining(some.iter().filter(|fence| gone.contains(&fence.run))),
                Ok(None) => {}
                Err(error) => renewed = Err(error),
            }
        }
        renewed
    }
}
