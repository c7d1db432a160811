//! Runs blocking work on files with a time limit, and retries it where that can help.

use std::{io, sync::Arc, time::Duration};

use backon::Retryable as _;
use pipeline::run::RunId;

use foundation::{
    clock::timer_now,
    resilience::{Backoff, Jitter},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{limits::ATTEMPT_TIMEOUT, run_files::RunFiles, store::FileStore},
    observer::StoreName,
};

/// How often a failed write is retried.
const RETRIES_MAX: usize = 3;

/// The waits before them: 50, 100 and 200 ms.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(200));

/// No retry starts later than this. Otherwise a slow store would hold each writer for all attempts.
const RETRY_WINDOW: Duration = Duration::from_secs(3);

/// How often an operation is retried after a compare-and-swap conflict, and the wait before each retry.
const CAS_RETRIES: (usize, Duration) = (8, Duration::from_millis(40));

/// The time limit of an operation over all runs: of a bucket, which lists a thousand names a page, and of a disk, which
/// lists a hundred thousand names a second.
const WHOLE_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

impl FileStore {
    /// Runs blocking work on one run, with a time limit, and reports it.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &str,
        limit: Duration,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let files = self.files.clone();
        let began = timer_now();
        let done = match tokio::time::timeout(limit, tokio::task::spawn_blocking(move || work(&files))).await
        {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(self.files.io.fault(name, &io::Error::other(error))),
            Err(_) => Err(self.no_answer(name, limit)),
        };
        let error = done.as_ref().err().map(|error| error.kind);
        self.observer.called(StoreName::File, operation, began.elapsed(), error);
        done
    }

    pub(super) fn no_answer(&self, name: &str, limit: Duration) -> StorageError {
        let what = format!("{}: no answer within {limit:?}", self.files.io.backend.place(name));
        StorageError::new(StorageErrorKind::Indeterminate, what)
    }

    /// Runs blocking work if the breaker lets it through. A call leaves as soon as the breaker opens: what it
    /// waits for does not answer.
    pub(super) async fn guarded<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &str,
        limit: Duration,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let Some(breaker) = &self.breaker else { return self.blocking(operation, name, limit, work).await };
        let began = breaker.admit()?;
        tokio::select! {
            biased;
            done = self.blocking(operation, name, limit, work) => {
                breaker.record(began, limit, &done);
                done
            }
            () = breaker.wait_until_open() => {
                // The work goes on in its thread and may still happen.
                let what = format!("{}: the files do not answer", self.files.io.backend.place(name));
                Err(StorageError::new(StorageErrorKind::Indeterminate, what))
            }
        }
    }

    /// Runs blocking work on one run, after what the mirror holds of it, and after it passed the bulkhead.
    pub(super) async fn one<T: Send + 'static>(
        &self,
        operation: &'static str,
        run: &RunId,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.settle(run).await?;
        self.one_as_it_is(operation, run, work).await
    }

    /// Runs blocking work on one run, after it passed the bulkhead. The mirror may hold newer parts.
    pub(super) async fn one_as_it_is<T: Send + 'static>(
        &self,
        operation: &'static str,
        run: &RunId,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let name = run.as_str();
        let pass = tokio::select! {
            biased;
            // Leave the queue at once. The next call to the breaker returns the reason.
            () = self.breaker_opens() => None,
            pass = self.bulkhead.wait() => Some(pass.map_err(|stuck| {
                let what = format!("{}: {stuck}", self.files.io.backend.place(name));
                StorageError::new(StorageErrorKind::Unavailable, what)
            })?),
        };
        let done = self.guarded(operation, name, ATTEMPT_TIMEOUT, work).await;
        if let Some(pass) = pass
            && !matches!(&done, Err(error) if error.kind == StorageErrorKind::Indeterminate)
        {
            pass.answered();
        }
        done
    }

    /// Waits until the breaker is open: for ever, without one.
    async fn breaker_opens(&self) {
        match &self.breaker {
            Some(breaker) => breaker.wait_until_open().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_breaker_open(&self) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| !breaker.is_closed())
    }

    /// Runs blocking work over all runs. It takes longer than work on one run.
    pub(super) async fn whole<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (of_a_bucket, of_a_disk) = WHOLE_TIMEOUTS;
        self.guarded("scan", "", if self.is_on_disk() { of_a_disk } else { of_a_bucket }, work).await
    }

    /// Runs a blocking write with a time limit, and retries it where that can help.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl Fn(&RunFiles) -> Result<T, StorageError> + Send + Sync + Clone + 'static,
    ) -> Result<T, StorageError> {
        self.write_as("write", run, work).await
    }

    /// As [`FileStore::write`], with a name of its own in metrics and traces.
    pub(super) async fn write_as<T: Send + 'static>(
        &self,
        operation: &'static str,
        run: &RunId,
        work: impl Fn(&RunFiles) -> Result<T, StorageError> + Send + Sync + Clone + 'static,
    ) -> Result<T, StorageError> {
        let attempt = || self.retry_conflicts(operation, run, work.clone());
        let began = self.files.io.clock.monotonic();
        let has_time = || self.files.io.clock.monotonic().saturating_sub(began) < RETRY_WINDOW;
        attempt
            .retry(BACKOFF.waits().take(RETRIES_MAX))
            .when(|error| error.is_outage() && has_time() && !self.is_breaker_open())
            .notify(|error, delay| tracing::warn!(event = "file_write_retried", %error, ?delay, "file write failed; will retry"))
            .await
    }

    /// Runs one attempt, and repeats it after a compare-and-swap conflict.
    async fn retry_conflicts<T: Send + 'static>(
        &self,
        operation: &'static str,
        run: &RunId,
        work: impl Fn(&RunFiles) -> Result<T, StorageError> + Send + Sync + Clone + 'static,
    ) -> Result<T, StorageError> {
        let (races_max, wait) = CAS_RETRIES;
        for _ in 1..races_max {
            match self.one(operation, run, work.clone()).await {
                Err(error) if error.kind == StorageErrorKind::CasConflict => {
                    tokio::time::sleep(Jitter::Random.spread(wait)).await;
                }
                done => return done,
            }
        }
        self.one(operation, run, work).await
    }

    /// Reads one run, when it is its turn.
    pub(super) async fn read_one<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl FnOnce(&RunFiles, &RunId) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let id = run.clone();
        self.one("read", run, move |files| work(files, &id)).await
    }

    /// Writes one run.
    pub(super) async fn write_one<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl Fn(&RunFiles, &RunId) -> Result<T, StorageError> + Send + Sync + Clone + 'static,
    ) -> Result<T, StorageError> {
        self.write_with(run, run, work).await
    }

    /// Writes one run, with an input that goes along to the blocking thread.
    pub(super) async fn write_with<I: Clone + Send + Sync + 'static, T: Send + 'static>(
        &self,
        run: &RunId,
        input: &I,
        work: impl Fn(&RunFiles, &I) -> Result<T, StorageError> + Send + Sync + Clone + 'static,
    ) -> Result<T, StorageError> {
        let input = Arc::new(input.clone());
        self.write(run, move |files| work(files, &input)).await
    }
}
