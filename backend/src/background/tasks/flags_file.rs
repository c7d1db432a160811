//! Reads `FLAGS_FILE` again and again.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    flags::FlagSource,
};

/// inotify does not see every kind of mount, and half a second is soon enough for a person.
const PERIOD: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct FlagsFile {
    pub flags: FlagSource,
}

#[async_trait]
impl Task for FlagsFile {
    fn name(&self) -> &'static str {
        "flags_file"
    }

    fn schedule(&self) -> Schedule {
        // The flags were read when they were made.
        Schedule::every(PERIOD).after_a_period()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "flags_file_unreadable", task = self.name(), %error, "FLAGS_FILE was not read; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let flags = self.flags.clone();
        // A file on a dead mount must not hold up the other tasks of this thread.
        let read = tokio::task::spawn_blocking(move || flags.look()).await;
        read.map_err(|error| TaskError(error.to_string()))?;
        Ok(Outcome::done(if self.flags.alarm().is_some() {
            "the file is not believed; the last good flags stay"
        } else {
            "read"
        }))
    }
}
