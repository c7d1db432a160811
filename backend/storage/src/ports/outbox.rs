//! What the frontend is still to be told: written down with each state change, and kept until it has taken it.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::millis,
    run::{RunId, Stage},
};
use serde::{Deserialize, Serialize};

use crate::{error::StorageError, ports::store::Store, run::RunRecord};

/// A state change that the frontend is told. What is sent is made of the run at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub enum WebhookEvent {
    /// Work on a step begins: a stage by its number, or the report as the fifth.
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
    /// Its number in the outbox, which never changes.
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

    /// Its place in the order in which the events of a generation are sent: a step begins before it is stored.
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

    /// Its name, which never changes: the id that a receiver knows a repetition by is made of it.
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

    /// Everything that there is to tell of a run as it stands.
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

/// The number before that of the first step's beginning.
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

/// How it ended with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    Delivered,
    /// The receiver wants to hear no more of this run (410).
    Gone,
    /// As often as may be.
    GaveUp,
    /// It is no longer so: the run was retried or deleted meanwhile.
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

/// An event and how far its delivery has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub generation: i32,
    pub event: WebhookEvent,
    #[serde(default)]
    pub attempts: i32,
    #[serde(with = "millis")]
    pub next_attempt_at: Timestamp,
    /// None while it is to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<DeliveryOutcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl Delivery {
    /// The place in the order of sending.
    #[must_use]
    pub fn position(&self) -> (i32, i32) {
        (self.generation, self.event.place())
    }
}

/// An event that is to be sent now, by whoever holds this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    pub run: RunId,
    pub generation: i32,
    pub event: WebhookEvent,
    /// This one included.
    pub attempt: i32,
    /// The receiver has said that it wants to hear no more of the run.
    pub is_gone: bool,
}

/// Deliveries by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryCounts {
    pub pending: u64,
    pub delivered: u64,
    pub gone: u64,
    pub gave_up: u64,
    /// Whole seconds since the oldest pending one was written down.
    pub oldest_pending_seconds: u64,
}

/// A store that keeps, with its runs, what the frontend is still to be told.
///
/// # Invariants
///
/// * An event is written with its state change, or neither is.
/// * Of a run, an event is handed out only when all before it are settled.
/// * What was handed out is handed out again only after the time that was asked for.
#[async_trait]
pub trait Outbox: Store {
    /// Hands out events that are due, at most one a run, and nobody else for so long.
    async fn claim_due(
        &self,
        limit: usize,
        visibility_timeout: Duration,
    ) -> Result<Vec<DueDelivery>, StorageError>;

    /// It is not sent again. `Gone` settles all that is left of the run.
    async fn ack(
        &self,
        due: &DueDelivery,
        outcome: DeliveryOutcome,
        error: Option<&str>,
    ) -> Result<(), StorageError>;

    /// It is sent again after a while, and so is what comes after it.
    async fn postpone(&self, due: &DueDelivery, wait: Duration, error: &str) -> Result<(), StorageError>;

    /// Sends everything of the run once more, what had been settled and what had never been written down.
    async fn replay(
        &self,
        run: &RunId,
        generation: i32,
        events: &[WebhookEvent],
    ) -> Result<usize, StorageError>;

    /// What there is of a run, in order.
    async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>, StorageError>;

    /// All of them, counted.
    async fn count_deliveries(&self) -> Result<DeliveryCounts, StorageError>;

    /// Takes over what another store was still to tell, and what it had told.
    async fn import_deliveries(&self, run: &RunId, deliveries: &[Delivery]) -> Result<(), StorageError>;
}
