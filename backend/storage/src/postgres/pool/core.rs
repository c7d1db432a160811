//! The open connections of a pool: which are of use, which are closed, and when a new one is opened.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use foundation::clock::timer_now;
use parking_lot::Mutex;
use sqlx::{Connection as _, PgConnection};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, timeout_at},
};

use crate::postgres::pool::{
    address::Address,
    config::DatabaseConfig,
    db_error::{DbError, Verdict},
    places::{NoPlace, Places},
    session::{self, SessionOptions},
};

/// The pool replaces a connection after this time, so that a failed-over or rebalanced server gets its
/// clients.
const LIFETIME_MAX: Duration = Duration::from_secs(30 * 60);

/// The pool closes an unused connection after this time, to save memory of the server.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);

/// The pool pings a connection that was idle for longer before its use. On a busy connection, a ping would
/// only double the round trips.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// The waits between attempts to connect to a server that refuses connections for the moment.
const RECONNECT_WAITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// The connections that the users of a pool share.
#[derive(Debug)]
pub(super) struct Shared {
    session: SessionOptions,
    places: Places,
    /// The last one was used last.
    idle: Mutex<VecDeque<Idle>>,
    open: Arc<AtomicU32>,
    /// Raised when the connections that exist are of no more use.
    generation: AtomicU64,
    /// Whether each transaction may use another server process. Then session settings and prepared statements
    /// do not last.
    is_pooled: AtomicBool,
    /// Whether the first connection has shown what is at the other end.
    is_recognised: AtomicBool,
    /// One caller finds out, the others wait.
    recognising: tokio::sync::Mutex<()>,
    is_closed: AtomicBool,
    /// Begins a transaction with this pool's settings, for a pooler.
    begin: String,
    connections_min: u32,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: PgConnection,
    since: Instant,
    pub(super) generation: u64,
    pub(super) is_pooled: bool,
    /// Whether it was used a moment ago.
    is_trusted: bool,
    _counted: Counted,
}

#[derive(Debug)]
struct Idle {
    live: Live,
    since: Instant,
}

