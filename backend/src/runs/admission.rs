//! How many accepted runs may wait: beyond that, a client hears at once that it is too much.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use tokio::sync::Mutex;

use crate::worker::Worker;
use storage::{ReplicaRegistry, mode::Mode, router::Router};

/// How long a count is good for; what this process adds meanwhile is added to it.
const COUNT_VALID: Duration = Duration::from_secs(1);

/// The queue and its limit.
#[derive(Debug)]
pub struct Admission {
    router: Arc<Router>,
    worker: Worker,
    /// None without a database.
    census: Option<Arc<dyn ReplicaRegistry>>,
    clock: Arc<dyn Clock>,
    runs_max: usize,
    counted: Mutex<Option<Counted>>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Duration,
    /// None where nobody could tell.
    waiting: Option<usize>,
}

impl Admission {
    #[must_use]
    pub fn new(
        router: Arc<Router>,
        worker: Worker,
        census: Option<Arc<dyn ReplicaRegistry>>,
        clock: Arc<dyn Clock>,
        runs_max: usize,
    ) -> Self {
        Self { router, worker, census, clock, runs_max, counted: Mutex::default() }
    }

    /// Whether as many runs wait as may. What cannot be counted is not full: whether storage takes a run is found out
    /// by giving it one.
    pub async fn is_full(&self) -> bool {
        // Held while counting: of many who ask at once, one counts.
        let mut counted = self.counted.lock().await;
        let now = self.clock.monotonic();
        let waiting = match *counted {
            Some(counted) if now.saturating_sub(counted.at) < COUNT_VALID => counted.waiting,
            _ => {
                let waiting = self.count().await;
                *counted = Some(Counted { at: self.clock.monotonic(), waiting });
                waiting
            }
        };
        waiting.is_some_and(|waiting| waiting >= self.runs_max)
    }

    /// A run has been accepted that nobody works on yet.
    pub async fn note_waiting(&self) {
        if let Some(Counted { waiting: Some(waiting), .. }) = &mut *self.counted.lock().await {
            *waiting += 1;
        }
    }

    /// The database's count where it is asked; where files alone hold the work, theirs less what is worked on.
    async fn count(&self) -> Option<usize> {
        match (&self.census, self.router.state().effective_mode) {
            (Some(census), mode) if mode.has_database() => census.queue_depth(self.runs_max).await.ok(),
            (_, Mode::FileOnly) => {
                let open = self.router.files().open_count().await.ok()?;
                Some(open.saturating_sub(self.worker.active_count()))
            }
            _ => None,
        }
    }
}
