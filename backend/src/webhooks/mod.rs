//! Tells the frontend what becomes of its runs: at least once, of each run in order, and never in a run's way.
//!
//! What is to be told stands in an outbox, written with the state change: in the database, or in the run's manifest where
//! the database did not take the change. Whoever is free takes what is due and sends it.
//!
//! # Invariants
//!
//! * No run waits for a receiver.
//! * A repetition carries the same `webhook-id`.
//! * While the database is there, it alone says what is to be sent; what stands in files is handed over to it first.
//! * The tables that the frontend reads tell it what the database has taken; webhooks repeat only a run's completion.
//! * A step that begins is never told after a later event of its run.

pub mod admin;
pub mod body;
mod client;
pub mod sign;

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::client::{Sender, SenderError};
use self::{
    body::{Content, Source, content},
    client::Sent,
};
use crate::telemetry::metrics;
use foundation::{backoff::jitter, failpoints};
use storage::{Delivery, DeliveryOutcome, DueDelivery, Outbox, StorageError, WebhookEvent, router::Router};

/// Requests under way at once.
const CONCURRENCY: usize = 16;

/// Between two looks that nobody asked for: for repetitions, and for what other replicas wrote down and cannot send.
const POLL: Duration = Duration::from_secs(2);

/// The wait after the first failure; it doubles up to the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// With these waits, after four to eight hours.
const ATTEMPTS_MAX: i32 = 20;

/// Longer than a request may take: for loading the run, and for writing down how it went.
const VISIBILITY_MARGIN: Duration = Duration::from_secs(5);

/// For requests under way when the process stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// Takes what is due from the outboxes and sends it.
#[derive(Debug)]
pub struct WebhookDispatcher {
    pub router: Arc<Router>,
    /// None without a database.
    pub database: Option<Arc<dyn Outbox>>,
    pub sender: Sender,
    pub timeout: Duration,
    pub clock: Arc<dyn Clock>,
    /// Rung when something is written down.
    pub woken: Arc<Notify>,
}

/// Why a receiver has not taken an event.
#[derive(Debug)]
struct Refusal {
    reason: String,
    /// The receiver may still carry it out.
    may_follow: bool,
}

