//! The database behind its breaker, bulkhead and read limiter.

use std::{pin::pin, sync::Arc, time::Duration};

use pipeline::{clock::Timestamp, record::StageRecord};
use tokio::sync::Semaphore;

use crate::{
    breaker::Breaker,
    bulkhead::Bulkhead,
    error::{StorageError, StorageErrorKind},
    ports::{
        combined::{Alone, Combined},
        lifecycle::Fence,
        store::Store,
    },
    run::End,
};

/// The database with its breaker, bulkhead and read limiter.
#[derive(Debug, Clone)]
pub struct Database {
    pub store: Arc<dyn Store>,
    pub breaker: Arc<Breaker>,
    /// Limits calls that come in bursts. It admits fewer than there are connections, so that claims,
    /// renewals, health checks and requests find a free one.
    pub bulkhead: Arc<Bulkhead>,
    /// Limits reads for clients. A crowd of readers must not block the connections that renew leases.
    pub read_limiter: Arc<ReadLimiter>,
}

/// Limits how many client reads run at once, and how long a read waits.
#[derive(Debug)]
pub struct ReadLimiter {
    /// Fair, and never closed.
    places: Semaphore,
    timeout: Duration,
}

impl ReadLimiter {
    #[must_use]
    pub fn new(at_once: usize, timeout: Duration) -> Self {
        Self { places: Semaphore::new(at_once.max(1)), timeout }
    }
}

impl Database {
    /// Makes a call if the breaker admits it, and records the result in the breaker.
    ///
    /// # Errors
    ///
    /// The breaker's reason while it is open; otherwise the error of the call.
    pub async fn call<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn Store) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        self.breaker.admit()?;
        let result = call(&*self.store).await;
        self.breaker.record(&result);
        result
    }

    /// As [`Database::call`], for a read by a client. It waits for the read limiter. A timeout there does not
    /// count as an outage of the database.
    ///
    /// # Errors
    ///
    /// `Busy` if the limiter admits no read in time. The breaker's reason while it is open; otherwise
    /// the error of the call.
    pub async fn read<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn Store) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        // No read waits for a database that is down.
        self.breaker.admit()?;
        let Ok(_place) =
            tokio::time::timeout(self.read_limiter.timeout, self.read_limiter.places.acquire()).await
        else {
            let what = "too many clients read from the database at once; try again";
            return Err(StorageError::new(StorageErrorKind::Busy, what));
        };
        let result = call(&*self.store).await;
        self.breaker.record_read(&result);
        result
    }

    /// Stores a stage, if possible in one statement with those of other runs.
    ///
    /// # Errors
    ///
    /// As [`Database::call_queued`].
    pub async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError> {
        self.breaker.admit()?;
        let opened = pin!(self.breaker.wait_until_open());
        let combined = self.store.store_stage_combined(fence, record, opened).await?;
        let Some(alone) = self.settle(combined)? else { return Ok(()) };
        let stored = self.call_queued(|store| in_time(alone.within, store.store_stage(fence, record))).await;
        after(&alone, stored)
    }

    /// Ends a run, if possible in one statement with others.
    ///
    /// # Errors
    ///
    /// As [`Database::call_queued`].
    pub async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError> {
        self.breaker.admit()?;
        let opened = pin!(self.breaker.wait_until_open());
        let combined = self.store.finish_combined(fence, end, at, opened).await?;
        let Some(alone) = self.settle(combined)? else { return Ok(()) };
        let ended = self.call_queued(|store| in_time(alone.within, store.finish(fence, end, at))).await;
        after(&alone, ended)
    }

    /// Takes note of a shared statement. Returns how the write is to be sent alone, or None if it is stored.
    fn settle(&self, combined: Combined) -> Result<Option<Alone>, StorageError> {
        match combined {
            Combined::Stored => {
                self.breaker.record(&Ok(()));
                Ok(None)
            }
            Combined::Failed(error) => {
                self.breaker.record::<()>(&Err(error.clone()));
                Err(error)
            }
            Combined::Alone(mut alone) => {
                if let Some(outage) = alone.outage.take() {
                    self.breaker.record::<()>(&Err(outage));
                }
                Ok(Some(alone))
            }
            // The next call to the breaker returns the reason.
            Combined::Left => Ok(Some(Alone::default())),
        }
    }

    /// As [`Database::call`], for calls that come in bursts. It queues in the bulkhead before its own time
    /// limit starts, while the queue moves and the breaker is closed.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the bulkhead's queue does not move. The breaker's reason while it is open; otherwise
    /// the error of the call.
    pub async fn call_queued<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn Store) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        let pass = tokio::select! {
            biased;
            // Leave the queue at once. The next call to the breaker returns the reason.
            () = self.breaker.wait_until_open() => None,
            pass = self.bulkhead.wait() => match pass {
                Ok(pass) => Some(pass),
                Err(stuck) => {
                    let what = format!("the database is not answering: {stuck}");
                    let stuck = Err(StorageError::new(StorageErrorKind::Unavailable, what));
                    self.breaker.record(&stuck);
                    return stuck;
                }
            },
        };
        let result = self.call(call).await;
        if let Some(pass) = pass
            && !matches!(&result, Err(error) if error.is_outage())
        {
            pass.answered();
        }
        result
    }
}

/// Ends a call whose time is shorter than the store's own limit. It may have happened.
async fn in_time<T>(
    within: Option<Duration>,
    call: impl Future<Output = Result<T, StorageError>> + Send,
) -> Result<T, StorageError> {
    let Some(within) = within else { return call.await };
    tokio::time::timeout(within, call).await.unwrap_or_else(|_| {
        let what = format!("no answer from the database within {within:?}");
        Err(StorageError::new(StorageErrorKind::Indeterminate, what))
    })
}

/// The result of a write that was sent alone after a shared statement. If that one may have stored it, an outage does not say
/// that nothing was written.
fn after(alone: &Alone, written: Result<(), StorageError>) -> Result<(), StorageError> {
    written.map_err(|mut error| {
        if alone.may_be_stored && error.is_outage() {
            error.kind = StorageErrorKind::Indeterminate;
        }
        error
    })
}
