//! The waits between attempts at a write.

use std::time::Duration;

use foundation::resilience::{Backoff, Jitter};

use crate::{error::StorageError, mode::Mode, router::core::Router};

/// The waits between two attempts at a write. One second is short compared with an
/// outage and long compared with a write.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// The waits between attempts, until a deadline.
pub(super) struct Retries<'a> {
    router: &'a Router,
    deadline: Duration,
    failures: u32,
}

impl<'a> Retries<'a> {
    pub(super) fn new(router: &'a Router) -> Self {
        let deadline = router.clock.monotonic() + router.config.retry_deadline;
        Self { router, deadline, failures: 0 }
    }

    /// How many attempts there were, the one under way included.
    pub(super) fn attempts(&self) -> u32 {
        self.failures.saturating_add(1)
    }

    /// Waits before the next attempt, or returns the error if no attempt should follow.
    pub(super) async fn next(&mut self, error: StorageError) -> Result<(), StorageError> {
        // The file store retries on its own, and a full disk does not become free during a wait. A bucket can
        // recover, as a database can.
        let may_come_back = self.router.mode() != Mode::FileOnly || !self.router.files.is_on_disk();
        let is_worth_it = error.is_outage() && may_come_back;
        if !is_worth_it || self.router.clock.monotonic() >= self.deadline {
            return Err(error);
        }
        self.failures = self.failures.saturating_add(1);
        let wait = BACKOFF.wait(self.failures);
        tracing::warn!(event = "write_retried", %error, ?wait, "write failed and stays in memory; will retry");
        tokio::time::sleep(Jitter::Random.spread(wait)).await;
        Ok(())
    }
}
