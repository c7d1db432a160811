//! Calls to a disk that may never answer: one at a time, each in a thread of its own.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

/// How long a call may take. A disk that hangs must hold up neither the start nor a change of the flags.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);

/// Makes one call at a time, so that a disk that hangs keeps one thread and not many.
#[derive(Debug, Default)]
pub(super) struct LimitedCall {
    is_under_way: Arc<AtomicBool>,
}

impl LimitedCall {
    /// Waits for the call, for a limited time. A call that takes longer goes on.
    ///
    /// # Errors
    ///
    /// `TimedOut` without an answer in time, and at once while an earlier call has not ended. The errors of the call.
    pub(super) fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if self.is_under_way.swap(true, Ordering::AcqRel) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let end = End(self.is_under_way.clone());
        let (sender, receiver) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("flags-disk".to_owned()).spawn(move || {
            let result = call();
            drop(end);
            // Perhaps nobody waits any more.
            let _ = sender.send(result);
        })?;
        receiver.recv_timeout(TIMEOUT).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The end of a call, also by a panic.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
