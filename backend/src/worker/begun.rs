//! When a run was accepted, for the figures that count from there.

use std::time::Duration;

use pipeline::{clock::Timestamp, failure::FailureCode, run::RunStatus};
use storage::{RunSubmission, control_plane::Principal};

use crate::{objectives::counters, telemetry::metrics};

/// When a run was accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    accepted_at: Timestamp,
    /// Runs of golden paths count for no service level.
    has_service_level: bool,
}

impl Begun {
    pub(super) fn of(run: &RunSubmission) -> Self {
        Self { accepted_at: run.accepted_at, has_service_level: run.request.principal != Principal::system() }
    }

    /// For a run whose stored state cannot be read.
    pub(super) const fn unknown(now: Timestamp) -> Self {
        Self { accepted_at: now, has_service_level: false }
    }

    pub(super) fn waited(self, now: Timestamp) -> Duration {
        // The database's clock may be ahead of this one.
        (now - self.accepted_at).to_std().unwrap_or_default()
    }

    pub(super) fn note_first_stage(self, now: Timestamp) {
        let waited = self.waited(now);
        metrics::first_stage_stored(waited);
        if self.has_service_level {
            counters::first_stage_stored(waited);
        }
    }

    pub(super) fn note_end(self, status: RunStatus, code: Option<FailureCode>, now: Timestamp) {
        let took = self.waited(now);
        metrics::run_ended(status, code, took);
        match code {
            _ if !self.has_service_level => {}
            None => counters::run_completed(took),
            Some(code) => counters::run_failed(code),
        }
    }
}
