//! Hears from the database that a run waits, a few milliseconds after it does.
//!
//! A notification may be lost; whoever works looks by itself every second. So all that this has to be is harmless: one
//! connection of its own, none in a mode without the database, and never in a hurry to come back.

use std::time::Duration;

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    super::{StorageError, mode::Flags, router::jitter},
    Fault,
};
use crate::{
    config::DatabaseConfig,
    database::{Address, Malformed},
};

/// The channel of `pg_notify` in the statements that leave a run to whoever is free.
const CHANNEL: &str = "innovation_runs";

/// Between two attempts to listen: half of it at least, all of it at most.
const RECONNECT_MAX: Duration = Duration::from_secs(3);

/// After this long without a word the database is asked whether it is there: a peer that swallows packets says nothing
/// either, for ever.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Listens for runs that wait.
#[derive(Debug, Clone)]
pub struct WorkListener {
    options: PgConnectOptions,
    /// For connecting, and for an answer.
    patience: Duration,
}

impl WorkListener {
    /// Listens at the configured address for sessions. None without a database, or where there is only a pooler, behind
    /// which nothing is heard.
    pub fn new(config: &DatabaseConfig) -> Result<Option<Self>, Malformed> {
        let Some(address) = config.session_url() else { return Ok(None) };
        let Address { options, is_pooled, .. } = Address::parse(address)?;
        if is_pooled {
            tracing::info!(
                "DATABASE_URL leads through a pooler; DATABASE_URL_NON_POOLING lets workers hear of runs at once"
            );
            return Ok(None);
        }
        let options = options.application_name("innovation listener");
        Ok(Some(Self { options, patience: config.write_timeout }))
    }

    /// Calls `on_work` whenever there may be a run to claim, until told to stop; holds a connection only in a mode that
    /// has the database.
    pub async fn run(
        self,
        mut flags: watch::Receiver<Flags>,
        stop: CancellationToken,
        on_work: impl Fn() + Send + Sync,
    ) {
        let mut is_away = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                has_database = flags.wait_for(|flags| flags.mode().has_database()) => {
                    if has_database.is_err() {
                        return;
                    }
                }
            }
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .max_lifetime(None)
                .idle_timeout(None)
                .acquire_timeout(self.patience)
                .connect_lazy_with(self.options.clone());
            let lost = tokio::select! {
                () = stop.cancelled() => None,
                _ = flags.wait_for(|flags| !flags.mode().has_database()) => None,
                error = self.listen(&pool, &mut is_away, &on_work) => Some(error),
            };
            // Also the listener's own, which goes back to the pool as it is dropped.
            let _ = timeout(self.patience, pool.close()).await;
            if let Some(error) = lost {
                // Once an outage, not once an attempt.
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%error, "no notifications from the database; work is found by looking for it");
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RECONNECT_MAX.mul_f64(jitter())) => {}
                }
            }
        }
    }

    /// Listens until the connection is lost.
    async fn listen(&self, pool: &PgPool, is_away: &mut bool, on_work: &(impl Fn() + Sync)) -> StorageError {
        match self.hear(pool, is_away, on_work).await {
            Ok(never) => match never {},
            Err(fault) => fault.before_it_was_sent(),
        }
    }

    async fn hear(
        &self,
        pool: &PgPool,
        is_away: &mut bool,
        on_work: &(impl Fn() + Sync),
    ) -> Result<std::convert::Infallible, Fault> {
        let silent = |_| Fault::Elapsed(self.patience);
        let mut listener = timeout(self.patience, PgListener::connect_with(pool)).await.map_err(silent)??;
        // Whether to come back, and when, is decided above.
        listener.eager_reconnect(false);
        timeout(self.patience, listener.listen(CHANNEL)).await.map_err(silent)??;
        tracing::info!("listening for runs that wait");
        *is_away = false;
        // Of what came before, nobody told us.
        on_work();
        loop {
            match timeout(SILENCE_MAX, listener.try_recv()).await {
                Ok(Ok(Some(_))) => on_work(),
                Ok(Ok(None)) => {
                    return Err(Fault::Driver(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())));
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    let asked = sqlx::query("SELECT 1").persistent(false).execute(&mut listener);
                    timeout(self.patience, asked).await.map_err(silent)??;
                }
            }
        }
    }
}
