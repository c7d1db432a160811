//! The right to ask a question, for this process and for all replicas.

use std::sync::Arc;

use chrono::SubsecRound as _;
use pipeline::{
    answers::{AnswerContent, AnswerLead, CachedAnswer},
    clock::Clock,
    record::Reuse,
};
use storage::control_plane::{AnswerQuestion, AnswerStore};
use tokio_util::task::TaskTracker;

use super::{
    entry,
    flights::Flight,
    renewals::HeldLease,
    shared::{Shared, log_not_kept},
};

/// Timestamps in records have milliseconds.
const MILLIS_DIGITS: u16 = 3;

/// The right to ask. Dropped without an answer, it lets another run ask.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) question: Arc<AnswerQuestion>,
    pub(super) shared: Shared,
    pub(super) clock: Arc<dyn Clock>,
    /// None after the answer.
    pub(super) flight: Option<Flight>,
    /// None without a store, and after the answer.
    pub(super) held: Option<Held>,
    /// The answers of the run that are being kept.
    pub(super) keeping: TaskTracker,
}

/// A lease among replicas.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) store: Arc<dyn AnswerStore>,
    pub(super) lease: HeldLease,
}

impl AnswerLead for Lead {
    fn keep(self: Box<Self>, content: AnswerContent) {
        let keeping = self.keeping.clone();
        keeping.spawn(self.store(content));
    }
}

impl Lead {
    async fn store(mut self: Box<Self>, content: AnswerContent) {
        let answered_at = self.clock.now().trunc_subsecs(MILLIS_DIGITS);
        let origin = Reuse { reused_from: self.question.run.clone(), answered_at };
        let answer = CachedAnswer { content, origin };
        // The answer is stored before runs of this process get it, so that their use can be noted.
        match (&self.held, entry::written(&self.question, &answer)) {
            (Some(held), Some(stored)) => {
                match held.store.keep(&self.question, &held.lease.leader, &stored).await {
                    Ok(_) => self.held = None,
                    // The lease is released when `self` is dropped.
                    Err(error) => log_not_kept(&self.question, &error),
                }
            }
            _ => self.shared.keep_in_files(&self.question, &answer).await,
        }
        if let Some(flight) = self.flight.take() {
            flight.land(answer);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        let question = self.question.clone();
        // A cancelled run drops its lead, and cannot wait. If the process ends first, the lease expires.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = held.store.release(&question, &held.lease.leader).await;
            });
        }
    }
}
