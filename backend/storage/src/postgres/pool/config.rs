//! The address of the database, and the limits of every call.

use std::time::Duration;

use secrecy::SecretString;

/// How the database is reached. The addresses hold credentials: neither `Debug` nor any error shows them.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`; may lead through a pooler.
    pub url: Option<SecretString>,
    /// `DATABASE_URL_NON_POOLING`; leads to the server itself.
    pub direct_url: Option<SecretString>,
    /// Connections that are kept open.
    pub pool_min: u32,
    /// Connections that are opened at most.
    pub pool_max: u32,
    /// How long one is waited for.
    pub acquire_timeout: Duration,
    /// After how long the server gives a statement up.
    pub statement_timeout: Duration,
    /// After how long the server gives up waiting for a lock.
    pub lock_timeout: Duration,
    /// After how long a write is given up as a whole, whatever the network does.
    pub write_timeout: Duration,
    /// For how long a write is tried where there is nowhere else to write to.
    pub retry_deadline: Duration,
}

impl DatabaseConfig {
    /// How many of the connections what comes in bursts may use at once.
    #[must_use]
    pub fn database_calls_max(&self) -> usize {
        let kept = (self.pool_max / 4).max(1);
        usize::try_from(self.pool_max.saturating_sub(kept).max(1)).unwrap_or(1)
    }

    /// How many of them may be used at once for what clients look at. Together with a burst that is more than there are: who
    /// keeps a lease alive then waits for one of them, not for a crowd.
    #[must_use]
    pub fn readers_max(&self) -> usize {
        usize::try_from(self.pool_max.div_ceil(2)).unwrap_or(1)
    }

    /// The address for what needs a session of its own (advisory locks, LISTEN): the direct one, if there is one.
    #[must_use]
    pub fn session_url(&self) -> Option<&SecretString> {
        self.direct_url.as_ref().or(self.url.as_ref())
    }
}
