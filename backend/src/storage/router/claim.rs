//! Claims and renewals, by the mode in force.

use pipeline::run::RunId;

use super::{
    super::{Claim, Fence, Lease, StorageError},
    Router,
};

/// Leases of ended runs that one statement renews: it must not hold up those of the runs that are worked on.
const KEPT_AT_ONCE: usize = 500;

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
            let has_lasted = self.contact.has_lasted(claim.lease.duration, self.clock.monotonic());
            let asked = Claim { expired: claim.expired && has_lasted, ..claim };
            let claimed = database.call(|store| async move { store.claim(asked).await }).await;
            self.contact.note(&claimed, self.clock.monotonic());
            match claimed {
                Ok(claimed) => {
                    fences = self.above_files(database, claimed).await;
                    self.leases.grant(fences.iter().map(|fence| &fence.run), began + claim.lease.duration);
                }
                Err(error) if mode.has_files() => database_error = Some(error),
                Err(error) => return Err(error),
            }
        } else {
            self.contact.lose();
        }
        let has_guard = self.has_file_guard();
        // With company and a disk of one's own, the database says whose a run is; what it cannot be asked about waits.
        let [for_work, _] = &self.glances;
        // Where nobody says that there is work, and where each look is paid for.
        let is_too_soon =
            claim.expired && self.files.is_shared_guard() && !for_work.is_due(self.clock.monotonic());
        if mode.has_files()
            && fences.len() < claim.limit
            && (has_guard || database_error.is_none())
            && !is_too_soon
        {
            let mut skipped = claim.held.clone();
            skipped.extend(fences.iter().map(|fence| fence.run.clone()));
            let without_row_only = !has_guard || (mode.has_database() && database_error.is_none());
            let rest = Claim { limit: claim.limit - fences.len(), held: &skipped, ..claim };
            match self.files.claim_where(rest, without_row_only).await {
                Ok(more) => fences.extend(more),
                // What the database has handed out is not lost for it.
                Err(error) if !fences.is_empty() => {
                    tracing::warn!(%error, "files could not be looked at for work");
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
        let with_row: Vec<Fence> = fences.iter().filter(|fence| self.holds_row(fence)).cloned().collect();
        match self.open_database(self.mode()) {
            // A call that asks nothing would tell the breaker that all is well.
            Some(database) if !with_row.is_empty() => {
                let with_row = &with_row;
                let began = self.clock.monotonic();
                let renewed = database.call(|store| async move { store.renew(lease, with_row).await }).await;
                self.contact.note(&renewed, self.clock.monotonic());
                let lost = renewed?;
                let kept = with_row.iter().map(|fence| &fence.run).filter(|run| !lost.contains(run));
                self.leases.grant(kept, began + lease.duration);
                Ok(lost)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The runs that have ended here in files alone, under leases that their rows still have.
    #[must_use]
    pub fn kept_leases(&self) -> Vec<RunId> {
        self.leases.kept().into_iter().map(|fence| fence.run).collect()
    }

    /// Whether this run has.
    #[must_use]
    pub fn keeps_lease_of(&self, run: &RunId) -> bool {
        self.leases.keeps(run)
    }

    /// Renews them no more: reconciliation has done what it can.
    pub fn let_leases_end(&self, runs: &[RunId]) {
        self.leases.let_go(runs);
    }

    /// Renews the leases of rows whose runs have ended here in files alone: until reconciliation has brought their ends
    /// into the database, however long that takes it, nobody else is to begin them anew.
    pub async fn renew_kept(&self, lease: &Lease) -> Result<(), StorageError> {
        let Some(database) = self.open_database(self.mode()) else { return Ok(()) };
        for some in self.leases.kept().chunks(KEPT_AT_ONCE) {
            let gone = database.call(|store| async move { store.renew(lease, some).await }).await?;
            // Ended in the row as well, or somebody else's.
            self.leases.let_go(&gone);
        }
        Ok(())
    }
}
