//! Opens one session: finds out what is at the other end, and applies this pool's settings.

use std::time::Duration;

use foundation::clock::timer_now;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::{
    error::{StorageError, StorageErrorKind},
    postgres::pool::db_error::DbError,
};

/// The clock of a server counts in coarser steps than ours.
const AGE_SLACK: Duration = Duration::from_millis(2);

/// How long the comparison with a second connection may take. A server at its limit may admit no second one.
const COMPARISON_TIMEOUT: Duration = Duration::from_millis(500);

/// The error of a read-only server. Writes report the same state as SQLSTATE 25006.
pub(super) fn read_only() -> DbError {
    let what = "the database is read-only: a standby, or being switched over (SQLSTATE 25006)";
    DbError::Store(StorageError::new(StorageErrorKind::Unavailable, what).with_sqlstate("25006"))
}

/// How a session of this pool is opened.
#[derive(Debug, Clone)]
pub(super) struct SessionOptions {
    options: PgConnectOptions,
    schema: String,
    statement_timeout: String,
    lock_timeout: String,
}

/// The server process behind a connection, as the server describes it.
#[derive(Debug, Clone, Copy)]
struct Backend {
    pid: i32,
    /// How long it has run.
    age: Duration,
    is_read_only: bool,
}

const BACKEND: &str = "SELECT pg_backend_pid(), \
    COALESCE(extract(epoch FROM clock_timestamp() - (SELECT backend_start FROM pg_stat_activity \
      WHERE pid = pg_backend_pid())), 0)::float8, \
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";

impl SessionOptions {
    pub(super) fn new(
        options: PgConnectOptions,
        schema: String,
        statement_timeout: Duration,
        lock_timeout: Duration,
    ) -> Self {
        Self {
            options: options.application_name("innovation"),
            schema,
            statement_timeout: statement_timeout.as_millis().to_string(),
            lock_timeout: lock_timeout.as_millis().to_string(),
        }
    }

    /// The statements that begin a transaction with this pool's settings, for a pooler.
    pub(super) fn begin(&self) -> String {
        format!(
            "BEGIN; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; SET LOCAL row_security = off; \
             SET LOCAL search_path = \"{}\"",
            self.statement_timeout,
            self.lock_timeout,
            self.schema.replace('"', "\"\"")
        )
    }

    /// Connects through a pooler. The sessions there are shared, so their settings are left alone.
    pub(super) async fn open_pooled(&self, deadline: Instant) -> Result<PgConnection, DbError> {
        timeout_at(deadline, self.options.connect())
            .await
            .map_err(|_| DbError::Unanswered)?
            .map_err(Into::into)
    }

    /// Connects to the server itself. None if a pooler turns out to be in between. `is_first` compares with a
    /// second connection: a pooler may have started a server process for the first one.
    ///
    /// A connection to a read-only server is refused: it must not enter the pool.
    pub(super) async fn open_direct(
        &self,
        deadline: Instant,
        is_first: bool,
    ) -> Result<Option<PgConnection>, DbError> {
        let opened = timeout_at(deadline, async {
            let began = timer_now();
            let mut connection = self.options.connect().await?;
            let backend = backend(&mut connection).await?;
            if is_shared(&backend, began) || (is_first && self.shares(&backend).await) {
                return Ok::<_, DbError>(None);
            }
            if backend.is_read_only {
                close(connection);
                return Err(read_only());
            }
            self.apply(&mut connection).await?;
            Ok(Some(connection))
        });
        opened.await.map_err(|_| DbError::Unanswered)?
    }

    /// Whether a second connection gets the same server process, or one that is older than itself.
    async fn shares(&self, first: &Backend) -> bool {
        let second = timeout(COMPARISON_TIMEOUT, async {
            let began = timer_now();
            let mut connection = self.options.connect().await?;
            let second = backend(&mut connection).await?;
            close(connection);
            Ok::<_, DbError>(second.pid == first.pid || is_shared(&second, began))
        });
        matches!(second.await, Ok(Ok(true)))
    }

