//! Separate threads for requests. Hundreds of runs that are ready at once do not delay a health probe or an
//! answer from files. (The task that opened a database connection also drives it.)

use std::{io, thread::available_parallelism};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinError,
};

/// The runtime that answers requests. The runtime for runs has as many threads as there are cores. The
/// system's scheduler favours the threads with less work.
#[derive(Debug)]
pub struct RequestRuntime {
    handle: Handle,
    /// Present until dropped.
    runtime: Option<Runtime>,
}

impl RequestRuntime {
    /// Starts half as many threads as there are cores.
    ///
    /// # Errors
    ///
    /// The system cannot start the threads.
    pub fn start() -> io::Result<Self> {
        let count = available_parallelism().map_or(1, |cores| cores.get() / 2).max(1);
        let mut threads = Builder::new_multi_thread();
        let runtime = threads.worker_threads(count).thread_name("requests").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs a future on these threads.
    ///
    /// # Errors
    ///
    /// The future panicked, or the runtime has stopped.
    pub async fn run<F>(&self, future: F) -> Result<F::Output, JoinError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future).await
    }
}

impl Drop for RequestRuntime {
    fn drop(&mut self) {
        // A task that hangs on a dead disk must not block the exit. Also, a runtime must not be awaited
        // inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
