//! The database behind its breaker, and the line in front of it.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    breaker::Breaker,
    bulkhead::Bulkhead,
    error::{StorageError, StorageErrorKind},
    ports::store::Store,
};

/// The database, its breaker, and the line in front of it.
#[derive(Debug, Clone)]
pub struct Database {
    pub store: Arc<dyn Store>,
    pub breaker: Arc<Breaker>,
    /// For what comes in bursts. Fewer than there are connections: claims, renewals, health and requests find one free.
    pub bulkhead: Arc<Bulkhead>,
    /// For what clients only look at. A crowd of them must not wait for the connections that keep leases alive.
    pub read_limiter: Arc<ReadLimiter>,
}

/// How many clients look at once, and how long one waits until it may.
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
    /// Makes a call, if the breaker admits it, and tells the breaker how it went.
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

    /// As [`Database::call`], for what a client looks at: waits for its place among the readers. One that does not get it is
    /// no outage of the database; and nothing is decided by it, as it says nothing of the row.
    pub async fn read<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn Store) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        // Nobody waits for a database that is not there.
        self.breaker.admit()?;
        let Ok(_place) =
            tokio::time::timeout(self.read_limiter.timeout, self.read_limiter.places.acquire()).await
        else {
            let what = "more clients ask the database than it answers in time; try again";
            return Err(StorageError::new(StorageErrorKind::Unavailable, what));
        };
        self.call(call).await
    }

    /// As [`Database::call`], for what comes in bursts: waits in line before its own time limit begins, as long as the line
    /// moves and the breaker is closed.
    pub async fn call_queued<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn Store) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        let pass = tokio::select! {
            biased;
            // Who waits leaves the line at once, and finds the reason below.
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
