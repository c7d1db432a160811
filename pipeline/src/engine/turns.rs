//! Turns between a model's answer and its storage. Thousands of answers may come at once; a run that works on its answer has
//! its stages as values, many times as large as what it keeps while it waits.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Enough for two full statements that stages share, and then some for each further core.
const TURNS_MIN: usize = 128;
const TURNS_A_CORE: usize = 64;

/// A store that takes longer than this is away, or somebody holds the row. Then the turn goes to another run.
const STORED_WITHIN: Duration = Duration::from_secs(2);

/// A run that is stopped has some seconds left. Turns change hands within milliseconds, unless the store is away.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);

/// How many runs work on their answers at the same time. Engines of one process share it.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::new((cores * TURNS_A_CORE).max(TURNS_MIN))
    }
}

impl Turns {
    #[must_use]
    pub fn new(turns: usize) -> Self {
        Self(Arc::new(Semaphore::new(turns)))
    }

    /// Waits for a turn. A run that is stopped waits for a moment only: its answer was paid for, and is to be stored before the
    /// end.
    pub(super) async fn take(&self, cancel: &CancellationToken) -> Turn {
        let patience = async {
            cancel.cancelled().await;
            sleep(STOPPED_WITHIN).await;
        };
        let permit = tokio::select! {
            biased;
            // Nobody closes the semaphore.
            permit = self.0.clone().acquire_owned() => permit.ok(),
            () = patience => None,
        };
        Turn(permit)
    }
}

/// The turn of a run. It ends when it is dropped.
#[derive(Debug, Default)]
pub struct Turn(Option<OwnedSemaphorePermit>);

impl Turn {
    /// Whether the run has to wait for a turn before it goes on.
    pub(super) const fn is_over(&self) -> bool {
        self.0.is_none()
    }

    /// Waits until something is stored, and gives the turn back if that takes long.
    pub async fn store<T>(&mut self, storing: impl Future<Output = T>) -> T {
        let mut storing = std::pin::pin!(storing);
        if self.0.is_some() {
            if let Ok(stored) = timeout(STORED_WITHIN, &mut storing).await {
                return stored;
            }
            self.0 = None;
        }
        storing.await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_holds_no_turn() {
        let (turns, cancel) = (Turns::new(1), CancellationToken::new());
        let mut first = turns.take(&cancel).await;
        let second = turns.take(&cancel);
        tokio::pin!(second);
        assert!(timeout(Duration::from_secs(60), &mut second).await.is_err(), "there is one turn");
        tokio::select! {
            () = first.store(pending()) => unreachable!(),
            turn = second => assert!(turn.0.is_some()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_run_waits_for_no_turn() {
        let (turns, cancel) = (Turns::new(1), CancellationToken::new());
        let _held = turns.take(&cancel).await;
        cancel.cancel();
        assert!(turns.take(&cancel).await.0.is_none());
    }
}
