//! Blocking work on files, bounded in time however the place behaves, and begun again where that can help.

use std::{io, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use pipeline::run::RunId;

use foundation::backoff::jitter;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{run_files::RunFiles, store::FileStore},
};

/// How long one attempt at a write may take before it is given up (a dead network disk never answers).
/// It may still finish later, which does no harm: stage files are create-only, and manifests fenced.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How many operations on runs are under way at once: enough for their flushes, or requests, to overlap, and far fewer than
/// there may be threads. The others wait in line, outside their own time limit.
pub(super) const CALLS_MAX: usize = 64;

/// Further attempts after a failed write.
const RETRIES_MAX: usize = 3;

/// Nothing is tried again later than this: a place that lets its writers wait would hold each of them for all attempts.
const RETRY_WINDOW: Duration = Duration::from_secs(3);

/// How often an operation is begun again because somebody else has changed the run meanwhile, and the wait before that.
const CAS_RETRIES: (usize, Duration) = (8, Duration::from_millis(40));

/// How long a look at everything may take: a bucket lists a thousand names a page.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(30);

impl FileStore {
    /// Runs blocking work on one run, bounded in time.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        limit: Duration,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let files = self.files.clone();
        match tokio::time::timeout(limit, tokio::task::spawn_blocking(move || work(&files))).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(self.files.fault(name, &io::Error::other(error))),
            Err(_) => Err(self.no_answer(name, limit)),
        }
    }

    pub(super) fn no_answer(&self, name: &str, limit: Duration) -> StorageError {
        let what = format!("{}: no answer within {limit:?}", self.files.backend.place(name));
        StorageError::new(StorageErrorKind::Indeterminate, what)
    }

    /// Runs blocking work on one run, when it is its turn.
    pub(super) async fn one<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let name = run.as_str();
        let pass = self.bulkhead.wait().await.map_err(|stuck| {
            let what = format!("{}: {stuck}", self.files.backend.place(name));
            StorageError::new(StorageErrorKind::Unavailable, what)
        })?;
        let done = self.blocking(name, ATTEMPT_TIMEOUT, work).await;
        if !matches!(&done, Err(error) if error.kind == StorageErrorKind::Indeterminate) {
            pass.answered();
        }
        done
    }

    /// Runs blocking work that looks at all there is. A disk, on which that is quick, is waited for no longer than for
    /// anything else.
    pub(super) async fn whole<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RunFiles) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let is_near = self.files.backend.detection_delay().is_zero();
        self.blocking("", if is_near { ATTEMPT_TIMEOUT } else { WHOLE_TIMEOUT }, work).await
    }

    /// Runs a blocking write, bounded in time, a few times where trying again can help.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl Fn(&RunFiles) -> Result<T, StorageError> + Send + Sync + Clone + 'static,
    ) -> Result<T, StorageError> {
        let attempt = || self.retry_conflicts(run, work.clone());
        let began = self.files.clock.monotonic();
        let has_time = || self.files.clock.monotonic().saturating_sub(began) < RETRY_WINDOW;
        attempt
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(50))
                    .with_max_times(RETRIES_MAX),
            )
            .when(|error| error.is_outage() && has_time())
            .notify(|error, delay| tracing::warn!(event = "file_write_retried", %error, ?delay, "file write failed; trying again"))
            .await
    }

    /// One attempt, begun again as long as somebody else was first.
    async fn retry_conflicts<T: Send + 'static>(
        &self,
        run: &RunId,
        work: impl Fn(&RunFiles) -> Result<T, StorageError> + Send + Sync + Clone + 'static,
    ) -> Result<T, StorageError> {
        let (races_max, wait) = CAS_RETRIES;
        for _ in 1..races_max {
            match self.one(run, work.clone()).await {
                Err(error) if error.kind == StorageErrorKind::CasConflict => {
                    tokio::time::sleep(wait.mul_f64(jitter())).await;
                }
                done => return done,
            }
        }
        self.one(run, work).await
    }
}
