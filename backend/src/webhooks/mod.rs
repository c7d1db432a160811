//! Notifies the frontend of its runs' progress: at least once, in order within a run, and without delaying a
//! run.
//!
//! A store writes each event into its outbox together with the state change. That is the database, or the
//! run's manifest if the database did not take the change. Any free replica claims due events and sends them.
//!
//! # Invariants
//!
//! * No run waits for a receiver.
//! * A repetition carries the same `webhook-id`.
//! * While the database is reachable, it alone decides what to send. Events in files are moved to it first.
//! * The frontend reads the database's changes from its tables. Webhooks repeat only a run's completion.
//! * The start of a step is never sent after a later event of its run.

pub mod admin;
pub mod body;
mod client;
pub mod desk;
pub mod sign;

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use tokio::sync::Notify;

pub use self::client::{Sender, SenderError};
use self::{
    body::{Content, Source, content},
    client::Sent,
};
use crate::telemetry::{
    metrics::{self, Operation},
    traces::{self, WebhookRequest},
};
use foundation::{
    failpoints,
    resilience::{Backoff, Jitter},
};
use storage::{Delivery, DeliveryOutcome, DueDelivery, Outbox, StorageError, WebhookEvent, router::Router};

/// The waits after failures. Half of each is random.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3600));

/// The most attempts. With these waits, the last one comes after four to eight hours.
const ATTEMPTS_MAX: i32 = 20;

/// How much longer than a request an event stays claimed: for loading the run, and for recording the outcome.
const VISIBILITY_MARGIN: Duration = Duration::from_secs(5);

/// Claims due events from the outboxes and sends them.
#[derive(Debug)]
pub struct WebhookDispatcher {
    pub router: Arc<Router>,
    /// None without a database.
    pub database: Option<Arc<dyn Outbox>>,
    pub sender: Sender,
    pub timeout: Duration,
    pub clock: Arc<dyn Clock>,
    /// Woken when an event is queued.
    pub woken: Arc<Notify>,
}

/// Why a receiver did not accept an event.
#[derive(Debug)]
struct Refusal {
    reason: String,
    /// Whether the receiver may still process the event.
    may_follow: bool,
}

impl WebhookDispatcher {
    /// Moves events from files to the database. The caller ensures that no request for an event from files is
    /// under way.
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

    /// Claims up to `limit` due deliveries, which no other replica sends meanwhile. `may_hand_over` says that no
    /// request for an event from files is under way.
    ///
    /// # Errors
    ///
    /// The errors of the outbox.
    pub async fn claim(
        &self,
        limit: usize,
        may_hand_over: bool,
    ) -> Result<Vec<(Source, DueDelivery)>, StorageError> {
        let (source, outbox) = match &self.database {
            Some(database) if self.router.is_database_open() => {
                if may_hand_over && let Err(error) = self.hand_over(&**database).await {
                    tracing::debug!(event = "webhook_handover_failed", %error, "webhooks in files could not be moved to the database; will retry");
                }
                (Source::Database, &**database)
            }
            _ => (Source::Files, self.router.files() as &dyn Outbox),
        };
        let due = outbox.claim_due(limit, self.visibility_timeout()).await?;
        Ok(due.into_iter().map(|due| (source, due)).collect())
    }

    /// How long a claimed event is hidden from other processes.
    #[must_use]
    pub fn visibility_timeout(&self) -> Duration {
        self.timeout + VISIBILITY_MARGIN
    }

