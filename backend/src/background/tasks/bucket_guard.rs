//! Asks a bucket, until it answers, whether its files guard against running twice. Until then, and if the answer is no,
//! files are treated as one process's own: see `SINGLE_REPLICA`.

use std::time::Duration;

use async_trait::async_trait;
use storage::files::FileStore;

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// Between two questions to a bucket that does not answer.
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct BucketGuard {
    pub files: FileStore,
}

#[async_trait]
impl Task for BucketGuard {
    fn name(&self) -> &'static str {
        "bucket_guard"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "bucket_guard_check_failed", task = self.name(), %error, "the bucket could not be asked for conditional puts; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let is_confirmed = self.files.check_create_if_absent().await?;
        let place = self.files.place();
        if is_confirmed {
            tracing::info!(
                event = "bucket_guard_confirmed",
                place,
                "the bucket refuses what is there already: all replicas may accept runs by file"
            );
            Ok(Outcome::Finished("the bucket refuses what is there already"))
        } else {
            tracing::error!(
                event = "bucket_guard_missing",
                place,
                "the bucket takes conditional puts without their conditions: its files are no guard among replicas"
            );
            Ok(Outcome::Finished("the bucket takes conditional puts without their conditions"))
        }
    }
}
