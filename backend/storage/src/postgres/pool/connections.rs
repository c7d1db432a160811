//! The connections to the database, and the only way to use one. Each use has a time limit from end to end,
//! whatever the network does.
//!
//! # Invariants
//!
//! * A busy connection never returns to the pool. Its socket is closed.
//! * A connection that reports a read-only server, a shutdown or a broken socket is closed, and so is every
//!   connection that was opened before that report.
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
    PgConnection, Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, error::Elapsed, timeout},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    observer::{CallObserver, ConnectionWait, StoreName, Unobserved},
    postgres::pool::{
        address::{Address, Malformed},
        config::DatabaseConfig,
        core::{Live, Shared},
        db_error::{Access, DbError, Verdict},
    },
};

/// The pool, and the time limit of each piece of work.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct Pool {
    shared: Arc<Shared>,
    acquire_timeout: Duration,
    write_timeout: Duration,
    connections_min: u32,
    is_warming: Arc<AtomicBool>,
    observer: Arc<dyn CallObserver>,
}

impl Pool {
    /// Connects to nothing yet.
    pub(in crate::postgres) fn new(
        address: &SecretString,
        config: &DatabaseConfig,
    ) -> Result<Self, Malformed> {
        Ok(Self {
            shared: Arc::new(Shared::new(Address::parse(address)?, config)),
            acquire_timeout: config.acquire_timeout,
            write_timeout: config.write_timeout,
            connections_min: config.pool_min,
            is_warming: Arc::default(),
            observer: Arc::new(Unobserved),
        })
    }

    /// Reports each piece of work, and each wait for a connection.
    pub(in crate::postgres) fn observed_by(self, observer: Arc<dyn CallObserver>) -> Self {
        Self { observer, ..self }
    }

    /// Reports a call that several callers share a statement for.
    pub(in crate::postgres) fn observe(
        &self,
        operation: &'static str,
        took: Duration,
        error: Option<StorageErrorKind>,
    ) {
        self.observer.called(StoreName::Database, operation, took, error);
    }

    /// Takes a connection for one piece of work, which must end before [`PooledConn::deadline`].
    pub(in crate::postgres) async fn acquire(&self, access: Access) -> Result<PooledConn<'_>, StorageError> {
        self.acquire_for(access, self.write_timeout).await
    }

    /// As [`Pool::acquire`], with a time limit of its own.
    pub(in crate::postgres) async fn acquire_for(
        &self,
        access: Access,
        limit: Duration,
    ) -> Result<PooledConn<'_>, StorageError> {
        let now = timer_now();
        let taken = self.shared.take(now + self.acquire_timeout.min(limit)).await;
        let outcome = match &taken {
            Ok(_) => ConnectionWait::Taken,
            Err(DbError::Busy) => ConnectionWait::Exhausted,
            Err(_) if self.shared.is_exhausted() => ConnectionWait::Exhausted,
            Err(_) => ConnectionWait::Failed,
        };
        self.observer.connection_awaited(now.elapsed(), outcome);
        let (live, place) = taken.map_err(|error| {
            let error = error.before_it_was_sent();
            self.observe("connect", now.elapsed(), Some(error.kind));
            error
        })?;
        let (live, deadline) = (Some(live), now + limit);
        Ok(PooledConn {
            pool: self,
            live,
            _place: place,
            access,
            began: now,
            limit,
            deadline,
            is_in_trial: false,
        })
    }

    /// The number of open connections, and of those in use.
    pub(in crate::postgres) fn counts(&self) -> (u32, u32) {
        self.shared.counts()
    }

    /// How many callers wait for a connection.
    pub(in crate::postgres) fn waiting(&self) -> u32 {
        self.shared.waiting()
    }

    /// Closes all connections. Those in use are closed by their users.
    pub(in crate::postgres) async fn close(&self) {
        // An unreachable server must not delay the exit.
        let _ = timeout(self.write_timeout, self.shared.close()).await;
    }

    /// Opens connections up to the minimum, in the background. It is called after the database has answered. At the
    /// server's limit, it leaves the connections to the callers.
    fn warm(&self) {
        if self.counts().0 >= self.connections_min
            || !self.shared.has_room()
            || self.is_warming.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let Self { shared, acquire_timeout, connections_min, is_warming, .. } = self.clone();
        tokio::spawn(async move {
            let deadline = timer_now() + acquire_timeout;
            let missing = connections_min.saturating_sub(shared.counts().0);
            let all = (0..missing).map(|_| shared.open_spare(deadline));
            futures_util::future::join_all(all).await;
            is_warming.store(false, Ordering::Relaxed);
        });
    }
}

/// A connection in use. If it is dropped without [`PooledConn::settle`], it is closed.
#[derive(Debug)]
pub(in crate::postgres) struct PooledConn<'p> {
    pool: &'p Pool,
    /// Present until settled or dropped.
    live: Option<Live>,
    _place: OwnedSemaphorePermit,
    access: Access,
    /// When the caller began to wait for the connection.
    began: Instant,
    limit: Duration,
    deadline: Instant,
    /// Whether a transaction of the work is open, whose part of the work is undone unless it ends well.
    is_in_trial: bool,
}

