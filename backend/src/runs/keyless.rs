//! Runs that were accepted without a key a moment ago. The frontend, which has none, asks again when an answer is lost.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline::run::RunId;

use storage::RunSubmission;

/// The frontend gives up after three tries of 30 s each.
const REMEMBERED_FOR: Duration = Duration::from_secs(5 * 60);

/// More at once are more than people launch in that time.
const REMEMBERED_MAX: usize = 1_000;

/// Run, address and when it was accepted, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Keyless(Mutex<VecDeque<(RunId, String, Duration)>>);

impl Keyless {
    pub(super) fn note(&self, new: &RunSubmission, now: Duration) {
        let Some(url) = &new.request.document_url else { return };
        let mut accepted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accepted.len() >= REMEMBERED_MAX {
            accepted.pop_front();
        }
        accepted.push_back((new.id.clone(), url.clone(), now));
    }

    /// Whether this process has accepted the same of late.
    pub(super) fn is_repeat(&self, run: &RunId, document_url: &str, now: Duration) -> bool {
        let mut accepted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while accepted.front().is_some_and(|(.., at)| now.saturating_sub(*at) > REMEMBERED_FOR) {
            accepted.pop_front();
        }
        accepted.iter().any(|(known, url, _)| known == run && url == document_url)
    }
}
