//! The configuration of the database: its address, and the limits of every call.

use std::time::Duration;

use secrecy::SecretString;

/// The database configuration. The addresses hold credentials, so neither `Debug` nor any error shows them.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`. It may lead through a pooler.
    pub url: Option<SecretString>,
    /// `DATABASE_URL_NON_POOLING`. It leads to the server itself.
    pub direct_url: Option<SecretString>,
    /// The number of connections that are kept open.
    pub pool_min: u32,
    /// The largest number of open connections.
    pub pool_max: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// The server cancels a statement after this time.
    pub statement_timeout: Duration,
    /// The server stops waiting for a lock after this time.
    pub lock_timeout: Duration,
    /// A write fails after this time as a whole, whatever the network does.
    pub write_timeout: Duration,
    /// How long a write is retried if no other store can take it.
    pub retry_deadline: Duration,
}

impl DatabaseConfig {
    /// How many connections bursts of calls may use at once.
    #[must_use]
    pub fn database_calls_max(&self) -> usize {
        let kept = (self.pool_max / 4).max(1);
        usize::try_from(self.pool_max.saturating_sub(kept).max(1)).unwrap_or(1)
    }

    /// How many shared statements of one kind may be under way at once. With two, one flushes while the next is executed;
    /// more would combine less.
    #[must_use]
    pub fn shared_statements_max(&self) -> usize {
        if self.pool_max < 4 { 1 } else { 2 }
    }

    /// How many connections client reads may use at once. Bursts and reads together may exceed the pool. A
    /// lease renewal then waits for one connection, not behind a crowd of calls.
    #[must_use]
    pub fn readers_max(&self) -> usize {
        usize::try_from(self.pool_max.div_ceil(2)).unwrap_or(1)
    }

    /// The address for sessions of our own (advisory locks, LISTEN): the direct one, if there is one.
    #[must_use]
    pub fn session_url(&self) -> Option<&SecretString> {
        self.direct_url.as_ref().or(self.url.as_ref())
    }
}
