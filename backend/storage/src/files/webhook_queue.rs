//! Records when the dispatcher reads a manifest again to find events to send.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::{clock::Timestamp, run::RunId};
use tokio::sync::Notify;

use crate::files::io::lock;

/// How long a manifest without a due event is not read again. A longer wait would delay the replay command.
const RECHECK: Duration = Duration::from_secs(30);

/// The queue of webhooks that are sent from files.
#[derive(Debug, Default)]
pub(super) struct WebhookQueue {
    /// Wakes the dispatcher. None if webhooks are off.
    pub(super) wake: Option<Arc<Notify>>,
    /// Runs without a due event, and until when.
    resting: Mutex<HashMap<RunId, Timestamp>>,
}

impl WebhookQueue {
    pub(super) fn new(wake: Option<Arc<Notify>>) -> Self {
        Self { wake, ..Self::default() }
    }

    /// The run has something to send.
    pub(super) fn recheck_now(&self, run: &RunId) {
        lock(&self.resting).remove(run);
    }

    /// The run has nothing to send before then.
    pub(super) fn recheck_at(&self, run: &RunId, until: Timestamp, now: Timestamp) {
        lock(&self.resting).insert(run.clone(), until.min(now + RECHECK));
    }

    pub(super) fn is_resting(&self, run: &RunId, now: Timestamp) -> bool {
        lock(&self.resting).get(run).is_some_and(|until| *until > now)
    }
}