impl PooledConn<'_> {
    /// The time limit of the work.
    pub(in crate::postgres) fn deadline(&self) -> Instant {
        self.deadline
    }

    fn is_pooled(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.is_pooled)
    }

    /// Creates a statement. It is prepared once per connection, unless a pooler shares the connection.
    pub(in crate::postgres) fn query<'q>(&self, sql: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(sql).persistent(!self.is_pooled())
    }

    pub(in crate::postgres) fn connection(&mut self) -> Result<&mut PgConnection, DbError> {
        let live = self.live.as_mut().ok_or(DbError::Driver(sqlx::Error::PoolClosed))?;
        Ok(&mut live.connection)
    }

    /// Begins the work. Through a pooler, it opens a transaction with our settings on one server process.
    pub(in crate::postgres) async fn begin(&mut self) -> Result<(), DbError> {
        if self.is_pooled() {
            let begin = sqlx::raw_sql(sqlx::AssertSqlSafe(self.pool.shared.begin()));
            begin.execute(self.connection()?).await?;
        }
        Ok(())
    }

    /// Commits the work.
    pub(in crate::postgres) async fn commit(&mut self) -> Result<(), DbError> {
        if self.is_pooled() {
            sqlx::raw_sql("COMMIT").execute(self.connection()?).await?;
        }
        Ok(())
    }

    /// Runs statements of ours that have no parameters, in one round trip.
    pub(in crate::postgres) async fn run(&mut self, sql: String) -> Result<Vec<PgRow>, DbError> {
        Ok(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(self.connection()?).await?)
    }

    /// Begins a part of the work that [`PooledConn::end_trial`] undoes, with these statements.
    pub(in crate::postgres) async fn begin_trial(&mut self, sql: &str) -> Result<(), DbError> {
        let begin = if self.is_pooled() { "SAVEPOINT trial" } else { "BEGIN" };
        self.is_in_trial = true;
        self.run(format!("{begin}; {sql}")).await.map(drop)
    }

    /// Runs these statements, and then undoes the part of the work. Returns their rows.
    pub(in crate::postgres) async fn end_trial(&mut self, sql: &str) -> Result<Vec<PgRow>, DbError> {
        let undo = if self.is_pooled() { "ROLLBACK TO SAVEPOINT trial" } else { "ROLLBACK" };
        let rows = self.run(format!("{sql}; {undo}")).await?;
        self.is_in_trial = false;
        Ok(rows)
    }

    /// Begins a part of the work in one transaction, with a statement that takes a lock. A statement that follows sees what the
    /// last holder of the lock has committed. Without [`PooledConn::end_locked`], nothing of it remains.
    pub(in crate::postgres) async fn begin_locked(&mut self, lock: &str) -> Result<(), DbError> {
        let begin = if self.is_pooled() { "" } else { "BEGIN; " };
        self.is_in_trial = true;
        self.run(format!("{begin}{lock}")).await.map(drop)
    }

    /// Commits the part of the work, and so releases its lock. Through a pooler, the end of the work does that.
    pub(in crate::postgres) async fn end_locked(&mut self) -> Result<(), DbError> {
        if !self.is_pooled() {
            self.run("COMMIT".to_owned()).await?;
        }
        self.is_in_trial = false;
        Ok(())
    }

    /// Returns the result of the work, and reports it. `work` is its code, which begins with the name of its function.
    pub(in crate::postgres) fn settle<T>(
        self,
        work: &'static str,
        result: Result<Result<T, DbError>, Elapsed>,
    ) -> Result<T, StorageError> {
        let (pool, began) = (self.pool, self.began);
        let result = self.give_back(result);
        pool.observe(operation(work), began.elapsed(), result.as_ref().err().map(|error| error.kind));
        result
    }

    /// Returns the connection to the pool if it is idle.
    fn give_back<T>(mut self, result: Result<Result<T, DbError>, Elapsed>) -> Result<T, StorageError> {
        let shared = &self.pool.shared;
        let fault = match result {
            Ok(Ok(value)) => {
                if let Some(live) = self.live.take() {
                    shared.give_back(live);
                }
                self.pool.warm();
                return Ok(value);
            }
            Ok(Err(fault)) => fault,
            Err(Elapsed { .. }) => DbError::Elapsed(self.limit),
        };
        let generation = self.live.as_ref().map_or(0, |live| live.generation);
        let fault = shared.judge(fault, generation);
        // Through a pooler and in a trial, the transaction is still open.
        if !self.is_pooled()
            && !self.is_in_trial
            && fault.verdict() == Verdict::Usable
            && let Some(live) = self.live.take()
        {
            shared.give_back(live);
        }
        Err(fault.during(self.access))
    }
}

/// The name of the function that does a piece of work: `store` in `write::store(conn, fence, &new)`.
fn operation(work: &'static str) -> &'static str {
    let path = work.split('(').next().unwrap_or(work);
    path.rsplit("::").next().unwrap_or(path).trim()
}

/// Does a piece of work on a connection, from `begin` to `commit`, within its deadline. It is a macro,
/// because the future of a closure that borrows the connection would not be `Send`.
macro_rules! bounded {
    (in $acquire:expr, |$conn:ident| $work:expr) => {{
        let mut conn = $acquire.await?;
        let deadline = conn.deadline();
        let result = tokio::time::timeout_at(deadline, async {
            let $conn = &mut conn;
            $conn.begin().await?;
            let value = $work.await?;
            $conn.commit().await?;
            Ok(value)
        })
        .await;
        conn.settle(stringify!($work), result)
    }};
    ($pool:expr, $access:expr, |$conn:ident| $work:expr) => {
        crate::postgres::pool::connections::bounded!(in $pool.acquire($access), |$conn| $work)
    };
}
pub(in crate::postgres) use bounded;
