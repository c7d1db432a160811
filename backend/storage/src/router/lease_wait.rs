//! Decides whether a worker may start a stage or end a run. It must not, while another replica may own the
//! run.

use std::time::Duration;

use crate::{
    error::{StorageError, StorageErrorKind},
    ports::lifecycle::Fence,
    router::core::Router,
};

/// How often a parked run checks its lease. Renewals run on their own, and 100 ms of delay after one is
/// harmless.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long a run whose row is held waits for a bucket that has just come back. The bucket's breaker needs a few seconds.
const FILES_WAIT_MAX: Duration = Duration::from_secs(5);

impl Router {
    /// Waits until this process may continue the run. Either its lease is surely valid, or no other replica
    /// could have taken the run. A run with an expired lease is parked, not failed.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run, or if it has ended. `Invalid` if the database refuses the
    /// run.
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
            tracing::info!(event = "run_unparked", run_id = %fence.run, "[{}] continues: this process still owns it", fence.run);
        }
        Ok(())
    }

    /// As [`Router::await_lease`], before a run's end. Needed with a local disk only: a local disk cannot see
    /// another replica's claim. A bucket and the database reject a stale owner themselves.
    ///
    /// # Errors
    ///
    /// As [`Router::await_lease`].
    pub async fn await_lease_for_end(&self, fence: &Fence) -> Result<(), StorageError> {
        if self.mode().has_files() && self.files.is_on_disk() {
            self.await_lease(fence).await
        } else {
            Ok(())
        }
    }

    /// Whether this process surely owns the run now.
    pub(crate) async fn can_start_stage(&self, fence: &Fence) -> Result<bool, StorageError> {
        // Check the bucket first: a process that counts as alone may still share the bucket with others.
        if !self.mode().has_database() && !self.files.is_on_disk() {
            return self.files_confirm_lease(fence).await;
        }
        if self.config.presence.is_alone() {
            return Ok(true);
        }
        // On a local disk, the operator's switch to a mode without database stops all leases from that
        // moment. If the lease had expired before, another worker may have claimed the run and continues it
        // too.
        if let Some(disabled_since) = self.database_disabled_since() {
            return Ok(!self.active.owns_row(fence) || self.leases.lasted(&fence.run, disabled_since));
        }
        if !self.active.owns_row(fence) && self.database.is_some() {
            return match self.take_row(fence).await {
                Err(error) if error.is_outage() => {
                    Ok(self.files.has_shared_create_if_absent() && self.files_confirm_lease(fence).await?)
                }
                taken => taken.map(|()| true),
            };
        }
        if self.leases.lasted(&fence.run, self.clock.monotonic()) {
            return self.files_name_no_other(fence).await;
        }
        Ok(self.files.has_shared_create_if_absent() && self.files_confirm_lease(fence).await?)
    }

    /// Whether the shared files surely say that this process owns the run. A run that only the database accepted begins in the
    /// files now.
    async fn files_confirm_lease(&self, fence: &Fence) -> Result<bool, StorageError> {
        let confirmed = match self.files.confirm(fence).await {
            Err(error) if error.kind == StorageErrorKind::NotFound => match self.begin_files(fence).await {
                Ok(_) => self.files.confirm(fence).await,
                Err(error) => Err(error),
            },
            confirmed => confirmed,
        };
        match confirmed {
            Err(error) if error.is_outage() => Ok(false),
            confirmed => confirmed,
        }
    }

    /// Makes sure, after a missed lease in a bucket, that no other replica has taken a run whose row this process holds. A
    /// replica that does not reach the database may have: to it, this process was dead. The mirror would notice it only after
    /// the next answer has been paid for. If the files do not answer, the row decides.
    async fn files_name_no_other(&self, fence: &Fence) -> Result<bool, StorageError> {
        let began = self.clock.monotonic();
        while self.mode().has_files() && self.files.needs_confirmation(fence) {
            match self.files.confirm(fence).await {
                Err(error) if error.kind == StorageErrorKind::Fenced => return Err(error),
                // The breaker closes a moment after the first heartbeat that came through.
                Err(_) if self.clock.monotonic().saturating_sub(began) < FILES_WAIT_MAX => {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                _ => break,
            }
        }
        Ok(true)
    }

    /// The monotonic clock, for measuring waits.
    pub(in super::super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}
