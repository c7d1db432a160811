//! Tracks how long this process has reached the database without a break.
//!
//! During an outage no worker can renew, and all leases expire. Afterwards, the first worker to claim would
//! take runs of living workers that are about to renew. So an expired lease counts only after the database
//! has been reachable for one lease.

use std::time::Duration;

use crate::error::StorageError;
use parking_lot::Mutex;

#[derive(Debug, Default)]
pub(super) struct ConnectivityTracker(Mutex<State>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Never lost. A process that has just started is in this state too.
    #[default]
    Kept,
    Lost,
    /// Reachable again since this time of the monotonic clock.
    Back(Duration),
}

impl ConnectivityTracker {
    /// Records the result of a call.
    pub(super) fn note<T>(&self, result: &Result<T, StorageError>, now: Duration) {
        match result {
            Err(error) if error.is_failure_of_the_store() => self.lose(),
            _ => {
                let mut state = self.lock();
                if *state == State::Lost {
                    *state = State::Back(now);
                }
            }
        }
    }

    /// Records that the database is disabled or does not answer.
    pub(super) fn lose(&self) {
        *self.lock() = State::Lost;
    }

    /// Whether the database has been reachable for at least one lease.
    pub(super) fn has_lasted(&self, lease: Duration, now: Duration) -> bool {
        match *self.lock() {
            State::Kept => true,
            State::Lost => false,
            State::Back(since) => now.saturating_sub(since) >= lease,
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, State> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StorageErrorKind;

    const LEASE: Duration = Duration::from_secs(15);

    #[test]
    fn expired_leases_count_one_lease_after_reconnection() {
        let connectivity = ConnectivityTracker::default();
        let at = Duration::from_secs;
        let away: Result<(), _> = Err(StorageError::new(StorageErrorKind::Unavailable, "away"));
        let refused: Result<(), _> = Err(StorageError::new(StorageErrorKind::Invalid, "no"));
        assert!(connectivity.has_lasted(LEASE, at(0)), "a start does not wait");
        connectivity.note(&away, at(1));
        assert!(!connectivity.has_lasted(LEASE, at(100)));
        connectivity.note(&Ok(()), at(100));
        assert!(!connectivity.has_lasted(LEASE, at(114)));
        connectivity.note(&Ok(()), at(114));
        assert!(connectivity.has_lasted(LEASE, at(115)));
        connectivity.note(&refused, at(116));
        assert!(connectivity.has_lasted(LEASE, at(116)), "an answer is an answer");
        connectivity.lose();
        connectivity.note(&Ok(()), at(200));
        assert!(!connectivity.has_lasted(LEASE, at(214)) && connectivity.has_lasted(LEASE, at(215)));
    }
}
