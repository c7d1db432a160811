//! Removes answers after `ANSWER_CACHE_DAYS`, and those that no run uses any more.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    answer_cache::AnswerAdmin,
    background::{Outcome, Pass, Schedule, Task, TaskError},
};

/// A deleted run's answers must not stay for long, also if the frontend deleted its row. A pass takes milliseconds.
const PERIOD: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct ExpireAnswers {
    pub answers: AnswerAdmin,
}

#[async_trait]
impl Task for ExpireAnswers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "answer_sweep_failed", task = self.name(), %error, "not all cached answers that are too old or unused could be removed; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let removed = self.answers.expire().await?;
        if removed > 0 {
            tracing::info!(
                event = "answers_removed",
                removed,
                audit = "expired",
                "cached answers removed that are too old or that no run uses (ANSWER_CACHE_DAYS)"
            );
        }
        Ok(Outcome::done(format!("{removed} answers removed")))
    }
}
