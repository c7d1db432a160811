//! The table `_prisma_migrations`, written exactly as `prisma migrate deploy` writes it.

use pipeline::clock::Timestamp;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{error::MigrateError, session::unreachable};

/// Prisma's own statement.
const CREATE: &str = "CREATE TABLE _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)";

/// One attempt at one migration. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) migration_name: String,
    pub(super) checksum: String,
    pub(super) logs: Option<String>,
    pub(super) started_at: String,
    pub(super) finished_at: Option<String>,
    pub(super) rolled_back_at: Option<String>,
}

impl sqlx::FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            migration_name: row.try_get("migration_name")?,
            checksum: row.try_get("checksum")?,
            logs: row.try_get("logs")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
            rolled_back_at: row.try_get("rolled_back_at")?,
        })
    }
}

impl Row {
    /// Started, and neither finished nor rolled back.
    pub(super) fn is_failed(&self) -> bool {
        self.finished_at.is_none() && self.rolled_back_at.is_none()
    }

    /// Finished, and not rolled back.
    pub(super) fn is_applied(&self) -> bool {
        self.finished_at.is_some() && self.rolled_back_at.is_none()
    }
}

/// All rows, oldest first. `None` if the table does not exist.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Option<Vec<Row>>, MigrateError> {
    if !exists(connection).await? {
        return Ok(None);
    }
    let rows = sqlx::query_as(
        r#"SELECT id, migration_name, checksum, logs,
                  to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
                  to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished_at,
                  to_char(rolled_back_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS rolled_back_at
           FROM _prisma_migrations m ORDER BY m.started_at"#,
    )
    .fetch_all(connection)
    .await
    .map_err(|error| unreachable(&error))?;
    Ok(Some(rows))
}

async fn exists(connection: &mut PgConnection) -> Result<bool, MigrateError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = '_prisma_migrations')",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| unreachable(&error))
}

/// Whether the schema holds any tables (except PostGIS's own).
pub(super) async fn has_tables(connection: &mut PgConnection) -> Result<bool, MigrateError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'spatial_ref_sys')",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| unreachable(&error))
}

/// Creates the table.
pub(super) async fn create(connection: &mut PgConnection) -> Result<(), MigrateError> {
    execute(connection, sqlx::query(CREATE)).await
}

/// Records the start of a migration. Returns the row's id.
pub(super) async fn begin(
    connection: &mut PgConnection,
    name: &str,
    checksum: &str,
    now: Timestamp,
) -> Result<String, MigrateError> {
    let id = uuid::Uuid::new_v4().to_string();
    let insert = sqlx::query(
        "INSERT INTO _prisma_migrations (id, checksum, started_at, migration_name)
         VALUES ($1, $2, $3::text::timestamptz, $4)",
    );
    let insert = insert.bind(&id).bind(checksum).bind(now.to_rfc3339()).bind(name);
    execute(connection, insert).await?;
    Ok(id)
}

/// Records that the script has run, in two statements as Prisma does.
pub(super) async fn finish(
    connection: &mut PgConnection,
    id: &str,
    now: Timestamp,
) -> Result<(), MigrateError> {
    let count = sqlx::query(
        "UPDATE _prisma_migrations SET applied_steps_count = applied_steps_count + 1 WHERE id = $1",
    );
    execute(connection, count.bind(id)).await?;
    let finish =
        sqlx::query("UPDATE _prisma_migrations SET finished_at = $2::text::timestamptz WHERE id = $1");
    execute(connection, finish.bind(id).bind(now.to_rfc3339())).await
}

/// Records why the script failed.
pub(super) async fn fail(connection: &mut PgConnection, id: &str, logs: &str) -> Result<(), MigrateError> {
    let fail = sqlx::query("UPDATE _prisma_migrations SET logs = $2 WHERE id = $1");
    execute(connection, fail.bind(id).bind(logs)).await
}

/// Marks one attempt as rolled back.
pub(super) async fn roll_back(
    connection: &mut PgConnection,
    id: &str,
    now: Timestamp,
) -> Result<(), MigrateError> {
    let update =
        sqlx::query("UPDATE _prisma_migrations SET rolled_back_at = $2::text::timestamptz WHERE id = $1");
    execute(connection, update.bind(id).bind(now.to_rfc3339())).await
}

/// Records a migration as applied without running it.
pub(super) async fn record_applied(
    connection: &mut PgConnection,
    name: &str,
    checksum: &str,
    now: Timestamp,
) -> Result<(), MigrateError> {
    let insert = sqlx::query(
        "INSERT INTO _prisma_migrations (id, checksum, started_at, finished_at, migration_name, logs)
         VALUES ($1, $2, $3::text::timestamptz, $3::text::timestamptz, $4, '')",
    );
    let id = uuid::Uuid::new_v4().to_string();
    let insert = insert.bind(id).bind(checksum).bind(now.to_rfc3339()).bind(name);
    execute(connection, insert).await
}

async fn execute(
    connection: &mut PgConnection,
    query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
) -> Result<(), MigrateError> {
    query.execute(connection).await.map(|_| ()).map_err(|error| unreachable(&error))
}

/// Refuses to continue while an earlier migration is failed.
pub(super) fn refuse_failed(rows: &[Row]) -> Result<(), MigrateError> {
    let names: Vec<_> =
        rows.iter().filter(|row| row.is_failed()).map(|row| row.migration_name.clone()).collect();
    if names.is_empty() { Ok(()) } else { Err(MigrateError::Failed { names }) }
}
