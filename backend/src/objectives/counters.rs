//! Counts what happens in this process, beside the metrics. A counter costs a few atomic additions, so nothing is left out of it.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pipeline::failure::FailureCode;

use super::{
    counts::Counts,
    spread::{BUCKETS, Spread, bucket_of},
};
use crate::telemetry::names::GOLDEN_PATH_ROUTE;

/// Routes that say nothing about the service's work.
const LEFT_OUT: [&str; 5] = ["/metrics", "/openapi.json", "/docs", "none", GOLDEN_PATH_ROUTE];

/// The route of submissions.
const SUBMISSIONS: (&str, &str) = ("POST", "/run");

#[derive(Debug)]
struct AtomicSpread([AtomicU64; BUCKETS]);

impl AtomicSpread {
    fn add(&self, took: Duration) {
        if let Some(bucket) = self.0.get(bucket_of(took)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> Spread {
        let mut read = Spread::default();
        read.0.iter_mut().zip(&self.0).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
        read
    }
}

impl Default for AtomicSpread {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    errors: AtomicU64,
    submissions: AtomicU64,
    submissions_refused: AtomicU64,
    runs_completed: AtomicU64,
    runs_failed: AtomicU64,
    runs_unusable: AtomicU64,
    latency: AtomicSpread,
    first_stage: AtomicSpread,
    run: AtomicSpread,
}

static COUNTERS: LazyLock<Counters> = LazyLock::new(Counters::default);

fn inc(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts an answered request, but not one that is refused because operators have paused acceptance. `route` is the template (`/status/{run_id}`), or `none`.
pub fn request_answered(method: &str, route: &str, status: u16, took: Duration) {
    if LEFT_OUT.contains(&route) || route.starts_with("/health") || route.starts_with("/api/health") {
        return;
    }
    let is_error = status >= 500;
    inc(&COUNTERS.requests);
    COUNTERS.latency.add(took);
    if is_error {
        inc(&COUNTERS.errors);
    }
    // A submission that is wrong in itself says nothing about the service.
    if (method, route) == SUBMISSIONS && (is_error || (200..300).contains(&status)) {
        inc(&COUNTERS.submissions);
        if is_error {
            inc(&COUNTERS.submissions_refused);
        }
    }
}

/// Counts the first stored stage of a run.
pub fn first_stage_stored(since_accepted: Duration) {
    COUNTERS.first_stage.add(since_accepted);
}

/// Counts a completed run.
pub fn run_completed(since_accepted: Duration) {
    inc(&COUNTERS.runs_completed);
    COUNTERS.run.add(since_accepted);
}

/// Counts a run that did not complete.
pub fn run_failed(code: FailureCode) {
    inc(if is_of_request(code) { &COUNTERS.runs_unusable } else { &COUNTERS.runs_failed });
}

/// Whether the request itself is the reason: its document, its brand, or the wish to stop.
fn is_of_request(code: FailureCode) -> bool {
    use FailureCode as Code;
    match code {
        Code::DocumentEncrypted
        | Code::DocumentCorrupt
        | Code::DocumentNoText
        | Code::DocumentTooLarge
        | Code::DocumentUnsupported
        | Code::DocumentTimeout
        | Code::DocumentUnavailable
        | Code::BrandNotFound
        | Code::Cancelled => true,
        // Profiles are the operator's.
        Code::BrandInvalid
        | Code::LlmRateLimit
        | Code::LlmCredits
        | Code::LlmCostLimit
        | Code::LlmAuth
        | Code::LlmTimeout
        | Code::LlmInvalidOutput
        | Code::LlmTruncated
        | Code::LlmRefused
        | Code::LlmError
        | Code::StorageUnavailable
        | Code::CrashLoop
        | Code::Internal => false,
    }
}

/// All counters now.
#[must_use]
pub fn read() -> Counts {
    let Counters {
        requests,
        errors,
        submissions,
        submissions_refused,
        runs_completed,
        runs_failed,
        runs_unusable,
        latency,
        first_stage,
        run,
    } = &*COUNTERS;
    let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Counts {
        requests: number(requests),
        errors: number(errors),
        submissions: number(submissions),
        submissions_refused: number(submissions_refused),
        runs_completed: number(runs_completed),
        runs_failed: number(runs_failed),
        runs_unusable: number(runs_unusable),
        latency: latency.read(),
        first_stage: first_stage.read(),
        run: run.read(),
    }
}
