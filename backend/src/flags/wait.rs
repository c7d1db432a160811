//! Waits for the replicas after a change of a flag.

use std::time::Duration;

use storage::{StorageError, StorageErrorKind, control_plane::ReplicaAck};
use tokio::time::timeout;

use super::control::{FlagControl, FlagError};

/// How often the acknowledgements are read while somebody waits for them.
const ACKS_EVERY: Duration = Duration::from_millis(150);

/// How long one look at the acknowledgements may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// The replicas at the end of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOutcome {
    pub replicas: Vec<ReplicaAck>,
    /// The live replicas that have not applied the revision.
    pub missing: Vec<String>,
}

impl FlagControl {
    /// Waits until every live replica has applied a revision, for a limited time.
    ///
    /// # Errors
    ///
    /// [`FlagError::NoDatabase`], and [`FlagError::Unavailable`] if the last look at the acknowledgements failed.
    pub async fn wait(&self, revision: u64, limit: Duration) -> Result<WaitOutcome, FlagError> {
        let store = self.store()?;
        let began = self.clock.monotonic();
        loop {
            let looked = timeout(LOOK_TIMEOUT, store.acknowledgements()).await.unwrap_or_else(|_| {
                Err(StorageError::new(StorageErrorKind::Unavailable, "no answer from the database in time"))
            });
            let is_over = self.clock.monotonic().saturating_sub(began) >= limit;
            match looked {
                Ok(replicas) => {
                    let missing: Vec<_> = replicas
                        .iter()
                        .filter(|replica| replica.revision.is_none_or(|applied| applied < revision))
                        .map(|replica| replica.replica.clone())
                        .collect();
                    if missing.is_empty() || is_over {
                        return Ok(WaitOutcome { replicas, missing });
                    }
                }
                Err(error) if is_over => return Err(error.into()),
                Err(_) => {}
            }
            tokio::time::sleep(ACKS_EVERY).await;
        }
    }
}