/// Counts an open connection until it is dropped.
#[derive(Debug)]
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Ordering::AcqRel);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    /// Connects to nothing yet.
    pub(super) fn new(address: Address, config: &DatabaseConfig) -> Self {
        let Address { options, schema, is_pooled, .. } = address;
        let session = SessionOptions::new(options, schema, config.statement_timeout, config.lock_timeout);
        Self {
            begin: session.begin(),
            session,
            places: Places::new(config.pool_max),
            idle: Mutex::default(),
            open: Arc::default(),
            generation: AtomicU64::new(0),
            is_pooled: AtomicBool::new(is_pooled),
            is_recognised: AtomicBool::new(is_pooled),
            recognising: tokio::sync::Mutex::default(),
            is_closed: AtomicBool::new(false),
            connections_min: config.pool_min,
        }
    }

    /// The number of open connections, and of those in use.
    pub(super) fn counts(&self) -> (u32, u32) {
        let idle = u32::try_from(self.idle.lock().len()).unwrap_or(u32::MAX);
        let open = self.open.load(Ordering::Acquire);
        (open, open.saturating_sub(idle))
    }

    /// How many callers wait for a connection.
    pub(super) fn waiting(&self) -> u32 {
        self.places.waiting()
    }

    /// Whether all places are taken.
    pub(super) fn is_exhausted(&self) -> bool {
        self.places.is_exhausted()
    }

    /// Begins a transaction with this pool's settings, for a pooler.
    pub(super) fn begin(&self) -> &str {
        &self.begin
    }

    /// Closes all idle connections. Those in use are closed by their users.
    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let idle = std::mem::take(&mut *self.idle.lock());
        let goodbyes = idle.into_iter().map(|idle| idle.live.connection.close());
        futures_util::future::join_all(goodbyes).await;
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn is_pooled(&self) -> bool {
        self.is_pooled.load(Ordering::Acquire)
    }

    async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, DbError> {
        self.places.take(deadline).await.map_err(|none| match none {
            NoPlace::Busy => DbError::Busy,
            NoPlace::Stuck => DbError::Unanswered,
        })
    }

    /// Takes an idle connection, or opens one. At the server's limit, it waits for a connection in use.
    pub(super) async fn take(&self, deadline: Instant) -> Result<(Live, OwnedSemaphorePermit), DbError> {
        let mut place = self.place(deadline).await?;
        let mut wait = RECONNECT_WAITS.0;
        loop {
            if self.is_closed.load(Ordering::Acquire) {
                return Err(DbError::Driver(sqlx::Error::PoolClosed));
            }
            while let Some(mut live) = self.pop_idle() {
                let Some(live) = live.check(deadline).await.then_some(live) else { continue };
                return Ok((live, place));
            }
            let fault = match self.open(deadline).await {
                Ok(live) => {
                    self.places.admitted();
                    return Ok((live, place));
                }
                Err(fault) => fault,
            };
            if fault.is_connection_limit() && self.open.load(Ordering::Acquire) > 0 {
                self.places.withhold(place);
                place = self.place(deadline).await?;
                continue;
            }
            if !fault.may_pass() || timer_now() + wait >= deadline {
                return Err(fault);
            }
            sleep(wait).await;
            wait = (wait * 2).min(RECONNECT_WAITS.1);
        }
    }

    /// Whether the server has lately refused no connection.
    pub(super) fn has_room(&self) -> bool {
        self.places.has_room()
    }

    /// Opens one more connection for later callers. It waits for no place and for no connection in use, and gives the new
    /// connection back at once.
    pub(super) async fn open_spare(&self, deadline: Instant) {
        let Some(place) = self.places.spare() else { return };
        match self.open(deadline).await {
            Ok(live) => {
                self.places.admitted();
                self.give_back(live);
            }
            Err(fault) if fault.is_connection_limit() => self.places.withhold(place),
            // A caller meets the fault again, and reports it.
            Err(_) => {}
        }
    }

    /// Takes the idle connection that was used last. Closes those that are of no more use.
    fn pop_idle(&self) -> Option<Live> {
        let mut idle = self.idle.lock();
        let unused = |idle: &Idle| idle.since.elapsed() > IDLE_MAX;
        while idle.len() > usize::try_from(self.connections_min).unwrap_or(usize::MAX)
            && idle.front().is_some_and(unused)
        {
            if let Some(unused) = idle.pop_front() {
                session::close(unused.live.connection);
            }
        }
        while let Some(Idle { mut live, since }) = idle.pop_back() {
            if live.generation == self.generation() && live.since.elapsed() < LIFETIME_MAX {
                live.is_trusted = since.elapsed() <= TRUSTED_IDLE;
                return Some(live);
            }
            session::close(live.connection);
        }
        None
    }

    async fn open(&self, deadline: Instant) -> Result<Live, DbError> {
        let generation = self.generation();
        let (connection, is_pooled) = self.open_session(deadline).await?;
        let counted = Counted::new(&self.open);
        Ok(Live {
            connection,
            since: timer_now(),
            generation,
            is_pooled,
            is_trusted: true,
            _counted: counted,
        })
    }

    async fn open_session(&self, deadline: Instant) -> Result<(PgConnection, bool), DbError> {
        let first = if self.is_recognised.load(Ordering::Acquire) {
            None
        } else {
            let first = timeout_at(deadline, self.recognising.lock()).await;
            let first = first.map_err(|_| DbError::Unanswered)?;
            (!self.is_recognised.load(Ordering::Acquire)).then_some(first)
        };
        if !self.is_pooled() {
            let opened = self.session.open_direct(deadline, first.is_some()).await?;
            self.is_recognised.store(true, Ordering::Release);
            match opened {
                Some(connection) => return Ok((connection, false)),
                None => self.use_pooler("the server's process serves other connections too"),
            }
        }
        Ok((self.session.open_pooled(deadline).await?, true))
    }

    /// From now on, each piece of work is a transaction, and no statement stays prepared.
    fn use_pooler(&self, sign: &str) {
        if !self.is_pooled.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                event = "database_pooler_recognised",
                sign,
                parameter = "pgbouncer=true",
                "DATABASE_URL leads through a pooler; each call is now a transaction; add pgbouncer=true to the address"
            );
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Draws the conclusions from a fault of a connection of this generation.
    pub(super) fn judge(&self, fault: DbError, generation: u64) -> DbError {
        match fault.verdict() {
            Verdict::Pooler if !self.is_pooled() => self.use_pooler("a prepared statement was gone or taken"),
            Verdict::Outdated => {
                // Later reports of the same event change nothing.
                let (next, order) = (generation + 1, Ordering::AcqRel);
                let _ = self.generation.compare_exchange(generation, next, order, Ordering::Acquire);
            }
            _ => {}
        }
        fault
    }

    /// Keeps an idle connection for the next caller, unless it is outdated.
    pub(super) fn give_back(&self, live: Live) {
        self.places.moved();
        if live.generation != self.generation() || self.is_closed.load(Ordering::Acquire) {
            session::close(live.connection);
            return;
        }
        self.idle.lock().push_back(Idle { live, since: timer_now() });
    }
}

impl Live {
    /// Whether the connection still works, after a longer pause.
    async fn check(&mut self, deadline: Instant) -> bool {
        self.is_trusted || matches!(timeout_at(deadline, self.connection.ping()).await, Ok(Ok(())))
    }
}
