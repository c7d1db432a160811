//! Receives notifications from the database when a run waits, is cancelled or changes, within milliseconds.
//!
//! A notification may be lost. Each receiver therefore also polls, more slowly. So the listener must only be
//! harmless: it uses one connection, or none in a mode without database, and it reconnects slowly.

use std::time::Duration;

use pipeline::run::RunId;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    error::StorageError,
    mode::Flags,
    ports::changes::Notification,
    postgres::{
        changes::notifier,
        control_plane,
        pool::{
            address::{Address, Malformed},
            config::DatabaseConfig,
            db_error::DbError,
            session::shares_server_processes,
        },
    },
};

/// The channel of `pg_notify` for runs that any worker may claim.
const WAITING: &str = "innovation_runs";

/// The channel of cancellations. The payload is the run's id.
const CANCELLED: &str = "innovation_cancelled";

/// The channel of all other changes. The payload holds the sender and the runs.
const CHANGED: &str = "innovation_run_changed";

/// The channel of keys that were made or ended. `control_plane/key_statements.rs` notifies.
const KEYS: &str = "innovation_keys";
/// The channel of changed flags.
const FLAGS: &str = control_plane::FLAGS_CHANNEL;

fn parse(channel: &str, payload: &str) -> Option<Notification> {
    match channel {
        KEYS => Some(Notification::KeysChanged),
        WAITING => Some(Notification::Waiting),
        FLAGS => Some(Notification::FlagsChanged),
        CANCELLED => RunId::parse(payload).ok().map(Notification::Cancelled),
        CHANGED => notifier::parse_payload(payload)
            .map(|(by, runs)| Notification::Changed { by: by.to_owned(), runs }),
        _ => None,
    }
}

/// After this long without a notification, the listener queries the database. A peer that drops packets would
/// otherwise look like a quiet database for ever.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Receives notifications about runs.
#[derive(Debug, Clone)]
pub struct Listener {
    options: PgConnectOptions,
    /// The time limit for connecting and for an answer.
    timeout: Duration,
}

fn warn_of_pooler() {
    tracing::info!(
        event = "direct_address_missing",
        "the database's address leads through a pooler; DATABASE_URL_NON_POOLING lets replicas receive notifications"
    );
}

impl Listener {
    /// Creates a listener for the session address. None without a database. None with only a pooler, because
    /// a pooler forwards no notifications.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the address, or a parameter or file that it names, is wrong.
    pub fn new(config: &DatabaseConfig) -> Result<Option<Self>, Malformed> {
        let Some(address) = config.session_url() else { return Ok(None) };
        let Address { options, is_pooled, .. } = Address::parse(address)?;
        if is_pooled {
            warn_of_pooler();
            return Ok(None);
        }
        let options = options.application_name("innovation listener");
        Ok(Some(Self { options, timeout: config.write_timeout }))
    }

    /// Waits for a mode with database, connects, and calls `on_notification` with each notification. Returns when
    /// stopped, and when the mode has no database any more.
    ///
    /// # Errors
    ///
    /// The reason for which the connection could not be made, or was lost. The caller decides when to call again.
    pub async fn listen(
        &self,
        flags: &mut watch::Receiver<Flags>,
        stop: &CancellationToken,
        on_notification: impl Fn(Notification) + Send + Sync,
    ) -> Result<(), StorageError> {
        let has_database = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            mode = flags.wait_for(|flags| flags.expects_database()) => mode.is_ok(),
        };
        if !has_database {
            // The flags cannot change any more.
            stop.cancelled().await;
            return Ok(());
        }
        // A pooler would keep the subscription for its next clients.
        let is_behind_pooler = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            is_behind_pooler = shares_server_processes(&self.options) => is_behind_pooler?,
        };
        if is_behind_pooler {
            warn_of_pooler();
            stop.cancelled().await;
            return Ok(());
        }
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(self.timeout)
            .connect_lazy_with(self.options.clone());
        let listened = tokio::select! {
            () = stop.cancelled() => Ok(()),
            _ = flags.wait_for(|flags| !flags.expects_database()) => Ok(()),
            error = self.listen_until_lost(&pool, &on_notification) => Err(error),
        };
        on_notification(Notification::Lost);
        // This also closes the listener's connection, which returns to the pool when it is dropped.
        let _ = timeout(self.timeout, pool.close()).await;
        listened
    }

    /// Listens until the connection is lost.
    async fn listen_until_lost(
        &self,
        pool: &PgPool,
        on_notification: &(impl Fn(Notification) + Sync),
    ) -> StorageError {
        match self.hear(pool, on_notification).await {
            Ok(never) => match never {},
            Err(fault) => fault.before_it_was_sent(),
        }
    }

    async fn hear(
        &self,
        pool: &PgPool,
        on_notification: &(impl Fn(Notification) + Sync),
    ) -> Result<std::convert::Infallible, DbError> {
        let silent = |_| DbError::Elapsed(self.timeout);
        let mut listener = timeout(self.timeout, PgListener::connect_with(pool)).await.map_err(silent)??;
        // The caller decides whether and when to reconnect.
        listener.eager_reconnect(false);
        let channels = [WAITING, CANCELLED, CHANGED, KEYS, FLAGS];
        timeout(self.timeout, listener.listen_all(channels)).await.map_err(silent)??;
        tracing::info!(
            event = "notifications_connected",
            "listening for runs that wait, are cancelled or change"
        );
        on_notification(Notification::Connected);
        loop {
            match timeout(SILENCE_MAX, listener.try_recv()).await {
                Ok(Ok(Some(told))) => {
                    if let Some(heard) = parse(told.channel(), told.payload()) {
                        on_notification(heard);
                    }
                }
                Ok(Ok(None)) => {
                    return Err(DbError::Driver(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())));
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    let asked = sqlx::query("SELECT 1").persistent(false).execute(&mut listener);
                    timeout(self.timeout, asked).await.map_err(silent)??;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn irrelevant_notifications_are_ignored() {
        let run = |text| RunId::parse(text).unwrap();
        let changed = Notification::Changed { by: "one".to_owned(), runs: vec![run("r1"), run("r2")] };
        assert_eq!(parse(CHANGED, "one r1 ../etc r2"), Some(changed));
        assert_eq!(parse(CANCELLED, "r1"), Some(Notification::Cancelled(run("r1"))));
        assert_eq!(parse(WAITING, ""), Some(Notification::Waiting));
        assert_eq!((parse(CANCELLED, "../etc"), parse("other", "r1")), (None, None));
    }
}