    /// Sends one delivery and records the outcome.
    pub async fn deliver(&self, source: Source, due: &DueDelivery) {
        failpoints::hit("webhook-claimed");
        let outbox: &dyn Outbox = match (&self.database, source) {
            (Some(database), Source::Database) => &**database,
            _ => self.router.files(),
        };
        let sent = match self.send(source, outbox, due).await {
            Ok(sent) => sent,
            Err(error) => {
                // The event is due again after its visibility timeout.
                tracing::debug!(event = "webhook_load_failed", run_id = %due.run, %error, "the run of a due webhook could not be read; will retry");
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
        if matches!(outcome, DeliveryOutcome::Delivered | DeliveryOutcome::GaveUp | DeliveryOutcome::TooLarge)
        {
            let attempts = u32::try_from(due.attempt).unwrap_or(1);
            metrics::call_ended(Operation::Webhook, attempts, outcome == DeliveryOutcome::Delivered);
        }
        let run = &due.run;
        let (event, attempt) = (due.event.name(), due.attempt);
        match outcome {
            DeliveryOutcome::Delivered | DeliveryOutcome::Superseded => {
                tracing::debug!(event = "webhook_settled", run_id = %run, webhook_event = event, attempt, outcome = outcome.as_str(), "[{run}] webhook finished");
            }
            DeliveryOutcome::Gone if due.is_gone => {}
            DeliveryOutcome::Gone => {
                tracing::warn!(event = "webhook_stopped", run_id = %run, webhook_event = event, "[{run}] the frontend refused further webhooks of this run (410)");
            }
            DeliveryOutcome::GaveUp | DeliveryOutcome::TooLarge => {
                tracing::error!(event = "webhook_abandoned", run_id = %run, webhook_event = event, attempt, outcome = outcome.as_str(), reason,
                    "[{run}] a webhook was not delivered; `innovation webhooks replay --run {run}` sends it again");
            }
        }
        if let Err(error) = outbox.ack(due, outcome, reason.as_deref()).await {
            tracing::warn!(event = "webhook_record_failed", run_id = %run, webhook_event = event, %error,
                "[{run}] delivered, but the delivery could not be recorded; it will be sent again with the same webhook-id");
        }
    }

    /// Sends an event. Returns its outcome, or why it must be sent again.
    async fn send(
        &self,
        source: Source,
        outbox: &dyn Outbox,
        due: &DueDelivery,
    ) -> Result<Result<DeliveryOutcome, Refusal>, StorageError> {
        if due.is_gone {
            return Ok(Ok(DeliveryOutcome::Gone));
        }
        let mut kept = None;
        let found = match outbox.load(&due.run).await? {
            Some(run) => {
                kept = run.request.as_ref().and_then(|request| request.trace_parent.clone());
                content(&run, due.generation, due.event, source)
            }
            None if outbox.is_deleted(&due.run).await? => Content::Superseded,
            None => Content::NotYet,
        };
        let (route, body, shorter) = match found {
            Content::Superseded => return Ok(Ok(DeliveryOutcome::Superseded)),
            Content::NotYet => {
                let reason = "the store does not hold the event's state yet".to_owned();
                return Ok(Err(Refusal { reason, may_follow: false }));
            }
            Content::Now { route, body, shorter } => (route, body, shorter),
        };
        if source == Source::Files {
            self.init(due).await?;
        }
        let now = || self.clock.now().timestamp();
        let kept = kept.as_deref();
        let mut sent = self.post(due, route, kept, body.to_string().into_bytes(), now()).await;
        if let (Sent::TooLarge, Some(shorter)) = (&sent, shorter) {
            sent = self.post(due, route, kept, shorter.to_string().into_bytes(), now()).await;
        }
        Ok(match sent {
            Sent::Delivered => Ok(DeliveryOutcome::Delivered),
            Sent::Gone => Ok(DeliveryOutcome::Gone),
            Sent::TooLarge => Ok(DeliveryOutcome::TooLarge),
            Sent::Refused(reason) => Err(Refusal { reason, may_follow: false }),
            Sent::Unanswered(reason) => Err(Refusal { reason, may_follow: true }),
        })
    }

    /// Posts a body, as a span of the run's trace.
    async fn post(
        &self,
        due: &DueDelivery,
        route: &str,
        kept: Option<&str>,
        body: Vec<u8>,
        timestamp: i64,
    ) -> Sent {
        let trace = traces::begin_webhook(&WebhookRequest {
            run: due.run.as_str(),
            kept,
            event: due.event.name(),
            route,
            attempt: due.attempt,
            host: self.sender.host(),
        });
        let began = self.clock.monotonic();
        let sent = self.sender.post(due, route, body, timestamp, &trace).await;
        let (result, error) = sent.as_words();
        metrics::webhook_sent(result, self.clock.monotonic().saturating_sub(began));
        trace.end(result, error);
        sent
    }

    /// Asks the frontend to create the row of a run from which it has received no event. The frontend leaves
    /// an existing row alone. Its answer does not matter, because it refuses the next event if the row is
    /// missing.
    async fn init(&self, due: &DueDelivery) -> Result<(), StorageError> {
        let Some(manifest) = self.router.files().manifest(&due.run).await? else { return Ok(()) };
        let has_taken = |one: &Delivery| one.outcome == Some(DeliveryOutcome::Delivered);
        if manifest.has_row() || manifest.webhooks.iter().any(has_taken) || is_frontends(due.run.as_str()) {
            return Ok(());
        }
        if let Some(body) = body::init(&due.run, &manifest.request) {
            let body = body.to_string().into_bytes();
            let sent = self.sender.init(due, body, self.clock.now().timestamp()).await;
            tracing::debug!(event = "webhook_init_sent", run_id = %due.run, ?sent, "asked the frontend to create the run's row");
        }
        Ok(())
    }

    async fn postpone(&self, outbox: &dyn Outbox, due: &DueDelivery, refusal: &Refusal) {
        metrics::webhook("retried");
        let mut wait = Jitter::Random.spread(BACKOFF.wait(u32::try_from(due.attempt).unwrap_or_default()));
        // The receiver may still process the start of a step, which would erase the output of a later end.
        if matches!(due.event, WebhookEvent::Started(_)) && refusal.may_follow {
            wait = wait.max(self.timeout);
        }
        let reason = refusal.reason.as_str();
        let run = &due.run;
        let (event, attempt) = (due.event.name(), due.attempt);
        // Log once per event. The metrics count the retries.
        if attempt == 1 {
            tracing::warn!(event = "webhook_delivery_failed", run_id = %run, webhook_event = event, reason, "[{run}] the frontend did not take a webhook; will retry");
        } else {
            tracing::debug!(event = "webhook_postponed", run_id = %run, webhook_event = event, attempt, reason, ?wait, "[{run}] webhook postponed");
        }
        if let Err(error) = outbox.postpone(due, wait, reason).await {
            tracing::debug!(event = "webhook_postpone_failed", run_id = %run, webhook_event = event, %error, "a failed webhook could not be recorded");
        }
    }
}

/// Whether the frontend created an id (`run-{milliseconds}-{number}`), and with it the row. If the row is
/// missing, somebody deleted it.
fn is_frontends(id: &str) -> bool {
    let is_number = |text: &str, length: std::ops::RangeInclusive<usize>| {
        length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    id.strip_prefix("run-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(ms, number)| is_number(ms, 13..=13) && is_number(number, 1..=4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_last_for_hours_and_then_stop() {
        let waits: Vec<Duration> =
            (1..ATTEMPTS_MAX.unsigned_abs()).map(|attempt| BACKOFF.wait(attempt)).collect();
        assert_eq!(waits[..4], [1, 2, 4, 8].map(Duration::from_secs));
        let hours = waits.iter().sum::<Duration>().as_secs_f64() / 3600.0;
        assert!((8.0..=9.0).contains(&hours), "{hours} hours");
        assert_eq!(waits.last(), Some(&BACKOFF.max));
    }
}