    /// Applies the settings to a session of our own.
    ///
    /// Without `row_security`, a policy that hides rows is an error. With it, a hidden row would look like a
    /// deleted one.
    async fn apply(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let sql = "SELECT set_config('search_path', quote_ident($1), false),
                          set_config('statement_timeout', $2, false), set_config('lock_timeout', $3, false),
                          set_config('row_security', 'off', false)";
        let query = sqlx::query(sql).persistent(false).bind(&self.schema);
        query.bind(&self.statement_timeout).bind(&self.lock_timeout).execute(connection).await?;
        Ok(())
    }
}

/// Whether the server process is older than our connection, so that others have used it before.
fn is_shared(backend: &Backend, connecting_since: Instant) -> bool {
    backend.age > connecting_since.elapsed() + AGE_SLACK
}

async fn backend(connection: &mut PgConnection) -> Result<Backend, DbError> {
    // A simple query leaves nothing behind in a shared session.
    let row = sqlx::raw_sql(BACKEND).fetch_one(connection).await?;
    let age = Duration::try_from_secs_f64(row.try_get(1)?).unwrap_or_default();
    Ok(Backend { pid: row.try_get(0)?, age, is_read_only: row.try_get(2)? })
}

/// Says good-bye to the server in the background, so that it frees the connection at once.
pub(super) fn close(connection: PgConnection) {
    tokio::spawn(async move {
        // An unreachable server hears nothing, and the socket closes anyway.
        let _ = timeout(COMPARISON_TIMEOUT, connection.close()).await;
    });
}

/// A setting with which a session of our own starts. A pooler refuses it, or does not pass it on to its server processes.
const MARK: &str = "innovation.session";

/// How long the question for a pooler may take: four connections and ten statements, also to another continent.
const SHARING_TIMEOUT: Duration = Duration::from_secs(5);

/// How often two sessions compare their server processes. A pooler seldom gives both of them the same ones each time.
const COMPARISONS: usize = 4;

/// Whether a pooler gives each transaction another server process. An advisory lock and a subscription do not last there,
/// and the next client of that process would receive the notifications, which are no answer to anything that it asked.
///
/// # Errors
///
/// The database could not be asked in time, or refused the connection.
pub async fn shares_server_processes(options: &PgConnectOptions) -> Result<bool, StorageError> {
    let asked = timeout(SHARING_TIMEOUT, async {
        Ok::<_, DbError>(!is_direct(options).await? && do_alternate(options).await?)
    });
    asked.await.unwrap_or(Err(DbError::Unanswered)).map_err(DbError::before_it_was_sent)
}

/// Whether the server itself starts the session.
async fn is_direct(options: &PgConnectOptions) -> Result<bool, DbError> {
    let mark = Uuid::new_v4().to_string();
    let mut connection = match options.clone().options([(MARK, &mark)]).connect().await {
        Ok(connection) => connection,
        // Another refusal meets the next connection too, and is reported by it.
        Err(sqlx::Error::Database(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let sql = format!("SELECT current_setting('{MARK}', true)");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
    close(connection);
    Ok(row.try_get::<Option<String>, _>(0)? == Some(mark))
}

/// Whether one of two sessions changes its server process, or both have the same one.
async fn do_alternate(options: &PgConnectOptions) -> Result<bool, DbError> {
    let (mut first, mut second) = (options.connect().await?, options.connect().await?);
    let begun = (backend(&mut first).await?.pid, backend(&mut second).await?.pid);
    let mut differs = begun.0 == begun.1;
    for _ in 1..COMPARISONS {
        differs |= backend(&mut first).await?.pid != begun.0 || backend(&mut second).await?.pid != begun.1;
    }
    close(first);
    close(second);
    Ok(differs)
}
