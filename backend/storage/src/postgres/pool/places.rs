//! How many connections may be in use: the configured number, less what the server refuses.
//!
//! A server may admit fewer connections than the pool's size: a small plan, a limit of the role, or older replicas
//! that are still there during a deployment. Then a caller waits for a connection in use, as in a smaller pool.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use foundation::clock::timer_now;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// After this time, the pool tries one more connection. An attempt costs its caller one refused login.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The places of a pool. A caller holds one while it uses a connection.
#[derive(Debug)]
pub(super) struct Places {
    /// Fair, and never closed.
    free: Arc<Semaphore>,
    all: u32,
    waiting: AtomicU32,
    state: Mutex<State>,
}

/// Counts a caller that waits, until it is dropped.
struct Waits<'p>(&'p AtomicU32);

impl<'p> Waits<'p> {
    fn new(waiting: &'p AtomicU32) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct State {
    /// Places for which the server has admitted no connection.
    withheld: u32,
    /// When the pool tries one more.
    retry_at: Option<Instant>,
    /// When a caller last returned a working connection.
    moved_at: Option<Instant>,
}

/// The reason for which a caller got no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Callers return connections, but too many callers wait.
    Busy,
    /// No caller has returned a connection for a whole wait.
    Stuck,
}

impl Places {
    pub(super) fn new(all: u32) -> Self {
        let all = all.max(1);
        let free = Arc::new(Semaphore::new(usize::try_from(all).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { free, all, waiting: AtomicU32::new(0), state: Mutex::default() }
    }

    /// Waits for a place until `deadline`.
    pub(super) async fn take(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, NoPlace> {
        let began = timer_now();
        self.retry_when_due(began);
        if let Ok(place) = self.free.clone().try_acquire_owned() {
            return Ok(place);
        }
        let _waits = Waits::new(&self.waiting);
        match timeout_at(deadline, self.free.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ if self.state.lock().moved_at.is_some_and(|moved_at| moved_at >= began) => Err(NoPlace::Busy),
            _ => Err(NoPlace::Stuck),
        }
    }

    /// How many callers wait for a place.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether no place is free.
    pub(super) fn is_exhausted(&self) -> bool {
        self.free.available_permits() == 0
    }

    /// Whether no place is withheld.
    pub(super) fn has_room(&self) -> bool {
        self.state.lock().withheld == 0
    }

    /// A place that nobody waits for, if the server has lately refused no connection.
    pub(super) fn spare(&self) -> Option<OwnedSemaphorePermit> {
        if self.has_room() { self.free.clone().try_acquire_owned().ok() } else { None }
    }

    /// Takes the place out of use, because the server admits no further connection. At least one place stays.
    pub(super) fn withhold(&self, place: OwnedSemaphorePermit) {
        let mut state = self.state.lock();
        if state.withheld + 1 < self.all {
            state.withheld += 1;
            place.forget();
        }
        state.retry_at = Some(timer_now() + RETRY_AFTER);
    }

    /// Records that a new connection was admitted, so the server may admit more.
    pub(super) fn admitted(&self) {
        let mut state = self.state.lock();
        if state.withheld > 0 {
            state.retry_at = Some(timer_now());
        }
    }

    /// Records that a caller returned a working connection.
    pub(super) fn moved(&self) {
        self.state.lock().moved_at = Some(timer_now());
    }

    fn retry_when_due(&self, now: Instant) {
        let mut state = self.state.lock();
        if state.withheld > 0 && state.retry_at.is_none_or(|retry_at| retry_at <= now) {
            state.withheld -= 1;
            state.retry_at = Some(now + RETRY_AFTER);
            self.free.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        timer_now() + Duration::from_millis(100)
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_place_returns_after_a_while() {
        let places = Places::new(2);
        let used = places.take(soon()).await.unwrap();
        places.withhold(places.take(soon()).await.unwrap());
        assert_eq!(places.take(soon()).await.unwrap_err(), NoPlace::Stuck);
        places.withhold(used);
        assert!(places.take(soon()).await.is_ok(), "the last place stays");
        tokio::time::advance(RETRY_AFTER).await;
        let both = (places.take(soon()).await, places.take(soon()).await);
        assert!(both.0.is_ok() && both.1.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_moving_crowd_is_busy_not_stuck() {
        let places = Places::new(1);
        let _used = places.take(soon()).await.unwrap();
        let (taken, ()) = tokio::join!(places.take(soon()), async { places.moved() });
        assert_eq!(taken.unwrap_err(), NoPlace::Busy);
    }
}
