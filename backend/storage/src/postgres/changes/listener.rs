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

use foundation::resilience::Jitter;

use crate::postgres::pool::{
    address::{Address, Malformed},
    config::DatabaseConfig,
};
use crate::{
    error::StorageError,
    mode::Flags,
    ports::changes::Notification,
    postgres::{changes::notifier, pool::db_error::DbError},
};

/// The channel of `pg_notify` for runs that any worker may claim.
const WAITING: &str = "innovation_runs";

/// The channel of cancellations. The payload is the run's id.
const CANCELLED: &str = "innovation_cancelled";

/// The channel of all other changes. The payload holds the sender and the runs.
const CHANGED: &str = "innovation_run_changed";

fn parse(channel: &str, payload: &str) -> Option<Notification> {
    match channel {
        WAITING => Some(Notification::Waiting),
        CANCELLED => RunId::parse(payload).ok().map(Notification::Cancelled),
        CHANGED => notifier::parse_payload(payload)
            .map(|(by, runs)| Notification::Changed { by: by.to_owned(), runs }),
        _ => None,
    }
}

/// The longest wait between two attempts to listen. The shortest is half of it.
const RECONNECT_MAX: Duration = Duration::from_secs(3);

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
            tracing::info!(
                event = "direct_address_missing",
                "DATABASE_URL leads through a pooler; DATABASE_URL_NON_POOLING lets replicas receive notifications"
            );
            return Ok(None);
        }
        let options = options.application_name("innovation listener");
        Ok(Some(Self { options, timeout: config.write_timeout }))
    }

    /// Calls `on_notification` with each notification until stopped. It holds a connection only in a mode
    /// with database.
    pub async fn run(
        self,
        mut flags: watch::Receiver<Flags>,
        stop: CancellationToken,
        on_notification: impl Fn(Notification) + Send + Sync,
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
                .acquire_timeout(self.timeout)
                .connect_lazy_with(self.options.clone());
            let lost = tokio::select! {
                () = stop.cancelled() => None,
                _ = flags.wait_for(|flags| !flags.mode().has_database()) => None,
                error = self.listen(&pool, &mut is_away, &on_notification) => Some(error),
            };
            on_notification(Notification::Lost);
            // This also closes the listener's connection, which returns to the pool when it is dropped.
            let _ = timeout(self.timeout, pool.close()).await;
            if let Some(error) = lost {
                // Log once per outage, not once per attempt.
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(event = "notifications_lost", %error, "no notifications from the database; workers find runs by polling");
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(Jitter::Random.spread(RECONNECT_MAX)) => {}
                }
            }
        }
    }

    /// Listens until the connection is lost.
    async fn listen(
        &self,
        pool: &PgPool,
        is_away: &mut bool,
        on_notification: &(impl Fn(Notification) + Sync),
    ) -> StorageError {
        match self.hear(pool, is_away, on_notification).await {
            Ok(never) => match never {},
            Err(fault) => fault.before_it_was_sent(),
        }
    }

    async fn hear(
        &self,
        pool: &PgPool,
        is_away: &mut bool,
        on_notification: &(impl Fn(Notification) + Sync),
    ) -> Result<std::convert::Infallible, DbError> {
        let silent = |_| DbError::Elapsed(self.timeout);
        let mut listener = timeout(self.timeout, PgListener::connect_with(pool)).await.map_err(silent)??;
        // `run` decides whether and when to reconnect.
        listener.eager_reconnect(false);
        let channels = [WAITING, CANCELLED, CHANGED];
        timeout(self.timeout, listener.listen_all(channels)).await.map_err(silent)??;
        tracing::info!(
            event = "notifications_connected",
            "listening for runs that wait, are cancelled or change"
        );
        *is_away = false;
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
