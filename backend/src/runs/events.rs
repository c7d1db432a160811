//! The events of a run. They are derived from its stored state, so any replica derives the same ones, and no
//! store keeps them.
//!
//! Each event has a fixed number within the generation: 1 accepted, 2 to 5 the stages, 6 the end. So a client
//! can continue on any replica after the last event that it has seen. A retry starts a new generation: the
//! stream repeats the acceptance and the stored stages under it. Unseen events of the earlier generation are
//! not sent any more.

use std::{fmt, str::FromStr};

use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus, Stage},
};

use storage::{Mark, RunRecord, StoredIn};

const ACCEPTED: u8 = 1;
const ENDED: u8 = 6;

/// The position of an event in its run: `generation.number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    pub generation: i32,
    number: u8,
}

/// The text is not an [`EventId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event's id is the run's generation, a dot, and a number from {ACCEPTED} to {ENDED}, such as 1.3")]
pub struct EventIdError;

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let is_plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit()) && !part.starts_with('0');
        let (generation, number) = text.split_once('.').ok_or(EventIdError)?;
        if !is_plain(generation) || !is_plain(number) {
            return Err(EventIdError);
        }
        let generation = generation.parse().map_err(|_| EventIdError)?;
        let number = number.parse().map_err(|_| EventIdError)?;
        if (ACCEPTED..=ENDED).contains(&number) { Ok(Self { generation, number }) } else { Err(EventIdError) }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.number)
    }
}

/// One state change of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEvent {
    pub id: EventId,
    pub kind: EventKind,
}

/// The kind of a state change.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    Accepted,
    Stage(StageProgress),
    Ended,
}

/// A stored stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageProgress {
    pub stage: Stage,
    pub started_at: Timestamp,
    pub completed_at: Timestamp,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub run_id: RunId,
    pub generation: i32,
    pub status: RunStatus,
    /// None for a row that nobody submitted to `/run`.
    pub accepted_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub stages: Vec<StageProgress>,
    pub failure: Option<RunFailure>,
    /// The stores that hold the run.
    pub stored_in: StoredIn,
}

impl Progress {
    #[must_use]
    pub fn of(snapshot: RunRecord) -> Self {
        let stored = |(stage, held): (&Stage, &storage::StoredStage)| StageProgress {
            stage: *stage,
            started_at: held.record.meta.started_at,
            completed_at: held.record.meta.finished_at,
        };
        Self {
            stages: snapshot.stages.iter().map(stored).collect(),
            run_id: snapshot.id,
            generation: snapshot.generation,
            status: snapshot.status,
            accepted_at: snapshot.accepted_at,
            finished_at: snapshot.finished_at,
            failure: snapshot.failure,
            stored_in: snapshot.stored_in,
        }
    }

    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.status != RunStatus::Processing
    }

    /// The mark that the database should report for this progress.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { generation: self.generation, status: self.status, stages: self.stages.len() }
    }

    /// The events after a given one, in order.
    #[must_use]
    pub fn events_after(&self, last: Option<EventId>) -> Vec<RunEvent> {
        let event = |number, kind| RunEvent { id: EventId { generation: self.generation, number }, kind };
        let accepted = self.accepted_at.map(|_| event(ACCEPTED, EventKind::Accepted));
        let stages = self
            .stages
            .iter()
            .map(|stored| event(ACCEPTED + stored.stage.number(), EventKind::Stage(*stored)));
        let ended = self.has_ended().then(|| event(ENDED, EventKind::Ended));
        accepted.into_iter().chain(stages).chain(ended).filter(|event| Some(event.id) > last).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(generation: i32, stages: usize, status: RunStatus) -> Progress {
        let stored = |stage: &Stage| StageProgress {
            stage: *stage,
            started_at: Timestamp::default(),
            completed_at: Timestamp::default(),
        };
        Progress {
            run_id: RunId::parse("r1").unwrap(),
            generation,
            status,
            accepted_at: Some(Timestamp::default()),
            finished_at: None,
            stages: Stage::ALL.iter().take(stages).map(stored).collect(),
            failure: None,
            stored_in: StoredIn::DATABASE,
        }
    }

    fn ids(progress: &Progress, last: Option<&str>) -> Vec<String> {
        let last = last.map(|id| id.parse().unwrap());
        progress.events_after(last).iter().map(|event| event.id.to_string()).collect()
    }

    #[test]
    fn seen_events_are_skipped_and_generations_restart() {
        let running = progress(1, 2, RunStatus::Processing);
        assert_eq!(ids(&running, None), ["1.1", "1.2", "1.3"]);
        assert_eq!(ids(&running, Some("1.2")), ["1.3"]);
        assert!(ids(&running, Some("1.3")).is_empty());
        let failed = progress(1, 2, RunStatus::Failed);
        assert_eq!(ids(&failed, Some("1.3")), ["1.6"]);
        assert!(ids(&failed, Some("1.6")).is_empty());
        let again = progress(2, 4, RunStatus::Completed);
        assert_eq!(ids(&again, Some("1.6")), ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6"]);
        let never_asked_for = Progress { accepted_at: None, ..progress(1, 0, RunStatus::Processing) };
        assert!(ids(&never_asked_for, None).is_empty());
    }

    #[test]
    fn an_id_is_two_plain_numbers() {
        for text in ["1.1", "2.6", "2147483647.3"] {
            assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
        }
        let bad = [
            "",
            "1",
            ".",
            "1.",
            ".1",
            "0.1",
            "1.0",
            "1.7",
            "1.1.1",
            "-1.1",
            "+1.1",
            "01.1",
            "1.01",
            " 1.1",
            "2147483648.1",
            "1.x",
        ];
        for text in bad {
            assert_eq!(text.parse::<EventId>(), Err(EventIdError), "{text:?}");
        }
    }
}
