//! Remembers runs that were accepted without a key recently. The frontend has no key, and repeats a request
//! whose answer was lost.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
use pipeline::run::RunId;

use storage::RunSubmission;

/// How long a run is remembered. The frontend gives up after three attempts of 30 s each.
const REMEMBERED_FOR: Duration = Duration::from_secs(5 * 60);

/// The most remembered runs, more than people start in that time.
const REMEMBERED_MAX: usize = 1_000;

/// Run, address and time of acceptance, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Keyless(Mutex<VecDeque<(RunId, String, Duration)>>);

impl Keyless {
    pub(super) fn note(&self, new: &RunSubmission, now: Duration) {
        let Some(url) = &new.request.document_url else { return };
        let mut accepted = self.0.lock();
        if accepted.len() >= REMEMBERED_MAX {
            accepted.pop_front();
        }
        accepted.push_back((new.id.clone(), url.clone(), now));
    }

    /// Whether this process has accepted the same request recently.
    pub(super) fn is_repeat(&self, run: &RunId, document_url: &str, now: Duration) -> bool {
        let mut accepted = self.0.lock();
        while accepted.front().is_some_and(|(.., at)| now.saturating_sub(*at) > REMEMBERED_FOR) {
            accepted.pop_front();
        }
        accepted.iter().any(|(known, url, _)| known == run && url == document_url)
    }
}
