//! Reads what the comparison of both sides needs: rows by their digests, and the identity of the database.

use std::collections::BTreeMap;

use pipeline::{
    record::sha256_hex,
    run::{RunId, Stage},
};
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    part::Part,
    ports::sync::{RowKey, RowOutline, Standing},
    postgres::{
        pool::{connections::PooledConn, db_error::DbError},
        runs::load,
        values::time,
    },
};

/// By the index on (createdAt, id). `IS NOT NULL` reads no record. $1 and $2 the row to go on after, $3 limit
const OUTLINES: &str = r#"
SELECT "id", (extract(epoch FROM "createdAt") * 1000)::int8 AS "created", "status"::text AS "status", "generation",
  (extract(epoch FROM "completedAt") * 1000)::int8 AS "completed",
  COALESCE(cardinality("conflictedStages"), 0) > 0 AS "hasConflict",
  CASE WHEN "stage1Output" IS NOT NULL THEN COALESCE("stage1Digest", '') END AS "part1",
  CASE WHEN "stage2Output" IS NOT NULL THEN COALESCE("stage2Digest", '') END AS "part2",
  CASE WHEN "stage3Output" IS NOT NULL THEN COALESCE("stage3Digest", '') END AS "part3",
  CASE WHEN "stage4Output" IS NOT NULL THEN COALESCE("stage4Digest", '') END AS "part4",
  CASE WHEN "fullReportMarkdown" IS NOT NULL THEN COALESCE("reportDigest", '') END AS "part5"
FROM "PipelineRun"
WHERE "status" <> 'PROCESSING' AND "acceptedAt" IS NOT NULL
  AND NOT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = "PipelineRun"."id")
  AND ($2::text IS NULL OR ("createdAt", "id") > (timestamp 'epoch' + $1 * interval '1 millisecond', $2))
ORDER BY "createdAt", "id" LIMIT $3"#;

/// The columns of [`OUTLINES`], by part.
const PARTS: [(Part, &str); 5] = [
    (Part::Stage(Stage::InputProcessing), "part1"),
    (Part::Stage(Stage::SignalAmplification), "part2"),
    (Part::Stage(Stage::GeneralTranslation), "part3"),
    (Part::Stage(Stage::BrandContextualization), "part4"),
    (Part::Report, "part5"),
];

pub(super) async fn outlines(
    conn: &mut PooledConn<'_>,
    after: Option<&RowKey>,
    limit: usize,
) -> Result<Vec<RowOutline>, DbError> {
    let rows = conn
        .query(OUTLINES)
        .bind(after.map_or(0, |(created, _)| *created))
        .bind(after.map(|(_, run)| run.as_str()))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(outline).collect()
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
        created: row.try_get("created")?,
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
