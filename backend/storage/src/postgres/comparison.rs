//! Reads what the comparison of both sides needs: rows by their digests, and the identity of the database.

use std::collections::BTreeMap;

use pipeline::{
    record::sha256_hex,
    run::{RunId, Stage},
};
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    part::Part,
    ports::sync::{OutlinePage, RowKey, RowOutline, Standing},
    postgres::{
        pool::{connections::PooledConn, db_error::DbError},
        runs::load,
        values::time,
    },
};

/// The most rows that one page reads by their keys: a few milliseconds, whatever share of them are runs of this service.
const KEYS_MAX: usize = 1_000;

/// Before every row: the year 1.
const FIRST: (i64, &str) = (-62_135_596_800_000, "");

/// By the index on (createdAt, id), with a start for each page. Excludes ids that `/run` would refuse, and status words
/// that this version does not know. $1 and $2 the row to go on after, $3 limit
const KEYS: &str = r#"
SELECT "id", (extract(epoch FROM "createdAt") * 1000)::int8 AS "created",
  "acceptedAt" IS NOT NULL AND "status" IN ('COMPLETED', 'FAILED', 'CANCELLED')
    AND "id" ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$' AS "isOurs"
FROM "PipelineRun" WHERE ("createdAt", "id") > (timestamp 'epoch' + $1 * interval '1 millisecond', $2)
ORDER BY "createdAt", "id" LIMIT $3"#;

/// A row may have changed since its key was read. `IS NOT NULL` reads no record. $1 the ids
const OUTLINES: &str = r#"
SELECT "id", "status"::text AS "status", "generation",
  (extract(epoch FROM "completedAt") * 1000)::int8 AS "completed",
  COALESCE(cardinality("conflictedStages"), 0) > 0 AS "hasConflict",
  CASE WHEN "stage1Output" IS NOT NULL THEN COALESCE("stage1Digest", '') END AS "part1",
  CASE WHEN "stage2Output" IS NOT NULL THEN COALESCE("stage2Digest", '') END AS "part2",
  CASE WHEN "stage3Output" IS NOT NULL THEN COALESCE("stage3Digest", '') END AS "part3",
  CASE WHEN "stage4Output" IS NOT NULL THEN COALESCE("stage4Digest", '') END AS "part4",
  CASE WHEN "fullReportMarkdown" IS NOT NULL THEN COALESCE("reportDigest", '') END AS "part5"
FROM "PipelineRun"
WHERE "id" = ANY($1) AND "status" IN ('COMPLETED', 'FAILED', 'CANCELLED') AND "acceptedAt" IS NOT NULL
  AND NOT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = "PipelineRun"."id")
ORDER BY "createdAt", "id""#;

/// The columns of [`OUTLINES`], by part.
const PARTS: [(Part, &str); 5] = [
    (Part::Stage(Stage::InputProcessing), "part1"),
    (Part::Stage(Stage::SignalAmplification), "part2"),
    (Part::Stage(Stage::GeneralTranslation), "part3"),
    (Part::Stage(Stage::BrandContextualization), "part4"),
    (Part::Report, "part5"),
];

/// Two round trips.
pub(super) async fn outlines(
    conn: &mut PooledConn<'_>,
    after: Option<&RowKey>,
    limit: usize,
) -> Result<OutlinePage, DbError> {
    let (created, id) = after.map_or(FIRST, |(created, id)| (*created, id.as_str()));
    let keys = conn
        .query(KEYS)
        .bind(created)
        .bind(id)
        .bind(i64::try_from(KEYS_MAX).unwrap_or(i64::MAX))
        .fetch_all(conn.connection()?)
        .await?;
    let mut ours: Vec<String> = Vec::new();
    let mut next = None;
    for (number, row) in keys.iter().enumerate() {
        let id: String = row.try_get("id")?;
        let is_ours: bool = row.try_get("isOurs")?;
        let is_full = ours.len() + usize::from(is_ours) >= limit;
        if is_full || number + 1 == KEYS_MAX {
            next = Some((row.try_get("created")?, id.clone()));
        }
        if is_ours {
            ours.push(id);
        }
        if next.is_some() {
            break;
        }
    }
    if ours.is_empty() {
        return Ok(OutlinePage { rows: Vec::new(), next });
    }
    let rows = conn.query(OUTLINES).bind(ours).fetch_all(conn.connection()?).await?;
    Ok(OutlinePage { rows: rows.iter().map(outline).collect::<Result<_, _>>()?, next })
}

