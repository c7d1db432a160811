//! Reads the keys of the database, and writes when they were used.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    access::KeyReader,
    background::{Outcome, Pass, Schedule, Task, TaskError},
    flags::FlagSource,
};

/// A revoked key must open no replica after 2.5 s, also where no notification arrives. A pass takes milliseconds.
const PERIOD: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct ReadKeys {
    pub reader: KeyReader,
    pub flags: FlagSource,
}

#[async_trait]
impl Task for ReadKeys {
    fn name(&self) -> &'static str {
        "keys"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "keys_unreadable", task = self.name(), %error, "the keys of the database were not read; known ones stay valid for a day; will retry");
    }

    async fn woken(&mut self) {
        self.reader.ring.changed().await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        self.reader.look_at_cache().await;
        if !self.flags.effective().asks_database() {
            return Ok(Outcome::Skipped(
                "FLAGS_FILE or the environment keeps this process away from the database",
            ));
        }
        let keys = self.reader.read().await?;
        Ok(Outcome::done(format!("{keys} keys")))
    }
}
