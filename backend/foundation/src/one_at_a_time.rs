//! One call at a time to a disk that may hang. A call to such a disk never ends, and each keeps a thread.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Lets one call through at a time. Clones share the turn.
#[derive(Debug, Clone)]
pub struct OneAtATime(Arc<Semaphore>);

/// The turn of one call. The thread of the call keeps it, also after its caller has given up.
#[derive(Debug)]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Default for OneAtATime {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl OneAtATime {
    /// Waits until the last call has ended. None if it has not ended in time.
    pub async fn turn(&self, limit: Duration) -> Option<Turn> {
        let permit = timeout(limit, self.0.clone().acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_lasts_until_its_call_ends() {
        let calls = OneAtATime::default();
        let turn = calls.turn(Duration::ZERO).await.unwrap();
        assert!(calls.clone().turn(Duration::from_secs(60)).await.is_none());
        drop(turn);
        assert!(calls.turn(Duration::ZERO).await.is_some());
    }
}
