//! Limits how many accepted runs may wait. Beyond the limit, the service refuses a run at once.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use tokio::sync::Mutex;

use crate::worker::Worker;
use storage::{QueueStats, router::Router};

/// How long a count is reused. Runs that this process accepts meanwhile are added to it.
const COUNT_VALID: Duration = Duration::from_secs(1);

/// The queue and its limit.
#[derive(Debug)]
pub struct Admission {
    router: Arc<Router>,
    worker: Worker,
    /// None without a database.
    queue_stats: Option<Arc<dyn QueueStats>>,
    clock: Arc<dyn Clock>,
    runs_max: usize,
    counted: Mutex<Option<Counted>>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Duration,
    /// None if the runs could not be counted.
    waiting: Option<usize>,
}

impl Admission {
    #[must_use]
    pub fn new(
        router: Arc<Router>,
        worker: Worker,
        queue_stats: Option<Arc<dyn QueueStats>>,
        clock: Arc<dyn Clock>,
        runs_max: usize,
    ) -> Self {
        Self { router, worker, queue_stats, clock, runs_max, counted: Mutex::default() }
    }

    /// Whether the queue is full. If it cannot be counted, it counts as not full, and acceptance shows
    /// whether storage works.
    pub async fn is_full(&self) -> bool {
        // Held while counting, so that of many concurrent callers one counts.
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

    /// Records an accepted run that no worker executes yet.
    pub async fn note_waiting(&self) {
        if let Some(Counted { waiting: Some(waiting), .. }) = &mut *self.counted.lock().await {
            *waiting += 1;
        }
    }

    /// Counts in the database if the mode has one. With files alone, it counts the open runs minus the active
    /// ones.
    async fn count(&self) -> Option<usize> {
        match &self.queue_stats {
            Some(stats) if self.router.writes_database() => stats.queue_depth(self.runs_max).await.ok(),
            _ if self.router.writes_files_alone() => {
                let open = self.router.files().open_count().await.ok()?;
                Some(open.saturating_sub(self.worker.active_count()))
            }
            _ => None,
        }
    }
}
