//! Whether a stage may begin, or a run end: never one that another replica may be working on.

use std::time::Duration;

use crate::{error::StorageError, ports::lifecycle::Fence, router::Router};

/// Between two looks of a parked run. Renewals come at their own pace; a tenth of a second after one is soon enough.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

impl Router {
    /// Waits until this process may go on with the run: until its lease surely lasts, or nobody else is there who could have
    /// taken the run over. A run whose lease has ended is parked, not failed. A fenced run is an error.
    pub async fn await_lease(&self, fence: &Fence) -> Result<(), StorageError> {
        let mut is_told = false;
        while !self.can_start_stage(fence).await? {
            if !is_told {
                is_told = true;
                tracing::warn!(event = "run_parked",
                    run_id = %fence.run,
                    "[{}] parked: its lease cannot be renewed, and another replica may have taken it over",
                    fence.run
                );
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        if is_told {
            tracing::info!(event = "run_unparked", run_id = %fence.run, "[{}] goes on: it is still ours", fence.run);
        }
        Ok(())
    }

    /// As [`Router::await_lease`], before a run's end. Only a disk of one's own takes an end from who has lost the run: others'
    /// claims do not show there.
    pub async fn await_lease_for_end(&self, fence: &Fence) -> Result<(), StorageError> {
        if self.mode().has_files() && self.files.is_on_disk() {
            self.await_lease(fence).await
        } else {
            Ok(())
        }
    }

    async fn can_start_stage(&self, fence: &Fence) -> Result<bool, StorageError> {
        // Who takes itself for alone is none the less seen by others who share the bucket.
        if !self.mode().has_database() && !self.files.is_on_disk() {
            return self.files_confirm_lease(fence).await;
        }
        if self.config.presence.is_alone() {
            return Ok(true);
        }
        // On a disk of one's own, a mode without the database is the operator's word that leases do not count from now on. One
        // that had ended before is another thing: whoever took the run over goes on with it as well.
        if let Some(disabled_since) = self.database_disabled_since() {
            return Ok(!self.owns_row(fence) || self.leases.lasted(&fence.run, disabled_since));
        }
        if !self.owns_row(fence)
            && let Some(database) = &self.database
        {
            return match self.give_row(database, fence).await {
                Err(error) if error.is_outage() => {
                    Ok(self.files.has_shared_create_if_absent() && self.files_confirm_lease(fence).await?)
                }
                given => given.map(|()| true),
            };
        }
        if self.leases.lasted(&fence.run, self.clock.monotonic()) {
            return Ok(true);
        }
        Ok(self.files.has_shared_create_if_absent() && self.files_confirm_lease(fence).await?)
    }

    /// Whether the files, which others share, surely say that the run is ours.
    async fn files_confirm_lease(&self, fence: &Fence) -> Result<bool, StorageError> {
        match self.files.confirm(fence).await {
            Err(error) if error.is_outage() => Ok(false),
            confirmed => confirmed,
        }
    }

    /// The monotonic clock, for whoever waits with a run.
    pub(in super::super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}
