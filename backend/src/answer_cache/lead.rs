//! The right to ask a question, for this process and for all replicas.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::SubsecRound as _;
use pipeline::{
    answers::{AnswerContent, AnswerLead, CachedAnswer},
    clock::Clock,
    record::Reuse,
};
use storage::control_plane::{AnswerLease, AnswerQuestion, AnswerStore};
use tokio_util::task::AbortOnDropHandle;

use super::{
    entry,
    flights::Flight,
    shared::{Shared, log_not_kept},
};

/// How often a lease is renewed within its duration, as the leases of runs.
const RENEWALS: u32 = 5;

/// Timestamps in records have milliseconds.
const MILLIS_DIGITS: u16 = 3;

/// The right to ask. Dropped without an answer, it lets another run ask.
#[derive(Debug)]
pub(super) struct Lead {
    question: AnswerQuestion,
    shared: Shared,
    clock: Arc<dyn Clock>,
    /// None after the answer.
    flight: Option<Flight>,
    /// None without a store, and after the answer.
    held: Option<Held>,
}

/// A lease among replicas.
#[derive(Debug)]
struct Held {
    store: Arc<dyn AnswerStore>,
    leader: String,
    _renewal: AbortOnDropHandle<()>,
}

impl Lead {
    /// Leads this process, and with a lease all replicas.
    pub(super) fn new(
        question: AnswerQuestion,
        flight: Flight,
        lease: Option<AnswerLease>,
        shared: Shared,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let held = lease.zip(shared.store.clone()).map(|(lease, store)| Held {
            store: store.clone(),
            leader: lease.leader.clone(),
            _renewal: AbortOnDropHandle::new(tokio::spawn(renew(store, question.clone(), lease))),
        });
        Self { question, shared, clock, flight: Some(flight), held }
    }
}

/// Renews until another run has taken over. A failed renewal is tried again: the lease may still last.
async fn renew(store: Arc<dyn AnswerStore>, question: AnswerQuestion, lease: AnswerLease) {
    loop {
        tokio::time::sleep(lease.duration / RENEWALS).await;
        if let Ok(false) = store.renew(&question, &lease).await {
            return;
        }
    }
}

#[async_trait]
impl AnswerLead for Lead {
    async fn keep(mut self: Box<Self>, content: AnswerContent) {
        let answered_at = self.clock.now().trunc_subsecs(MILLIS_DIGITS);
        let origin = Reuse { reused_from: self.question.run.clone(), answered_at };
        let answer = CachedAnswer { content, origin };
        // The answer is stored before runs of this process get it, so that their use can be noted.
        match (&self.held, entry::written(&self.question, &answer)) {
            (Some(held), Some(stored)) => {
                match held.store.keep(&self.question, &held.leader, &stored).await {
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
                let _ = held.store.release(&question, &held.leader).await;
            });
        }
    }
}
