//! The use of quotas: runs by their rows, dollars by the table of days.

use async_trait::async_trait;
use pipeline::run::RunId;
use serde_json::json;
use sqlx::Row as _;

use super::json::text_of;
use crate::{
    control_plane::{Principal, Spending, Usage, UsageStore},
    error::StorageError,
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
    },
};

/// A row without a principal belongs to `environment`, which is $4. Each count ends at the limit: more does not matter.
/// $1 principal, $2 runs that are not counted, $3 the limit of each count, $4 `environment`
const USAGE: &str = r#"
SELECT
  (SELECT count(*) FROM (SELECT FROM "PipelineRun"
    WHERE COALESCE("principal", $4) = $1 AND "acceptedAt" > now() - interval '1 minute' AND "id" <> ALL($2)
      AND "createdAt" > (now() - interval '1 hour') AT TIME ZONE 'UTC'
    LIMIT $3) r)::int4 AS "recent",
  (SELECT count(*) FROM (SELECT FROM "PipelineRun"
    WHERE COALESCE("principal", $4) = $1 AND "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL AND "id" <> ALL($2)
    LIMIT $3) r)::int4 AS "underWay",
  COALESCE((SELECT "usd" FROM "innovation"."Spend"
    WHERE "principal" = $1 AND "day" = (now() AT TIME ZONE 'UTC')::date), 0) AS "usd""#;

/// $1 what was spent, as a JSON array
const SPEND: &str = r#"
INSERT INTO "innovation"."Spend" AS s ("principal", "day", "usd")
SELECT "principal", "day", sum("usd") FROM jsonb_to_recordset($1::jsonb) AS n("principal" TEXT, "day" DATE, "usd" FLOAT8)
GROUP BY "principal", "day" ORDER BY "principal", "day"
ON CONFLICT ("principal", "day") DO UPDATE SET "usd" = s."usd" + EXCLUDED."usd""#;

#[async_trait]
impl UsageStore for PostgresStore {
    async fn usage(
        &self,
        principal: &Principal,
        without: &[RunId],
        count_max: u32,
    ) -> Result<Usage, StorageError> {
        let without: Vec<String> = without.iter().map(ToString::to_string).collect();
        bounded!(self.pool, Access::Read, |conn| usage(conn, principal, without, count_max))
    }

    async fn spend(&self, spent: &[Spending]) -> Result<(), StorageError> {
        let rows: Vec<_> = spent
            .iter()
            .map(|one| json!({"principal": one.principal, "day": one.day, "usd": one.usd}))
            .collect();
        let rows = text_of(&rows)?;
        bounded!(self.pool, Access::Write, |conn| spend(conn, rows))
    }
}

async fn usage(
    conn: &mut PooledConn<'_>,
    principal: &Principal,
    without: Vec<String>,
    count_max: u32,
) -> Result<Usage, DbError> {
    let row = conn
        .query(USAGE)
        .bind(principal.as_str())
        .bind(without)
        .bind(i64::from(count_max))
        .bind(Principal::ENVIRONMENT)
        .fetch_one(conn.connection()?)
        .await?;
    let count =
        |name: &str| Ok::<_, DbError>(u32::try_from(row.try_get::<i32, _>(name)?).unwrap_or_default());
    Ok(Usage {
        runs_last_minute: count("recent")?,
        runs_under_way: count("underWay")?,
        usd_today: row.try_get("usd")?,
    })
}

async fn spend(conn: &mut PooledConn<'_>, rows: String) -> Result<(), DbError> {
    conn.query(SPEND).bind(rows).execute(conn.connection()?).await?;
    Ok(())
}
