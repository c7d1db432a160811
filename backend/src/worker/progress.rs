//! Tracks the last progress of a run, to tell a slow run from one that hangs.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::clock::Clock;
use tokio::sync::OwnedSemaphorePermit;

use super::settings::WorkerConfig;

/// The time of a run's last progress.
#[derive(Debug)]
pub(super) struct Progress {
    /// Milliseconds of the monotonic clock.
    at: AtomicU64,
    is_reported: AtomicBool,
    /// Whether a stage was stored in this attempt.
    has_stored: AtomicBool,
    /// Keeps all other runs out of the worker, until a stage is stored.
    alone: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Progress {
    pub(super) fn new(clock: &dyn Clock) -> Self {
        let progress = Self {
            at: AtomicU64::new(0),
            is_reported: AtomicBool::new(false),
            has_stored: AtomicBool::new(false),
            alone: Mutex::default(),
        };
        progress.note(clock);
        progress
    }

    pub(super) fn note(&self, clock: &dyn Clock) {
        self.at.store(millis(clock.monotonic()), Ordering::Relaxed);
        self.is_reported.store(false, Ordering::Relaxed);
    }

    /// Keeps the worker for this run, until a stage is stored.
    pub(super) fn keep_alone(&self, permit: OwnedSemaphorePermit) {
        *self.alone.lock() = Some(permit);
    }

    /// A stage was stored: the run is a suspect no longer.
    pub(super) fn note_stored(&self) {
        self.has_stored.store(true, Ordering::Relaxed);
        self.share_worker();
    }

    /// Lets other runs into the worker again.
    pub(super) fn share_worker(&self) {
        self.alone.lock().take();
    }

    pub(super) fn has_stored(&self) -> bool {
        self.has_stored.load(Ordering::Relaxed)
    }

    pub(super) fn is_stalled(&self, clock: &dyn Clock, config: &WorkerConfig) -> bool {
        let since = millis(clock.monotonic()).saturating_sub(self.at.load(Ordering::Relaxed));
        since > millis(config.stall_after)
    }

    /// True once per stall.
    pub(super) fn is_newly_stalled(&self, clock: &dyn Clock, config: &WorkerConfig) -> bool {
        self.is_stalled(clock, config) && !self.is_reported.swap(true, Ordering::Relaxed)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
