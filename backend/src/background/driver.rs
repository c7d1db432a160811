//! The driver: waits, runs a pass, remembers how it went, and waits again.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use pipeline::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::{
    outcome::{Outcome, TaskError},
    status::StatusCell,
    task::{Pass, Task},
};

/// Runs a task until it has finished, or until told to stop. The status is nobody's.
pub async fn drive(task: impl Task, stop: CancellationToken, clock: Arc<dyn Clock>) {
    let status = Arc::new(StatusCell::new(task.name(), clock));
    run(task, stop, status).await;
}

pub(super) async fn run(mut task: impl Task, stop: CancellationToken, status: Arc<StatusCell>) {
    let mut wait = task.schedule().first_wait();
    loop {
        status.waits(wait);
        if !may_begin(&mut task, wait, &stop).await {
            break;
        }
        status.begins();
        let Some(result) = pass(&mut task, &stop, &status).await else { break };
        let failures = status.ends(&result);
        if let Err(error) = &result
            && failures == 1
        {
            // Once an outage, not once a pass.
            task.log_outage(error);
        }
        if matches!(result, Ok(Outcome::Finished(_))) {
            break;
        }
        // A pass that was skipped is no failure, even where an outage lasts.
        wait = task.schedule().wait(if result.is_err() { failures } else { 0 });
    }
    task.stopped().await;
    status.ended();
}

