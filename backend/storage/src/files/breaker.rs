//! The breaker in front of the files: while a bucket or a disk does not answer, no call waits for it.
//!
//! A background task probes the files and closes the breaker. An error that arrives at once, as from a full disk, opens it
//! only in front of a bucket: a full disk can still be read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use foundation::resilience::{Breaker, Limits, Policy, Recovery};
use pipeline::clock::Clock;

use crate::{
    breaker::BreakerConfig,
    error::{StorageError, StorageErrorKind},
    files::limits::ATTEMPT_TIMEOUT,
};

/// A call that fails after this time was not answered. It is less than the time limit of any call.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// When the breaker opens, and the place that its log lines name.
#[derive(Debug)]
struct FilePolicy {
    /// As for the database.
    config: BreakerConfig,
    place: String,
}

/// Why the breaker is open.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileOutage {
    /// This call was not answered, and no other was since it began.
    is_silence: bool,
    message: String,
}

impl Policy for FilePolicy {
    type Reason = FileOutage;

    fn limits(&self) -> &Limits {
        &self.config.limits
    }

    fn recovery(&self) -> &Recovery {
        &self.config.recovery
    }

    /// The next call would wait as long.
    fn opens_at_once(&self, outage: &FileOutage) -> bool {
        outage.is_silence
    }

    fn opened(&self, outage: &FileOutage) {
        tracing::error!(event = "file_breaker_opened", place = self.place, reason = %outage.message, "file breaker opened");
    }

    fn closed(&self, open_for: Duration) {
        tracing::info!(event = "file_breaker_closed", place = self.place, ?open_for, "file breaker closed");
    }
}

/// The breaker of one storage root.
#[derive(Debug)]
pub struct FileBreaker {
    breaker: Breaker<FilePolicy>,
    clock: Arc<dyn Clock>,
    is_bucket: bool,
    /// When a call was last answered: milliseconds of the monotonic clock.
    answered_at: AtomicU64,
}

impl FileBreaker {
    pub(super) fn new(place: String, is_bucket: bool, clock: Arc<dyn Clock>) -> Self {
        let policy = FilePolicy { config: BreakerConfig::default(), place };
        let breaker = Breaker::new(policy, clock.clone());
        Self { breaker, clock, is_bucket, answered_at: AtomicU64::new(0) }
    }

    /// Lets a call through, unless the breaker is open. Returns the start of the call.
    pub(super) fn admit(&self) -> Result<Duration, StorageError> {
        self.breaker
            .admit()
            .map_err(|outage| StorageError::new(StorageErrorKind::Unavailable, outage.message))?;
        Ok(self.clock.monotonic())
    }

    /// Takes note of how a call with this time limit ended. An answer that refuses the call is an answer.
    pub(super) fn record<T>(&self, began: Duration, limit: Duration, result: &Result<T, StorageError>) {
        let failure = result.as_ref().err().filter(|error| self.is_outage(error));
        let Some(error) = failure else {
            self.answered_at.fetch_max(millis(self.clock.monotonic()), Ordering::Relaxed);
            return self.breaker.record(None);
        };
        let has_waited = self.clock.monotonic().saturating_sub(began) >= SILENT_AFTER;
        // A large folder on a disk takes long to list, although the disk answers.
        let may_be_slow = !self.is_bucket && limit > ATTEMPT_TIMEOUT;
        let is_silence =
            has_waited && !may_be_slow && self.answered_at.load(Ordering::Relaxed) <= millis(began);
        self.breaker.record(Some(FileOutage { is_silence, message: error.message.clone() }));
    }

    /// Takes note of what a probe found.
    pub(super) fn probed(&self, result: &Result<(), StorageError>) {
        let failure = result.as_ref().err().filter(|error| self.is_outage(error));
        self.breaker
            .probed(failure.map(|error| FileOutage { is_silence: false, message: error.message.clone() }));
    }

    /// Whether calls are let through.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.breaker.is_closed()
    }

    /// How long to wait before the next probe of an open breaker.
    #[must_use]
    pub fn probe_wait(&self) -> Duration {
        self.breaker.probe_wait()
    }

    /// Waits until the breaker is open.
    pub async fn wait_until_open(&self) {
        self.breaker.wait_until_open().await;
    }

    /// A lost race is an answer: the bucket refused the write because another process was faster.
    fn is_outage(&self, error: &StorageError) -> bool {
        if self.is_bucket {
            error.is_outage() && error.kind != StorageErrorKind::CasConflict
        } else {
            error.kind == StorageErrorKind::Indeterminate
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use foundation::clock::SystemClock;

    use super::*;

    fn breaker(is_bucket: bool) -> FileBreaker {
        FileBreaker::new("s3://runs/".to_owned(), is_bucket, Arc::new(SystemClock::default()))
    }

    fn failed(kind: StorageErrorKind) -> Result<(), StorageError> {
        Err(StorageError::new(kind, "no answer"))
    }

    #[tokio::test(start_paused = true)]
    async fn silence_opens_it_at_once() {
        let breaker = breaker(true);
        let began = breaker.admit().unwrap();
        tokio::time::advance(SILENT_AFTER).await;
        breaker.record(began, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::Unavailable));
        assert_eq!(breaker.admit().unwrap_err().kind, StorageErrorKind::Unavailable);
        breaker.probed(&failed(StorageErrorKind::Unavailable));
        assert!(!breaker.is_closed());
        breaker.probed(&Ok(()));
        assert!(!breaker.is_closed(), "one good probe proves nothing");
        breaker.probed(&Ok(()));
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn lost_races_do_not_open_it() {
        let breaker = breaker(true);
        for _ in 0..20 {
            breaker.record(Duration::ZERO, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::CasConflict));
        }
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_relapse_delays_the_next_probe() {
        let breaker = breaker(true);
        let mut waits = Vec::new();
        for _ in 0..3 {
            for _ in 0..3 {
                breaker.record(Duration::ZERO, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::Unavailable));
            }
            waits.push(breaker.probe_wait().as_secs());
            while !breaker.is_closed() {
                breaker.probed(&Ok(()));
            }
        }
        assert_eq!(waits, [1, 4, 16]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_listing_of_a_disk_does_not_open_it() {
        let breaker = breaker(false);
        let began = breaker.admit().unwrap();
        tokio::time::advance(ATTEMPT_TIMEOUT * 2).await;
        breaker.record(began, ATTEMPT_TIMEOUT * 2, &failed(StorageErrorKind::Indeterminate));
        assert!(breaker.is_closed());
        breaker.record(began, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::Indeterminate));
        assert!(!breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_call_among_answers_does_not_open_it() {
        let breaker = breaker(true);
        let (slow, quick) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        tokio::time::advance(SILENT_AFTER).await;
        breaker.record(quick, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::NotFound));
        breaker.record(slow, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::Indeterminate));
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_disk_does_not_open_it() {
        let (disk, bucket) = (breaker(false), breaker(true));
        for breaker in [&disk, &bucket] {
            for _ in 0..3 {
                breaker.record(Duration::ZERO, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::Unavailable));
            }
        }
        assert!(disk.is_closed() && !bucket.is_closed());
        disk.record(Duration::ZERO, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::Indeterminate));
        tokio::time::advance(SILENT_AFTER).await;
        disk.record(Duration::ZERO, ATTEMPT_TIMEOUT, &failed(StorageErrorKind::Indeterminate));
        assert!(!disk.is_closed());
    }
}
