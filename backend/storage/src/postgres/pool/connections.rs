//! The connections to the database, and the only way to use one. Each use has a time limit from end to end,
//! whatever the network does.
//!
//! # Invariants
//!
//! * A busy connection never returns to the pool. It is detached, and its socket is closed. (After a dropped
//!   query, the driver waits for its answer. If a peer drops packets, it would wait for ever and keep the
//!   connection's place in the pool.)
//! * The pool connects only when needed, and no start waits for a connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use foundation::clock::timer_now;
use secrecy::SecretString;
use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgPoolOptions},
    query::Query,
};
use tokio::time::{Instant, error::Elapsed, timeout};

use crate::{
    error::StorageError,
    postgres::pool::{
        address::{Address, Malformed},
        config::DatabaseConfig,
        db_error::{Access, DbError},
    },
};

/// The pool replaces a connection after this time, so that a failed-over or rebalanced server gets its
/// clients.
const LIFETIME_MAX: Duration = Duration::from_secs(30 * 60);

/// The pool closes an unused connection after this time, to save memory of the server.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);

/// The pool pings a connection that was idle for longer before its use. On a busy connection, a ping would
/// only double the round trips.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// The pool, and the time limit of each piece of work.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct Pool {
    pool: PgPool,
    /// Whether each transaction may use another server process. Then session settings and prepared statements
    /// do not last.
    is_pooled: bool,
    /// Begins a transaction with this pool's settings, for a pooler.
    begin: Arc<str>,
    write_timeout: Duration,
    connections_min: u32,
    is_warming: Arc<AtomicBool>,
}

impl Pool {
    /// Connects to nothing yet. Call it within a runtime, on which the pool runs its maintenance.
    pub(in crate::postgres) fn new(
        address: &SecretString,
        config: &DatabaseConfig,
    ) -> Result<Self, Malformed> {
        let Address { options, schema, is_pooled, .. } = Address::parse(address)?;
        // A pooler refuses start-up options that it does not know.
        let options = options.application_name("innovation").extra_float_digits(None);
        let statement = config.statement_timeout.as_millis().to_string();
        let lock = config.lock_timeout.as_millis().to_string();
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}; \
             SET LOCAL search_path = \"{}\"",
            schema.replace('"', "\"\"")
        );
        let mut pool = PgPoolOptions::new()
            .max_connections(config.pool_max)
            // The driver's own minimum connects at once, and an unreachable server blocks a place for
            // minutes.
            .min_connections(0)
            .acquire_timeout(config.acquire_timeout)
            .max_lifetime(LIFETIME_MAX)
            .idle_timeout(IDLE_MAX)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            });
        if !is_pooled {
            pool = pool.after_connect(move |connection, _| {
                let settings = [schema.clone(), statement.clone(), lock.clone()];
                Box::pin(async move { set_session(connection, settings).await })
            });
        }
        Ok(Self {
            pool: pool.connect_lazy_with(options),
            is_pooled,
            begin: begin.into(),
            write_timeout: config.write_timeout,
            connections_min: config.pool_min,
            is_warming: Arc::default(),
        })
    }

    /// Takes a connection for one piece of work, which must end before [`PooledConn::deadline`].
    pub(in crate::postgres) async fn acquire(&self, access: Access) -> Result<PooledConn<'_>, StorageError> {
        let deadline = timer_now() + self.write_timeout;
        let connection =
            self.pool.acquire().await.map_err(|error| DbError::Driver(error).before_it_was_sent())?;
        Ok(PooledConn { pool: self, connection: Some(connection), access, deadline })
    }

    /// The number of open connections, and of those in use.
    pub(in crate::postgres) fn counts(&self) -> (u32, u32) {
        let (open, idle) = (self.pool.size(), self.pool.num_idle());
        (open, open.saturating_sub(u32::try_from(idle).unwrap_or(u32::MAX)))
    }

    /// Closes all connections.
    pub(in crate::postgres) async fn close(&self) {
        // An unreachable server must not delay the exit.
        let _ = timeout(self.write_timeout, self.pool.close()).await;
    }

    /// Opens connections up to the minimum, in the background. It is called after the database has answered.
    fn warm(&self) {
        if self.pool.size() >= self.connections_min || self.is_warming.swap(true, Ordering::Relaxed) {
            return;
        }
        let Self { pool, is_warming, connections_min, write_timeout, .. } = self.clone();
        tokio::spawn(async move {
            let all = (0..connections_min).map(|_| pool.acquire());
            for connection in futures_util::future::join_all(all).await.into_iter().flatten() {
                return_connection(connection, write_timeout);
            }
            is_warming.store(false, Ordering::Relaxed);
        });
    }
}

