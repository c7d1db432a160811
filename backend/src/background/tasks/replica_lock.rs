//! Announces this replica on its disk, until the disk takes it. The lock lasts as long as the process.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    replicas::DiskReplicas,
};

/// Between two tries on a disk that refuses.
const PERIOD: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct LockReplica {
    pub disk: DiskReplicas,
}

#[async_trait]
impl Task for LockReplica {
    fn name(&self) -> &'static str {
        "replica_lock"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "replica_lock_failed", task = self.name(), %error, "this replica could not be announced on its disk; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        match self.disk.enter().await {
            Ok(true) => Ok(Outcome::Finished("announced; the last replica of this disk died alone")),
            Ok(false) => Ok(Outcome::Finished("announced")),
            Err(error) => Err(TaskError(error.to_string())),
        }
    }
}