/// Waits for the next pass; false if the task has to end instead.
async fn may_begin(task: &mut impl Task, wait: Option<Duration>, stop: &CancellationToken) -> bool {
    let time = async {
        match wait {
            Some(wait) => tokio::time::sleep(wait).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = task.woken() => true,
        () = time => true,
    }
}

/// The result of one pass; none if the task has to end before it.
async fn pass(
    task: &mut impl Task,
    stop: &CancellationToken,
    status: &StatusCell,
) -> Option<Result<Outcome, TaskError>> {
    let pass = Pass { stop, status };
    let is_interruptible = task.is_interruptible();
    // A pass that panics counts as failed, and the task goes on: without the renewal of leases, for example, other replicas
    // would run this process's runs as well.
    let caught = AssertUnwindSafe(task.pass(&pass)).catch_unwind();
    let result = if is_interruptible { stop.run_until_cancelled(caught).await? } else { caught.await };
    Some(result.unwrap_or_else(|_| Err(TaskError("the pass panicked; the log has the place".to_owned()))))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use foundation::{clock::SystemClock, resilience::Backoff};
    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::{
        super::{
            Background, Lifetime,
            status::{TaskState, TaskStatus},
            task::Schedule,
        },
        *,
    };

    const PERIOD: Duration = Duration::from_secs(10);
    const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));

    /// Passes whose results the test sets, and the seconds at which each began.
    #[derive(Debug, Default)]
    struct Record {
        failing: AtomicU32,
        began: Mutex<Vec<u64>>,
        woken: Notify,
        stopped: AtomicU32,
    }

    struct Recorded {
        record: Arc<Record>,
        schedule: Schedule,
        clock: SystemClock,
        lasts: Duration,
    }

    #[async_trait]
    impl Task for Recorded {
        fn name(&self) -> &'static str {
            "recorded"
        }

        fn schedule(&self) -> Schedule {
            self.schedule
        }

        fn log_outage(&self, error: &TaskError) {
            tracing::warn!(event = "recorded_failed", task = self.name(), %error, "the pass failed; will retry");
        }

        async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
            self.record.began.lock().push(self.clock.monotonic().as_secs());
            tokio::time::sleep(self.lasts).await;
            if self.record.failing.load(Ordering::SeqCst) > 0 {
                self.record.failing.fetch_sub(1, Ordering::SeqCst);
                return Err(TaskError("no answer from db.internal".to_owned()));
            }
            Ok(Outcome::done("1 run"))
        }

        async fn woken(&mut self) {
            self.record.woken.notified().await;
        }

        async fn stopped(&mut self) {
            self.record.stopped.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Started {
        background: Background,
        record: Arc<Record>,
        handle: tokio::task::JoinHandle<()>,
    }

    fn start(schedule: Schedule, lasts: Duration, failing: u32) -> Started {
        let record = Arc::new(Record { failing: failing.into(), ..Record::default() });
        let background = Background::new(Arc::new(SystemClock::default()));
        let task = Recorded { record: record.clone(), schedule, clock: SystemClock::default(), lasts };
        let handle = background.start(Lifetime::Signal, task);
        Started { background, record, handle }
    }

    impl Started {
        fn status(&self) -> TaskStatus {
            self.background.statuses(true).remove(0)
        }

        /// With paused time a sleep ends when all other tasks wait.
        async fn at(&self, seconds: u64) -> Vec<u64> {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            self.record.began.lock().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn passes_repeat_after_each_period() {
        let started = start(Schedule::every(PERIOD), Duration::from_secs(2), 0);
        assert_eq!(started.at(30).await, [0, 12, 24]);
        let later = start(Schedule::every(PERIOD).after_a_period(), Duration::ZERO, 0);
        assert_eq!(later.at(25).await, [10, 20]);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_delay_the_next_pass() {
        let started = start(Schedule::every(PERIOD).retry(BACKOFF), Duration::ZERO, 4);
        assert_eq!(started.at(8).await, [0, 1, 3, 7]);
        assert_eq!(started.status().failures_in_a_row, 4);
        assert_eq!(started.at(14).await, [0, 1, 3, 7, 11, 21]);
        assert_eq!(started.status().failures_in_a_row, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_up_begins_a_pass() {
        let started = start(Schedule::when_woken(), Duration::ZERO, 0);
        assert!(started.at(3).await.is_empty());
        started.record.woken.notify_one();
        assert_eq!(started.at(3).await, [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_ends_a_pass_under_way() {
        let started = start(Schedule::every(PERIOD), Duration::from_secs(3600), 0);
        started.at(1).await;
        assert_eq!(started.status().state, TaskState::Running);
        started.background.stop(Lifetime::Signal);
        let Started { background, record, handle } = started;
        handle.await.unwrap();
        assert_eq!(record.stopped.load(Ordering::SeqCst), 1);
        assert_eq!(background.statuses(true)[0].state, TaskState::Ended);
    }

    #[tokio::test(start_paused = true)]
    async fn only_developers_see_reasons() {
        let started = start(Schedule::every(PERIOD), Duration::from_millis(5), 1);
        started.at(1).await;
        let [shown, hidden] = [true, false].map(|with_reasons| started.background.statuses(with_reasons));
        assert!(shown[0].last_result.as_deref().unwrap().contains("db.internal"));
        assert!(!hidden[0].last_result.as_deref().unwrap().contains("db.internal"));
        assert_eq!(shown[0].last_duration_ms, Some(5));
        assert!(shown[0].next_run_at > shown[0].last_ended_at);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_pass_is_retried() {
        struct Panicking(Arc<AtomicU32>);

        #[async_trait]
        impl Task for Panicking {
            fn name(&self) -> &'static str {
                "panicking"
            }

            fn schedule(&self) -> Schedule {
                Schedule::every(PERIOD).retry(BACKOFF)
            }

            fn log_outage(&self, error: &TaskError) {
                tracing::warn!(event = "recorded_failed", task = self.name(), %error, "the pass failed; will retry");
            }

            async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
                assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "the first pass panics");
                Ok(Outcome::Finished("the second pass does not"))
            }
        }

        let passes = Arc::new(AtomicU32::new(0));
        let background = Background::new(Arc::new(SystemClock::default()));
        background.start(Lifetime::Signal, Panicking(passes.clone())).await.unwrap();
        assert_eq!(passes.load(Ordering::SeqCst), 2);
    }
}
