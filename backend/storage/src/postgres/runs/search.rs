//! Finds runs for people, and counts what happened lately.

use async_trait::async_trait;
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    error::StorageError,
    ports::{
        listing::{COUNTED_MAX, Position},
        search::{Activity, Found, FoundRun, LOOKED_AT_MAX, Minute, RunFilter, RunSearch},
    },
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        runs::{
            list::{OURS, summary},
            load,
        },
        store::PostgresStore,
        values::{run_id, time},
    },
};

/// How many of the newest runs the last minutes are made of. At more than that an hour, the line shows the end of it.
const COUNTED_RUNS_MAX: i64 = 10_000;

/// The dollars of the stored stages. `meta` is the first thing in a record, so little of a large one is read.
const COST: &str = r##"COALESCE("lostUsd", 0)
  + COALESCE(("stage1Output"#>>'{meta,usage,cost_usd}')::float8, 0) + COALESCE(("stage2Output"#>>'{meta,usage,cost_usd}')::float8, 0)
  + COALESCE(("stage3Output"#>>'{meta,usage,cost_usd}')::float8, 0) + COALESCE(("stage4Output"#>>'{meta,usage,cost_usd}')::float8, 0)"##;

/// The model of the last stored stage.
const MODEL: &str =
    r##"COALESCE("stage4Output", "stage3Output", "stage2Output", "stage1Output")#>>'{meta,model}'"##;

/// The filters that have an index. $1 status, $2 brand, $3 error code, $4 and $5 the time of creation, $6 and $7 the start
fn shallow(filter: &RunFilter) -> String {
    let mut text = OURS.to_owned();
    let mut add = |is_asked: bool, condition: &str, absent: &str| {
        text.push_str("\n  AND ");
        text.push_str(if is_asked { condition } else { absent });
    };
    add(filter.status.is_some(), r#""status" = $1::"RunStatus""#, "$1::text IS NULL");
    add(filter.brand_id.is_some(), r#""brandId" = $2"#, "$2::text IS NULL");
    add(filter.error_code.is_some(), r#""errorCode" = $3"#, "$3::text IS NULL");
    let from = r#""createdAt" >= timestamp 'epoch' + $4::int8 * interval '1 millisecond'"#;
    add(filter.created_from.is_some(), from, "$4::int8 IS NULL");
    let to = r#""createdAt" < timestamp 'epoch' + $5::int8 * interval '1 millisecond'"#;
    add(filter.created_to.is_some(), to, "$5::int8 IS NULL");
    let after = r#"("createdAt", "id") < (timestamp 'epoch' + $6::int8 * interval '1 millisecond', $7)"#;
    add(filter.after.is_some(), after, "$6::int8 IS NULL AND $7::text IS NULL");
    text
}

/// The runs of a window of keys that match the rest. `MATERIALIZED` and `OFFSET 0` keep the server from looking for a model in all
/// rows first: it reads the keys from an index, then the rows of those keys one by one. $8 the limit of keys, $9 model, $10 the least cost, $11 the largest
/// grounding, $12 the limit of runs
fn search_sql(filter: &RunFilter) -> String {
    let shallow = shallow(filter);
    format!(
        r#"
WITH seen AS MATERIALIZED (
  SELECT r."id", r."status"::text AS "status", r."generation", r."documentName", r."brandId", r."principal", r."createdAt" AS "at",
    (extract(epoch FROM r."createdAt") * 1000)::int8 AS "created",
    (extract(epoch FROM r."completedAt") * 1000)::int8 AS "completed",
    num_nonnulls(r."stage1Output", r."stage2Output", r."stage3Output", r."stage4Output") AS "stages",
    r."errorCode", r."errorStage", r."errorMessage", r."errorCanRetry", r."grounding", {MODEL} AS "model", {COST} AS "cost"
  FROM (
    SELECT "id" AS "key" FROM "PipelineRun" WHERE {shallow}
    ORDER BY "createdAt" DESC, "id" DESC LIMIT $8
  ) AS page CROSS JOIN LATERAL (SELECT * FROM "PipelineRun" one WHERE one."id" = page."key" OFFSET 0) AS r
)
SELECT * FROM seen
WHERE ($9::text IS NULL OR "model" = $9) AND ($10::float8 IS NULL OR "cost" >= $10) AND ($11::float8 IS NULL OR "grounding" <= $11)
ORDER BY "at" DESC, "id" DESC LIMIT $12"#
    )
}

/// The last key of a full window. $8 how many keys come before it
fn window_end_sql(filter: &RunFilter) -> String {
    let shallow = shallow(filter);
    format!(
        r#"SELECT "id", (extract(epoch FROM "createdAt") * 1000)::int8 AS "created" FROM "PipelineRun" WHERE {shallow}
ORDER BY "createdAt" DESC, "id" DESC OFFSET $8 LIMIT 1"#
    )
}

/// Counts the runs up to a limit. $8 limit
fn count_sql(filter: &RunFilter) -> String {
    let shallow = shallow(&RunFilter { after: None, ..filter.clone() });
    format!(
        r#"SELECT count(*)::int8 AS "total" FROM (SELECT FROM "PipelineRun" WHERE {shallow} LIMIT $8) AS one"#
    )
}

/// $1 how many minutes, $2 the most runs
const ACTIVITY: &str = r#"
WITH recent AS MATERIALIZED (
  SELECT "createdAt", "completedAt", "status", "acceptedAt" IS NOT NULL AS "isAccepted" FROM "PipelineRun"
  WHERE "createdAt" > (now() AT TIME ZONE 'UTC') - ($1 + 60) * interval '1 minute'
  ORDER BY "createdAt" DESC, "id" DESC LIMIT $2
)
SELECT "age", (count(*) FILTER (WHERE "what" = 0))::int8 AS "accepted", (count(*) FILTER (WHERE "what" = 1))::int8 AS "completed",
  (count(*) FILTER (WHERE "what" = 2))::int8 AS "failed", (avg("seconds") FILTER (WHERE "what" = 1))::float8 AS "seconds"
FROM (
  SELECT floor(extract(epoch FROM (now() AT TIME ZONE 'UTC') - "createdAt") / 60)::int4 AS "age", 0 AS "what", NULL::float8 AS "seconds"
  FROM recent WHERE "isAccepted"
  UNION ALL
  SELECT floor(extract(epoch FROM (now() AT TIME ZONE 'UTC') - "completedAt") / 60)::int4,
    CASE "status" WHEN 'COMPLETED' THEN 1 WHEN 'FAILED' THEN 2 ELSE 3 END,
    extract(epoch FROM "completedAt" - "createdAt")::float8
  FROM recent WHERE "completedAt" IS NOT NULL
) AS seen WHERE "age" >= 0 AND "age" < $1 GROUP BY "age""#;

const SPENT_TODAY: &str = r#"SELECT COALESCE(sum("usd"), 0)::float8 AS "usd" FROM "innovation"."Spend"
WHERE "day" = (now() AT TIME ZONE 'UTC')::date"#;

#[async_trait]
impl RunSearch for PostgresStore {
    async fn search(&self, filter: &RunFilter) -> Result<Found, StorageError> {
        bounded!(self.pool, Access::Read, |conn| search(conn, filter))
    }

    async fn activity(&self, minutes: usize) -> Result<Activity, StorageError> {
        bounded!(self.pool, Access::Read, |conn| activity(conn, minutes.min(60)))
    }
}

type Bound<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// A statement with the filters that have an index. The server plans each one anew for them.
fn bound(sql: String, filter: &RunFilter) -> Bound<'static> {
    let millis = |at: Option<pipeline::clock::Timestamp>| at.map(|at| at.timestamp_millis());
    let after = filter.after.as_ref();
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .persistent(false)
        .bind(filter.status.map(|status| load::word(status).to_owned()))
        .bind(filter.brand_id.as_ref().map(ToString::to_string))
        .bind(filter.error_code.clone())
        .bind(millis(filter.created_from))
        .bind(millis(filter.created_to))
        .bind(after.map(|position| position.created_at.timestamp_millis()))
        .bind(after.map(|position| position.run.to_string()))
}

/// Two or three round trips.
async fn search(conn: &mut PooledConn<'_>, filter: &RunFilter) -> Result<Found, DbError> {
    let wanted = filter.limit + 1;
    let window = if filter.is_deep() { LOOKED_AT_MAX } else { wanted };
    let rows = bound(search_sql(filter), filter)
        .bind(count(window))
        .bind(filter.model.clone())
        .bind(filter.cost_min)
        .bind(filter.grounding_max)
        .bind(count(wanted))
        .fetch_all(conn.connection()?)
        .await?;
    let runs = rows.iter().take(filter.limit).map(found).collect::<Result<Vec<_>, _>>()?;
    let mut next = runs.last().filter(|_| rows.len() > filter.limit).map(|last| last.run.position());
    if !filter.is_deep() {
        let counted = &RunFilter { after: None, ..filter.clone() };
        let total = bound(count_sql(filter), counted)
            .bind(count(COUNTED_MAX + 1))
            .fetch_one(conn.connection()?)
            .await?;
        let total = usize::try_from(total.try_get::<i64, _>("total")?).unwrap_or(0);
        let is_total_exact = total <= COUNTED_MAX;
        return Ok(Found { runs, next, total: Some(total.min(COUNTED_MAX)), is_total_exact });
    }
    if next.is_none() {
        let end = bound(window_end_sql(filter), filter)
            .bind(count(LOOKED_AT_MAX - 1))
            .fetch_optional(conn.connection()?)
            .await?;
        next = match end {
            Some(end) => {
                let created_at = time(end.try_get("created")?).unwrap_or_default();
                Some(Position { created_at, run: run_id(end.try_get("id")?)? })
            }
            None => None,
        };
    }
    Ok(Found { runs, next, total: None, is_total_exact: false })
}

fn found(row: &PgRow) -> Result<FoundRun, DbError> {
    Ok(FoundRun {
        run: summary(row)?,
        model: row.try_get("model")?,
        cost_usd: row.try_get("cost")?,
        grounding: row.try_get("grounding")?,
    })
}

async fn activity(conn: &mut PooledConn<'_>, minutes: usize) -> Result<Activity, DbError> {
    let number = i32::try_from(minutes).unwrap_or(60);
    let rows = conn.query(ACTIVITY).bind(number).bind(COUNTED_RUNS_MAX).fetch_all(conn.connection()?).await?;
    let spent = conn.query(SPENT_TODAY).fetch_one(conn.connection()?).await?;
    let mut all = vec![Minute::default(); minutes];
    for row in &rows {
        let age = usize::try_from(row.try_get::<i32, _>("age")?).unwrap_or(usize::MAX);
        let at = minutes.checked_sub(age.saturating_add(1));
        if let Some(minute) = at.and_then(|at| all.get_mut(at)) {
            let number =
                |name: &str| Ok::<_, DbError>(usize::try_from(row.try_get::<i64, _>(name)?).unwrap_or(0));
            *minute = Minute {
                accepted: number("accepted")?,
                completed: number("completed")?,
                failed: number("failed")?,
                mean_seconds: row.try_get("seconds")?,
            };
        }
    }
    Ok(Activity { minutes: all, usd_today: spent.try_get("usd")? })
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