fn outline(row: &PgRow) -> Result<RowOutline, DbError> {
    let mut parts = BTreeMap::new();
    for (part, column) in PARTS {
        if let Some(digest) = row.try_get::<Option<String>, _>(column)? {
            parts.insert(part, Some(digest).filter(|digest| !digest.is_empty()));
        }
    }
    Ok(RowOutline {
        run: super::values::run_id(row.try_get("id")?)?,
        status: load::status(row.try_get("status")?)?,
        generation: row.try_get("generation")?,
        parts,
        has_conflict: row.try_get("hasConflict")?,
        finished_at: time(row.try_get("completed")?),
    })
}

const STANDINGS: &str = r#"
SELECT asked."id", r."status"::text AS "status", (r."leaseUntil" > now()) IS TRUE AS "isLeased",
  EXISTS (SELECT FROM "RunTombstone" t WHERE t."runId" = asked."id") AS "isDeleted"
FROM unnest($1::text[]) AS asked("id") LEFT JOIN "PipelineRun" r ON r."id" = asked."id""#;

pub(super) async fn standings(
    conn: &mut PooledConn<'_>,
    runs: &[RunId],
) -> Result<Vec<(RunId, Standing)>, DbError> {
    let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    let rows = conn.query(STANDINGS).bind(names).fetch_all(conn.connection()?).await?;
    let standing = |row: &PgRow| -> Result<(RunId, Standing), DbError> {
        let status: Option<String> = row.try_get("status")?;
        let standing = match status.as_deref() {
            _ if row.try_get("isDeleted")? => Standing::Deleted,
            None => Standing::Absent,
            Some("PROCESSING") => Standing::Open { is_leased: row.try_get("isLeased")? },
            Some(_) => Standing::Ended,
        };
        Ok((super::values::run_id(row.try_get("id")?)?, standing))
    };
    rows.iter().map(standing).collect()
}

/// Every role may read all of it. A dropped column that comes back has another number.
const IDENTITY: &str = r#"
SELECT concat_ws('/', (SELECT oid FROM pg_database WHERE datname = current_database()),
    pg_postmaster_start_time(), '"PipelineRun"'::regclass::oid,
    (SELECT string_agg(attnum::text, ',' ORDER BY attnum) FROM pg_attribute
     WHERE attrelid = '"PipelineRun"'::regclass AND attnum > 0 AND NOT attisdropped)) AS "base",
  has_function_privilege('pg_control_system()', 'EXECUTE')
    AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE') AS "maySeeControl",
  has_table_privilege(to_regclass('_prisma_migrations')::oid, 'SELECT') IS TRUE AS "maySeeLedger""#;

/// Of the server's files: another cluster, or another timeline of the same one.
const CONTROL: &str = "
SELECT concat_ws('/', s.system_identifier, c.timeline_id) AS part FROM pg_control_system() s, pg_control_checkpoint() c";

/// Of the migrations' ledger: the newest entries.
const LEDGER: &str = r#"
SELECT concat_ws('/', count(*), max(started_at), max(finished_at), max(rolled_back_at)) AS part FROM "_prisma_migrations""#;

pub(super) async fn identity(conn: &mut PooledConn<'_>) -> Result<String, DbError> {
    let row = conn.query(IDENTITY).fetch_one(conn.connection()?).await?;
    let mut all: String = row.try_get("base")?;
    for (may_be_read, statement) in [("maySeeControl", CONTROL), ("maySeeLedger", LEDGER)] {
        if row.try_get::<bool, _>(may_be_read)? {
            let part = conn.query(statement).fetch_one(conn.connection()?).await?;
            all.push('|');
            all.push_str(part.try_get("part")?);
        }
    }
    Ok(sha256_hex(all.as_bytes()))
}
