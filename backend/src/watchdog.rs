//! A thread that notices when the threads for runs stand still.
//!
//! One of tokio's threads watches the sockets and the timers for all. If a task blocks that thread, the others may sleep on: then
//! leases, heartbeats and time limits stand still, while requests, which have threads of their own, are answered. A task that comes from
//! outside wakes a thread, which takes the watch over. If none of them takes the task, the process cannot go on.

use std::{io, sync::mpsc, thread, time::Duration};

use tokio::runtime::Handle;

/// How often a task is sent. A stand-still of the timers lasts no longer.
const PERIOD: Duration = Duration::from_secs(1);

/// How long a task may wait for a thread. A thread may compute for a while, and a loaded machine is slow; a lease lasts 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Ends the process if no thread of this runtime takes a task within twice the time limit. The platform starts it again, other replicas go
/// on with its runs, and nothing that was stored is lost.
///
/// # Errors
///
/// The system cannot start the thread.
pub fn end_process_when_stuck(runtime: Handle) -> io::Result<()> {
    let watching = move || {
        while is_alive(&runtime, ANSWER_TIMEOUT) {
            thread::sleep(PERIOD);
        }
        tracing::error!(
            event = "runtime_stuck",
            "no thread for runs has taken a task for {ANSWER_TIMEOUT:?}, twice; the process ends, and is to be started again"
        );
        std::process::abort();
    };
    thread::Builder::new().name("watchdog".to_owned()).spawn(watching).map(drop)
}

/// Whether a thread takes a task within the time limit. The second attempt is for a process that was stopped as a whole: after that, the
/// first has waited for too long at once. A runtime that has shut down counts as alive.
fn is_alive(runtime: &Handle, limit: Duration) -> bool {
    (0..2).any(|_| {
        let (taken, answer) = mpsc::channel();
        runtime.spawn(async move { taken.send(()) });
        !matches!(answer.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Timeout))
    })
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    const BRIEF: Duration = Duration::from_millis(20);

    #[test]
    fn a_runtime_without_a_free_thread_is_stuck() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (release, held) = mpsc::channel::<()>();
        runtime.spawn(async move { held.recv() });
        assert!(!is_alive(runtime.handle(), BRIEF));
        drop(release);
        assert!(is_alive(runtime.handle(), ANSWER_TIMEOUT));
    }

    #[test]
    fn a_runtime_that_ends_is_not_stuck() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        assert!(is_alive(&handle, ANSWER_TIMEOUT));
    }
}
