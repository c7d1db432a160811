//! The waits between attempts at a write.

use std::time::Duration;

use foundation::backoff::jitter;

use crate::{error::StorageError, mode::Mode, router::Router};

/// Between two attempts at a write that the database did not take: at first, and at most. A second is short beside
/// an outage and long beside a write.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// The waits between attempts, until the deadline.
pub(super) struct Retries<'a> {
    router: &'a Router,
    deadline: Duration,
    wait: Duration,
}

impl<'a> Retries<'a> {
    pub(super) fn new(router: &'a Router) -> Self {
        let deadline = router.clock.monotonic() + router.config.retry_deadline;
        Self { router, deadline, wait: BACKOFF.0 }
    }

    /// Waits before the next attempt; the error where there should be none.
    pub(super) async fn next(&mut self, error: StorageError) -> Result<(), StorageError> {
        // The file store has retried by itself, and a full disk does not empty while we wait. A bucket comes back as a
        // database does.
        let may_come_back = self.router.mode() != Mode::FileOnly || !self.router.files.is_on_disk();
        let is_worth_it = error.is_outage() && may_come_back;
        if !is_worth_it || self.router.clock.monotonic() >= self.deadline {
            return Err(error);
        }
        tracing::warn!(event = "write_retried", %error, wait = ?self.wait, "storage did not take a write; it is kept in memory and tried again");
        tokio::time::sleep(self.wait.mul_f64(jitter())).await;
        self.wait = (self.wait * 2).min(BACKOFF.1);
        Ok(())
    }
}
