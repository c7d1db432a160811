//! One look at a whole deployment, and the limits by which it is judged.

use std::time::Duration;

use pipeline::clock::Timestamp;

use super::report::{ProcessState, SeenProcess};

/// The limits of one watch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    pub check: Duration,
    pub sustained: Duration,
    /// How long a deployment may take to become healthy.
    pub start: Duration,
    /// The p95 and the error share of the previous deployment, if they are comparable.
    pub baseline: Option<(f64, f64)>,
}

/// One look at a whole deployment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub at: Timestamp,
    /// How long ago the deployment began.
    pub age: Duration,
    pub processes: Vec<SeenProcess>,
}

/// The processes that live.
pub(super) fn live(look: &Look) -> impl Iterator<Item = &SeenProcess> {
    look.processes.iter().filter(|process| process.state == ProcessState::Live)
}
