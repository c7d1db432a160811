//! Baselines of deployments.

use async_trait::async_trait;
use sqlx::Row as _;

use super::json::{row_of, text_of};
use crate::{
    control_plane::{Baseline, Baselines},
    error::StorageError,
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
    },
};

/// $1 the baseline as JSON
const STORE: &str = r#"
WITH old AS (DELETE FROM "innovation"."Baseline" WHERE "hour" < now() - interval '7 days')
INSERT INTO "innovation"."Baseline"
SELECT * FROM jsonb_populate_record(NULL::"innovation"."Baseline", $1::jsonb)
ON CONFLICT ("hour", "deployment", "replica") DO UPDATE SET "figures" = EXCLUDED."figures""#;

/// $1 the deployment that asks
const PREVIOUS: &str = r#"
SELECT to_jsonb(b)::text AS "baseline" FROM "innovation"."Baseline" b
WHERE "deployment" = (
  SELECT "deployment" FROM "innovation"."Baseline" WHERE "deployment" <> $1 ORDER BY "hour" DESC LIMIT 1
)
ORDER BY "hour" DESC LIMIT 1000"#;

#[async_trait]
impl Baselines for PostgresStore {
    async fn store(&self, baseline: &Baseline) -> Result<(), StorageError> {
        let baseline = text_of(baseline)?;
        bounded!(self.pool, Access::Write, |conn| store(conn, baseline))
    }

    async fn previous(&self, deployment: &str) -> Result<Vec<Baseline>, StorageError> {
        let deployment = deployment.to_owned();
        let texts = bounded!(self.pool, Access::Read, |conn| previous(conn, deployment))?;
        texts.iter().map(|text| row_of(text)).collect()
    }
}

async fn store(conn: &mut PooledConn<'_>, baseline: String) -> Result<(), DbError> {
    conn.query(STORE).bind(baseline).execute(conn.connection()?).await?;
    Ok(())
}

async fn previous(conn: &mut PooledConn<'_>, deployment: String) -> Result<Vec<String>, DbError> {
    let rows = conn.query(PREVIOUS).bind(deployment).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("baseline")?)).collect()
}
