//! How a task stands.

use std::{borrow::Cow, sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::{Clock, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use storage::optional_millis;

use super::outcome::{Outcome, TaskError};

/// The present step of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// For its next pass.
    Waiting,
    /// A pass is under way.
    Running,
    /// No further pass will begin.
    Ended,
}

/// One background task, as health shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TaskStatus {
    pub name: &'static str,
    pub state: TaskState,
    /// None before the first pass.
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub last_started_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub last_ended_at: Option<Timestamp>,
    pub last_duration_ms: Option<u64>,
    /// A sentence for people; none before the first pass has ended.
    pub last_result: Option<Cow<'static, str>>,
    pub failures_in_a_row: u32,
    /// None while a pass is under way, and for a task that waits until it is woken.
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub next_run_at: Option<Timestamp>,
}

/// A task's status while it changes.
#[derive(Debug)]
pub(super) struct StatusCell {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    status: TaskStatus,
    /// When the pass under way began, by the monotonic clock.
    began: Duration,
    /// Of the last pass.
    error: Option<TaskError>,
}

impl StatusCell {
    pub(super) fn new(name: &'static str, clock: Arc<dyn Clock>) -> Self {
        let status = TaskStatus {
            name,
            state: TaskState::Waiting,
            last_started_at: None,
            last_ended_at: None,
            last_duration_ms: None,
            last_result: None,
            failures_in_a_row: 0,
            next_run_at: None,
        };
        Self { clock, inner: Mutex::new(Inner { status, began: Duration::ZERO, error: None }) }
    }

    /// The next pass begins after this wait; none: when the task is woken.
    pub(super) fn waits(&self, wait: Option<Duration>) {
        let wait = wait.and_then(|wait| chrono::TimeDelta::from_std(wait).ok());
        let next = wait.and_then(|wait| self.clock.now().checked_add_signed(wait));
        let mut inner = self.inner.lock();
        inner.status.state = TaskState::Waiting;
        inner.status.next_run_at = next;
    }

    pub(super) fn begins(&self) {
        let (now, began) = (self.clock.now(), self.clock.monotonic());
        let mut inner = self.inner.lock();
        inner.began = began;
        inner.status.state = TaskState::Running;
        inner.status.last_started_at = Some(now);
        inner.status.next_run_at = None;
    }

    /// The pass works: an outage before it is over.
    pub(super) fn works(&self, result: Cow<'static, str>) {
        let mut inner = self.inner.lock();
        inner.error = None;
        inner.status.last_result = Some(result);
        let failures = std::mem::take(&mut inner.status.failures_in_a_row);
        let name = inner.status.name;
        drop(inner);
        if failures > 0 {
            tracing::info!(
                event = "background_task_recovered",
                task = name,
                failures,
                "the task works again"
            );
        }
    }

    /// The pass has ended; returns the failures in a row.
    pub(super) fn ends(&self, result: &Result<Outcome, TaskError>) -> u32 {
        match result {
            Ok(Outcome::Done(words)) => self.works(words.clone()),
            Ok(Outcome::Finished(words)) => self.works((*words).into()),
            Ok(Outcome::Skipped(_)) | Err(_) => {}
        }
        let (now, at) = (self.clock.now(), self.clock.monotonic());
        let mut inner = self.inner.lock();
        let took = at.saturating_sub(inner.began);
        inner.status.last_ended_at = Some(now);
        inner.status.last_duration_ms = u64::try_from(took.as_millis()).ok();
        match result {
            Ok(Outcome::Skipped(reason)) => {
                inner.error = None;
                inner.status.last_result = Some((*reason).into());
            }
            Err(error) => {
                inner.error = Some(error.clone());
                inner.status.failures_in_a_row = inner.status.failures_in_a_row.saturating_add(1);
            }
            Ok(Outcome::Done(_) | Outcome::Finished(_)) => {}
        }
        inner.status.failures_in_a_row
    }

    pub(super) fn ended(&self) {
        let mut inner = self.inner.lock();
        inner.status.state = TaskState::Ended;
        inner.status.next_run_at = None;
    }

    pub(super) fn show(&self, with_reasons: bool) -> TaskStatus {
        let inner = self.inner.lock();
        let mut status = inner.status.clone();
        if let Some(error) = &inner.error {
            status.last_result = Some(if with_reasons {
                format!("failed: {error}").into()
            } else {
                "failed; the log has the reason".into()
            });
        }
        status
    }
}
