//! The bulkhead in front of a store: a burst of thousands of calls waits in a queue, first come, first served, outside of each
//! call's own time limit. Without it a process would exhaust its connections alone, and take its own load for an outage.
//!
//! A queue that does not move means that the store does not answer. Then all waiters leave.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};

use crate::clock::timer_now;

/// Admits so many calls at once.
#[derive(Debug)]
pub struct Bulkhead {
    /// Fair, and never closed.
    places: Semaphore,
    timeout: Duration,
    /// When the store last answered a call.
    moved_at: Mutex<Option<Instant>>,
}

/// The store has answered no call for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has answered none of its callers within {0:?}")]
pub struct Stuck(pub Duration);

/// The right to use the store, until dropped.
#[derive(Debug)]
pub struct Pass<'b> {
    bulkhead: &'b Bulkhead,
    _place: Option<SemaphorePermit<'b>>,
}

impl Bulkhead {
    /// Admits `at_once` calls. The queue counts as moving as long as the store answers some call within `timeout`.
    #[must_use]
    pub fn new(at_once: usize, timeout: Duration) -> Self {
        Self { places: Semaphore::new(at_once.max(1)), timeout, moved_at: Mutex::default() }
    }

    /// Waits for a place.
    ///
    /// # Errors
    ///
    /// [`Stuck`] if the queue does not move.
    pub async fn wait(&self) -> Result<Pass<'_>, Stuck> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(Pass { bulkhead: self, _place: Some(place) });
        }
        let began = timer_now();
        let place = self.places.acquire();
        tokio::pin!(place);
        loop {
            let stuck_at = self.moved_at().map_or(began, |moved_at| moved_at.max(began)) + self.timeout;
            if stuck_at <= timer_now() {
                return Err(Stuck(self.timeout));
            }
            tokio::select! {
                place = &mut place => return Ok(Pass { bulkhead: self, _place: place.ok() }),
                () = sleep_until(stuck_at) => {}
            }
        }
    }

    fn moved_at(&self) -> Option<Instant> {
        *self.moved_at.lock()
    }
}

impl Pass<'_> {
    /// The store has answered: the queue moves.
    pub fn answered(&self) {
        *self.bulkhead.moved_at.lock() = Some(timer_now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_moving_queue_is_waited_in_without_limit() {
        let bulkhead = Arc::new(Bulkhead::new(2, TIMEOUT));
        let began = timer_now();
        let callers = (0..200).map(|_| {
            let bulkhead = bulkhead.clone();
            tokio::spawn(async move {
                let pass = bulkhead.wait().await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                pass.answered();
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
        assert_eq!(began.elapsed().as_secs(), 100, "two at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_queue_times_out_for_all() {
        let bulkhead = Bulkhead::new(1, TIMEOUT);
        let first = bulkhead.wait().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        first.answered();
        let began = timer_now();
        let waiting = futures_util::future::join_all((0..50).map(|_| bulkhead.wait())).await;
        assert!(waiting.iter().all(Result::is_err));
        assert_eq!(began.elapsed(), TIMEOUT);
        drop((first, waiting));
        assert!(bulkhead.wait().await.is_ok(), "who left the line does not hold it up");
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_are_served_in_order() {
        let bulkhead = Arc::new(Bulkhead::new(1, TIMEOUT));
        let first = bulkhead.wait().await.unwrap();
        let served = Arc::new(Mutex::new(Vec::new()));
        let mut callers = Vec::new();
        for number in 0..10 {
            let (bulkhead, served) = (bulkhead.clone(), served.clone());
            callers.push(tokio::spawn(async move {
                let _pass = bulkhead.wait().await.unwrap();
                served.lock().push(number);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(*served.lock(), (0..10).collect::<Vec<_>>());
    }
}
