//! The runs of one user of the frontend, by their rows.

use async_trait::async_trait;
use pipeline::run::RunId;
use sqlx::Row as _;

use crate::{
    control_plane::{UserRun, UserRuns},
    error::StorageError,
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        runs::load,
        store::PostgresStore,
        values::run_id,
    },
};

/// Ids that `/run` would refuse are no runs of this service. $1 Clerk id, $2 the id before the page, $3 limit
const RUNS_OF_USER: &str = r#"
SELECT r."id", r."status"::text AS "status" FROM "PipelineRun" r JOIN "User" u ON u."id" = r."userId"
WHERE u."clerkId" = $1 AND r."id" > $2 AND r."id" ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$'
ORDER BY r."id" LIMIT $3"#;

#[async_trait]
impl UserRuns for PostgresStore {
    async fn runs_of_user(
        &self,
        user: &str,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<UserRun>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| runs_of_user(conn, user, after, limit))
    }
}

async fn runs_of_user(
    conn: &mut PooledConn<'_>,
    user: &str,
    after: Option<&RunId>,
    limit: usize,
) -> Result<Vec<UserRun>, DbError> {
    let rows = conn
        .query(RUNS_OF_USER)
        .bind(user)
        .bind(after.map_or("", RunId::as_str))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(UserRun { id: run_id(row.try_get("id")?)?, status: load::status(row.try_get("status")?)? })
        })
        .collect()
}
