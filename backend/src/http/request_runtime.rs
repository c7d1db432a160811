//! Threads of their own for requests: hundreds of runs that are ready for their next step at once do not stand in the way of
//! a probe, or of what files answer. (A connection to the database is driven by whoever opened it.)

use std::{io, thread::available_parallelism};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinError,
};

/// The runtime that answers requests. The one that works on runs has as many threads as there are cores; the system shares
/// these out, and favours who has little to do.
#[derive(Debug)]
pub struct RequestRuntime {
    handle: Handle,
    /// Present until dropped.
    runtime: Option<Runtime>,
}

impl RequestRuntime {
    /// Half as many as there are cores.
    pub fn start() -> io::Result<Self> {
        let count = available_parallelism().map_or(1, |cores| cores.get() / 2).max(1);
        let mut threads = Builder::new_multi_thread();
        let runtime = threads.worker_threads(count).thread_name("requests").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs a future on them.
    pub async fn run<F>(&self, future: F) -> Result<F::Output, JoinError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future).await
    }
}

impl Drop for RequestRuntime {
    fn drop(&mut self) {
        // What still hangs on a dead disk must not hold the process; and a runtime may not be waited for within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