/// Sets up a session of our own. A pooler's sessions are shared, so they are left alone.
async fn set_session(connection: &mut PgConnection, settings: [String; 3]) -> sqlx::Result<()> {
    let [schema, statement, lock] = settings;
    let sql = "SELECT set_config('search_path', quote_ident($1), false),
                      set_config('statement_timeout', $2, false), set_config('lock_timeout', $3, false)";
    sqlx::query(sql).persistent(false).bind(schema).bind(statement).bind(lock).execute(connection).await?;
    Ok(())
}

/// Returns an idle connection to the pool. The pool pings it first. If the answer never comes, the timeout
/// frees the connection's place.
fn return_connection(mut connection: PoolConnection<Postgres>, within: Duration) {
    let returning = connection.return_to_pool();
    tokio::spawn(async move {
        // If the timeout drops it, the connection closes and its place becomes free.
        let _ = timeout(within, returning).await;
    });
}

/// A connection in use. If it is dropped without [`PooledConn::settle`], it is closed.
#[derive(Debug)]
pub(in crate::postgres) struct PooledConn<'p> {
    pool: &'p Pool,
    /// Present until settled or dropped.
    connection: Option<PoolConnection<Postgres>>,
    access: Access,
    deadline: Instant,
}

impl PooledConn<'_> {
    /// The time limit of the work.
    pub(in crate::postgres) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Creates a statement. It is prepared once per connection, unless a pooler shares the connection.
    pub(in crate::postgres) fn query<'q>(&self, sql: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(sql).persistent(!self.pool.is_pooled)
    }

    pub(in crate::postgres) fn connection(&mut self) -> Result<&mut PgConnection, DbError> {
        self.connection.as_deref_mut().ok_or(DbError::Driver(sqlx::Error::PoolClosed))
    }

    /// Begins the work. Through a pooler, it opens a transaction with our settings on one server process.
    pub(in crate::postgres) async fn begin(&mut self) -> Result<(), DbError> {
        if self.pool.is_pooled {
            let begin = sqlx::raw_sql(sqlx::AssertSqlSafe(&*self.pool.begin));
            begin.execute(self.connection()?).await?;
        }
        Ok(())
    }

    /// Commits the work.
    pub(in crate::postgres) async fn commit(&mut self) -> Result<(), DbError> {
        if self.pool.is_pooled {
            sqlx::raw_sql("COMMIT").execute(self.connection()?).await?;
        }
        Ok(())
    }

    /// Returns the result of the work. Returns the connection to the pool if it is idle.
    pub(in crate::postgres) fn settle<T>(
        mut self,
        result: Result<Result<T, DbError>, Elapsed>,
    ) -> Result<T, StorageError> {
        let within = self.pool.write_timeout;
        let fault = match result {
            Ok(Ok(value)) => {
                if let Some(connection) = self.connection.take() {
                    return_connection(connection, within);
                }
                self.pool.warm();
                return Ok(value);
            }
            Ok(Err(fault)) => fault,
            Err(Elapsed { .. }) => DbError::Elapsed(within),
        };
        // Through a pooler, the transaction is still open.
        if !self.pool.is_pooled
            && fault.leaves_the_connection_usable()
            && let Some(connection) = self.connection.take()
        {
            return_connection(connection, within);
        }
        Err(fault.during(self.access))
    }
}

impl Drop for PooledConn<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

/// Does a piece of work on a connection, from `begin` to `commit`, within its deadline. It is a macro,
/// because the future of a closure that borrows the connection would not be `Send`.
macro_rules! bounded {
    ($pool:expr, $access:expr, |$conn:ident| $work:expr) => {{
        let mut conn = $pool.acquire($access).await?;
        let deadline = conn.deadline();
        let result = tokio::time::timeout_at(deadline, async {
            let $conn = &mut conn;
            $conn.begin().await?;
            let value = $work.await?;
            $conn.commit().await?;
            Ok(value)
        })
        .await;
        conn.settle(result)
    }};
}
pub(in crate::postgres) use bounded;