impl WebhookDispatcher {
    /// Sends until told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut underway: JoinSet<Source> = JoinSet::new();
        let mut from_files: usize = 0;
        loop {
            let free = CONCURRENCY.saturating_sub(underway.len());
            if free > 0 && !stop.is_cancelled() {
                for (source, due) in self.claim(free, from_files == 0).await {
                    from_files += usize::from(source == Source::Files);
                    let dispatcher = self.clone();
                    underway.spawn(async move {
                        dispatcher.deliver(source, &due).await;
                        source
                    });
                }
            }
            tokio::select! {
                Some(done) = underway.join_next() => {
                    from_files = match done {
                        Ok(Source::Files) => from_files.saturating_sub(1),
                        Ok(Source::Database) => from_files,
                        // Which it was is lost with it; so is its place.
                        Err(_) => if underway.is_empty() { 0 } else { from_files },
                    };
                }
                () = self.woken.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => {
                    // What is cut off is sent again by whoever is left.
                    let _ = tokio::time::timeout(GOODBYE, async {
                        while underway.join_next().await.is_some() {}
                    }).await;
                    return;
                }
            }
        }
    }

    /// Takes over from files what the database is to know. Called where no request from files is under way.
    async fn hand_over(&self, database: &dyn Outbox) -> Result<(), StorageError> {
        let files = self.router.files();
        for run in files.runs_with_pending_deliveries().await? {
            let all = files.deliveries(&run).await?;
            if !all.is_empty() {
                database.import_deliveries(&run, &all).await?;
                failpoints::hit("webhooks-handed-over");
            }
            files.handed_over(&run, all).await?;
        }
        Ok(())
    }

    async fn claim(&self, limit: usize, may_hand_over: bool) -> Vec<(Source, DueDelivery)> {
        let (source, outbox) = match &self.database {
            Some(database) if self.router.is_database_open() => {
                if may_hand_over && let Err(error) = self.hand_over(&**database).await {
                    tracing::debug!(event = "webhook_handover_failed", %error, "what is to be told from files could not be handed over yet");
                }
                (Source::Database, &**database)
            }
            _ => (Source::Files, self.router.files() as &dyn Outbox),
        };
        match outbox.claim_due(limit, self.timeout + VISIBILITY_MARGIN).await {
            Ok(all) => all.into_iter().map(|due| (source, due)).collect(),
            Err(error) => {
                tracing::debug!(event = "webhook_claim_failed", %error, "what is to be told could not be looked up");
                Vec::new()
            }
        }
    }

    async fn deliver(&self, source: Source, due: &DueDelivery) {
        failpoints::hit("webhook-claimed");
        let outbox: &dyn Outbox = match (&self.database, source) {
            (Some(database), Source::Database) => &**database,
            _ => self.router.files(),
        };
        let sent = match self.send(source, outbox, due).await {
            Ok(sent) => sent,
            Err(error) => {
                // It is due again when its time is up.
                tracing::debug!(event = "webhook_load_failed", run_id = %due.run, %error, "what is to be told could not be read");
                return;
            }
        };
        failpoints::hit("webhook-sent");
        let (outcome, reason) = match sent {
            Ok(outcome) => (outcome, None),
            Err(refusal) if due.attempt >= ATTEMPTS_MAX => (DeliveryOutcome::GaveUp, Some(refusal.reason)),
            Err(refusal) => return self.postpone(outbox, due, &refusal).await,
        };
        metrics::webhook(outcome.as_str());
        let run = &due.run;
        let (event, attempt) = (due.event.name(), due.attempt);
        match outcome {
            DeliveryOutcome::Delivered | DeliveryOutcome::Superseded => {
                tracing::debug!(event = "webhook_settled", run_id = %run, webhook_event = event, attempt, outcome = outcome.as_str(), "[{run}] webhook settled");
            }
            DeliveryOutcome::Gone if due.is_gone => {}
            DeliveryOutcome::Gone => {
                tracing::warn!(event = "webhook_stopped", run_id = %run, webhook_event = event, "[{run}] the frontend wants no more webhooks of it (410)");
            }
            DeliveryOutcome::GaveUp | DeliveryOutcome::TooLarge => {
                tracing::error!(event = "webhook_abandoned", run_id = %run, webhook_event = event, attempt, outcome = outcome.as_str(), reason,
                    "[{run}] the frontend was not told; `innovation webhooks replay --run {run}` tells it again");
            }
        }
        if let Err(error) = outbox.ack(due, outcome, reason.as_deref()).await {
            tracing::warn!(event = "webhook_record_failed", run_id = %run, webhook_event = event, %error,
                "[{run}] delivered, but the delivery could not be recorded; it will be sent again with the same webhook-id");
        }
    }

    /// The outcome, or why it is to be tried again.
    async fn send(
        &self,
        source: Source,
        outbox: &dyn Outbox,
        due: &DueDelivery,
    ) -> Result<Result<DeliveryOutcome, Refusal>, StorageError> {
        if due.is_gone {
            return Ok(Ok(DeliveryOutcome::Gone));
        }
        let found = match outbox.load(&due.run).await? {
            Some(run) => content(&run, due.generation, due.event, source),
            None if outbox.is_deleted(&due.run).await? => Content::Superseded,
            None => Content::NotYet,
        };
        let (route, body, shorter) = match found {
            Content::Superseded => return Ok(Ok(DeliveryOutcome::Superseded)),
            Content::NotYet => {
                let reason = "the run is not brought up to it yet".to_owned();
                return Ok(Err(Refusal { reason, may_follow: false }));
            }
            Content::Now { route, body, shorter } => (route, body, shorter),
        };
        if source == Source::Files {
            self.init(due).await?;
        }
        let now = || self.clock.now().timestamp();
        let mut sent = self.sender.post(due, route, body.to_string().into_bytes(), now()).await;
        if let (Sent::TooLarge, Some(shorter)) = (&sent, shorter) {
            sent = self.sender.post(due, route, shorter.to_string().into_bytes(), now()).await;
        }
        Ok(match sent {
            Sent::Delivered => Ok(DeliveryOutcome::Delivered),
            Sent::Gone => Ok(DeliveryOutcome::Gone),
            Sent::TooLarge => Ok(DeliveryOutcome::TooLarge),
            Sent::Refused(reason) => Err(Refusal { reason, may_follow: false }),
            Sent::Unanswered(reason) => Err(Refusal { reason, may_follow: true }),
        })
    }

    /// Has the frontend make the row of a run of which it has taken no event yet; a row that it has it leaves alone. Its
    /// answer does not matter: the event that comes next is refused without a row.
    async fn init(&self, due: &DueDelivery) -> Result<(), StorageError> {
        let Some(manifest) = self.router.files().manifest(&due.run).await? else { return Ok(()) };
        let has_taken = |one: &Delivery| one.outcome == Some(DeliveryOutcome::Delivered);
        if manifest.has_row() || manifest.webhooks.iter().any(has_taken) || is_frontends(due.run.as_str()) {
            return Ok(());
        }
        if let Some(body) = body::init(&due.run, &manifest.request) {
            let body = body.to_string().into_bytes();
            let sent = self.sender.init(due, body, self.clock.now().timestamp()).await;
            tracing::debug!(event = "webhook_init_sent", run_id = %due.run, ?sent, "the frontend was asked for the run's row");
        }
        Ok(())
    }

    async fn postpone(&self, outbox: &dyn Outbox, due: &DueDelivery, refusal: &Refusal) {
        metrics::webhook("retried");
        let mut wait = backoff(due.attempt).mul_f64(jitter());
        // The receiver may still carry out a beginning, which would wipe the output of the end that comes next.
        if matches!(due.event, WebhookEvent::Started(_)) && refusal.may_follow {
            wait = wait.max(self.timeout);
        }
        let reason = refusal.reason.as_str();
        let run = &due.run;
        let (event, attempt) = (due.event.name(), due.attempt);
        // Once an event; the repetitions are in the metrics.
        if attempt == 1 {
            tracing::warn!(event = "webhook_delivery_failed", run_id = %run, webhook_event = event, reason, "[{run}] the frontend did not take a webhook; will retry");
        } else {
            tracing::debug!(event = "webhook_postponed", run_id = %run, webhook_event = event, attempt, reason, ?wait, "[{run}] webhook postponed");
        }
        if let Err(error) = outbox.postpone(due, wait, reason).await {
            tracing::debug!(event = "webhook_postpone_failed", run_id = %run, webhook_event = event, %error, "that a webhook was not taken could not be noted");
        }
    }
}

/// Whether the frontend made an id (`run-{milliseconds}-{number}`), and with it the row: one that lacks it was deleted.
fn is_frontends(id: &str) -> bool {
    let is_number = |text: &str, length: std::ops::RangeInclusive<usize>| {
        length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    id.strip_prefix("run-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(ms, number)| is_number(ms, 13..=13) && is_number(number, 1..=4))
}

/// The wait after so many attempts, before jitter.
fn backoff(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or_default().min(20);
    (BACKOFF.0 * 2_u32.pow(doublings)).min(BACKOFF.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_for_hours_and_not_for_ever() {
        let waits: Vec<Duration> = (1..ATTEMPTS_MAX).map(backoff).collect();
        assert_eq!(waits[..4], [1, 2, 4, 8].map(Duration::from_secs));
        let hours = waits.iter().sum::<Duration>().as_secs_f64() / 3600.0;
        assert!((8.0..=9.0).contains(&hours), "{hours} hours");
        assert_eq!(waits.last(), Some(&BACKOFF.1));
    }
}
