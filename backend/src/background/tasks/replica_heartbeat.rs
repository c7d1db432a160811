//! Writes this replica's heartbeat to the registry, and removes the replica from it at the end.

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    replicas::ReplicaHeartbeat,
};

#[derive(Debug)]
pub struct WriteHeartbeat {
    pub heartbeat: ReplicaHeartbeat,
}

#[async_trait]
impl Task for WriteHeartbeat {
    fn name(&self) -> &'static str {
        "replica_heartbeat"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(self.heartbeat.interval())
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "heartbeat_failed", task = self.name(), %error, "the heartbeat could not be written to the replica registry; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        Ok(match self.heartbeat.write().await? {
            Some(true) => Outcome::done("written; there are other replicas"),
            Some(false) => Outcome::done("written; there is no other replica"),
            None => Outcome::Skipped("the database is switched off or away"),
        })
    }

    async fn stopped(&mut self) {
        self.heartbeat.leave().await;
    }
}
