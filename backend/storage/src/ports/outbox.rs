//! The outbox: the webhooks to send to the frontend. A store writes them with each state change, and keeps
//! them until they are delivered.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::millis,
    run::{RunId, Stage},
};
use serde::{Deserialize, Serialize};

use crate::{error::StorageError, ports::store::Store, run::RunRecord};

/// A state change that a webhook announces. Its body is built from the run when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub enum WebhookEvent {
    /// A step starts: a stage by its number, or the report as the fifth.
    Started(u8),
    /// A stage is stored.
    Stage(Stage),
    /// The report is stored.
    Report,
    Completed,
    /// Failed or cancelled.
    Failed,
}

impl WebhookEvent {
    /// The number in the outbox, which never changes.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Started(step) => STARTED + i32::from(step),
            Self::Stage(stage) => stage.number().into(),
            Self::Report => 5,
            Self::Completed => 6,
            Self::Failed => 7,
        }
    }

    /// The position in the order of sending within a generation. A step's start comes before its stage.
    #[must_use]
    pub fn place(self) -> i32 {
        match self {
            Self::Started(step) => 2 * i32::from(step) - 1,
            other => 2 * other.number(),
        }
    }

    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        match number {
            11..=15 => u8::try_from(number - STARTED).ok().map(Self::Started),
            5 => Some(Self::Report),
            6 => Some(Self::Completed),
            7 => Some(Self::Failed),
            number => {
                Stage::ALL.into_iter().find(|stage| i32::from(stage.number()) == number).map(Self::Stage)
            }
        }
    }

    /// The event's name, which never changes. It is a part of the webhook id, by which a receiver recognises
    /// a repetition.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Started(1) => "stage-1-started",
            Self::Started(2) => "stage-2-started",
            Self::Started(3) => "stage-3-started",
            Self::Started(4) => "stage-4-started",
            Self::Started(_) => "report-started",
            Self::Stage(Stage::InputProcessing) => "stage-1",
            Self::Stage(Stage::SignalAmplification) => "stage-2",
            Self::Stage(Stage::GeneralTranslation) => "stage-3",
            Self::Stage(Stage::BrandContextualization) => "stage-4",
            Self::Report => "report",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// All events of a run in its current state.
    #[must_use]
    pub fn all_of(run: &RunRecord) -> Vec<Self> {
        use pipeline::run::RunStatus;
        let mut events: Vec<Self> = run.stages.keys().copied().map(Self::Stage).collect();
        match run.status {
            RunStatus::Processing => {}
            RunStatus::Completed => events.extend([Self::Report, Self::Completed]),
            RunStatus::Failed | RunStatus::Cancelled => events.push(Self::Failed),
        }
        events
    }
}

/// The offset of the numbers of started steps.
const STARTED: i32 = 10;

impl From<WebhookEvent> for i32 {
    fn from(event: WebhookEvent) -> Self {
        event.number()
    }
}

impl TryFrom<i32> for WebhookEvent {
    type Error = String;

    fn try_from(number: i32) -> Result<Self, String> {
        Self::from_number(number).ok_or_else(|| format!("there is no event {number}"))
    }
}

/// The final outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    Delivered,
    /// The receiver wants no more events of this run (410).
    Gone,
    /// All attempts failed.
    GaveUp,
    /// The event is outdated: the run was retried or deleted meanwhile.
    Superseded,
    TooLarge,
}

impl DeliveryOutcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone => "gone",
            Self::GaveUp => "gave_up",
            Self::Superseded => "superseded",
            Self::TooLarge => "too_large",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Delivered, Self::Gone, Self::GaveUp, Self::Superseded, Self::TooLarge]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

/// An event and the state of its delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub generation: i32,
    pub event: WebhookEvent,
    #[serde(default)]
    pub attempts: i32,
    #[serde(with = "millis")]
    pub next_attempt_at: Timestamp,
    /// None while the event is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<DeliveryOutcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl Delivery {
    /// The position in the order of sending.
    #[must_use]
    pub fn position(&self) -> (i32, i32) {
        (self.generation, self.event.place())
    }
}

/// An event that its claimer must send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    pub run: RunId,
    pub generation: i32,
    pub event: WebhookEvent,
    /// The number of this attempt.
    pub attempt: i32,
    /// The receiver has refused further events of the run.
    pub is_gone: bool,
}

/// How many runs [`DeliveryCounts`] names: a person looks at the first, and types the command for the others by its pattern.
pub const GAVE_UP_RUNS_MAX: usize = 3;

/// The number of deliveries by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryCounts {
    pub pending: u64,
    pub delivered: u64,
    pub gone: u64,
    pub gave_up: u64,
    /// Runs with an event that was given up, [`GAVE_UP_RUNS_MAX`] at most.
    pub gave_up_runs: Vec<String>,
    /// Whole seconds since the oldest pending event was queued.
    pub oldest_pending_seconds: u64,
}

impl DeliveryCounts {
    /// Names a run with an event that was given up, if there is room for one more name.
    pub fn name_gave_up(&mut self, run: &str) {
        if self.gave_up_runs.len() < GAVE_UP_RUNS_MAX && self.gave_up_runs.iter().all(|known| known != run) {
            self.gave_up_runs.push(run.to_owned());
        }
    }
}

/// A store that keeps the webhooks of its runs.
///
/// # Invariants
///
/// * An event is written with its state change, or neither is written.
/// * An event of a run is claimed only after all earlier ones are finished.
/// * A claimed event is claimed again only after its visibility timeout.
#[async_trait]
pub trait Outbox: Store {
    /// Claims due events, at most one per run. Nobody else claims them within the visibility timeout.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn claim_due(
        &self,
        limit: usize,
        visibility_timeout: Duration,
    ) -> Result<Vec<DueDelivery>, StorageError>;

    /// Finishes an event. `Gone` finishes all remaining events of the run.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn ack(
        &self,
        due: &DueDelivery,
        outcome: DeliveryOutcome,
        error: Option<&str>,
    ) -> Result<(), StorageError>;

    /// Postpones an event and all later ones of the run.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn postpone(&self, due: &DueDelivery, wait: Duration, error: &str) -> Result<(), StorageError>;

    /// Makes pending events due that wait for longer than the visibility timeout, and returns how many. The others are under
    /// way, or due within it.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn hasten(&self, visibility_timeout: Duration) -> Result<usize, StorageError>;

    /// Queues all events of the run again, both finished ones and missing ones. Returns how many.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn replay(
        &self,
        run: &RunId,
        generation: i32,
        events: &[WebhookEvent],
    ) -> Result<usize, StorageError>;

    /// The events of a run, in order.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>, StorageError>;

    /// Counts all deliveries by state.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn count_deliveries(&self) -> Result<DeliveryCounts, StorageError>;

    /// Imports the pending and the finished deliveries of another store.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn import_deliveries(&self, run: &RunId, deliveries: &[Delivery]) -> Result<(), StorageError>;
}
