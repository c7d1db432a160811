//! The answers that one run may use.

use std::sync::Arc;

use async_trait::async_trait;
use foundation::clock::timer_now;
use parking_lot::Mutex;
use pipeline::{
    answers::{AnswerCache, AnswerKey, CachedAnswer, LookUp},
    run::{RunId, Stage},
};
use storage::control_plane::{AnswerLease, AnswerQuestion, Principal};
use tokio_util::task::TaskTracker;

use super::{
    flights::{Boarding, Flight},
    inner::Inner,
    lead::{Held, Lead},
    shared::Claimed,
    waits::Wait,
};
use crate::telemetry::metrics::{self, AnswerLookUp};

/// The answers that one run may use: those of its owner.
#[derive(Debug)]
pub struct RunAnswers {
    pub(super) inner: Arc<Inner>,
    pub(super) run: RunId,
    pub(super) principal: Principal,
    /// The answers that are being kept.
    pub(super) keeping: TaskTracker,
}

#[async_trait]
impl AnswerCache for RunAnswers {
    async fn look_up(&self, stage: Stage, key: &AnswerKey) -> LookUp {
        let question = self.question(stage, key);
        let (found, counted) = self.find(question).await;
        metrics::answer_looked_up(counted);
        if let LookUp::Hit(answer) = &found {
            tracing::info!(event = "answer_reused", run_id = %self.run, stage = stage.number(), reused_from = %answer.origin.reused_from, "[{}] takes the answer of an earlier run", self.run);
        }
        found
    }

    async fn reject(&self, stage: Stage, key: &AnswerKey) {
        self.inner.shared.reject(&self.question(stage, key)).await;
    }

    async fn settled(&self) {
        // A closed tracker takes tasks as before; it only lets the wait end.
        self.keeping.close();
        self.keeping.wait().await;
    }
}

impl RunAnswers {
    fn question(&self, stage: Stage, key: &AnswerKey) -> AnswerQuestion {
        AnswerQuestion {
            principal: self.principal.clone(),
            run: self.run.clone(),
            stage,
            key: key.as_str().to_owned(),
        }
    }

    async fn find(&self, question: AnswerQuestion) -> (LookUp, AnswerLookUp) {
        let Inner { flights, shared, settings, clock, .. } = &*self.inner;
        let question = Arc::new(question);
        let until = timer_now() + settings.wait_max;
        let wait = Mutex::new(None);
        let on_wait = || {
            wait.lock().get_or_insert_with(|| self.begin_wait(&question));
        };
        loop {
            let flight = match flights.board(&question) {
                Boarding::Lead(flight) => flight,
                Boarding::Full => return (LookUp::Off, AnswerLookUp::Off),
                Boarding::Wait(mut landed) => {
                    on_wait();
                    let answer = tokio::time::timeout_at(until, landed.wait_for(Option::is_some)).await;
                    match answer.map(|landed| landed.ok().and_then(|answer| answer.clone())) {
                        Ok(Some(answer)) => {
                            return (LookUp::Hit(self.take(&question, &answer).await), AnswerLookUp::Hit);
                        }
                        // The run that asked has none, so another one asks.
                        Ok(None) => continue,
                        Err(_) => return (LookUp::Off, AnswerLookUp::Overdue),
                    }
                }
            };
            return match shared.claim(&question, settings, &**clock, until, &on_wait).await {
                Claimed::Found(answer) => {
                    flight.land(answer.clone());
                    (LookUp::Hit(answer), AnswerLookUp::Hit)
                }
                Claimed::Led(lease) => (self.lead(question, flight, Some(lease)), AnswerLookUp::Miss),
                Claimed::NoStore => (self.lead(question, flight, None), AnswerLookUp::Miss),
                Claimed::OptedOut => (LookUp::Off, AnswerLookUp::Off),
                Claimed::Overdue => (LookUp::Off, AnswerLookUp::Overdue),
            };
        }
    }

    /// Leads this process, and with a lease all replicas.
    fn lead(&self, question: Arc<AnswerQuestion>, flight: Flight, lease: Option<AnswerLease>) -> LookUp {
        let Inner { shared, renewals, clock, .. } = &*self.inner;
        let held = lease.zip(shared.store.as_ref()).map(|(lease, store)| Held {
            lease: renewals.hold(store, &question, lease.leader, lease.duration),
            store: store.clone(),
        });
        LookUp::Lead(Box::new(Lead {
            question,
            shared: shared.clone(),
            clock: clock.clone(),
            flight: Some(flight),
            held,
            keeping: self.keeping.clone(),
        }))
    }

    /// Takes the answer of a run of this process, and notes the use. If the note fails, the answer may be removed before this
    /// run is.
    async fn take(&self, question: &AnswerQuestion, answer: &CachedAnswer) -> CachedAnswer {
        self.inner.shared.note_use(question).await;
        answer.clone()
    }

    fn begin_wait(&self, question: &AnswerQuestion) -> Wait {
        metrics::answer_awaited();
        tracing::info!(event = "answer_awaited", run_id = %self.run, stage = question.stage.number(), "[{}] waits for the answer that another run has asked for", self.run);
        self.inner.waits.begin(&self.run, self.inner.clock.now())
    }
}
