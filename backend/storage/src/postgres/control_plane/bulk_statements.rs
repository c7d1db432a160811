//! The statements of bulk operations.

use pipeline::run::RunStatus;

use crate::{
    control_plane::{BULK_OPERATIONS_MAX, BULK_RUNS_MAX, BulkAction, BulkFilter, Principal},
    postgres::runs::list::OURS,
};

/// The conditions of a filter. An absent one adds no condition, so that the server can use the index of the others.
///
/// $1 status, $2 brand, $3 principal, $4 error code, $5 model, $6 created from, $7 created before, $8 ended from, $9 as of, all
/// times in milliseconds
fn conditions(filter: &BulkFilter) -> String {
    let time = |column: &str, operator: &str, number: u8| {
        format!(r#""{column}" {operator} timestamp 'epoch' + ${number}::int8 * interval '1 millisecond'"#)
    };
    let given = |is_given: bool, condition: String, number: u8, kind: &str| {
        if is_given { condition } else { format!("${number}::{kind} IS NULL") }
    };
    let principal = match &filter.principal {
        Some(principal) if principal.is_environment() => {
            r#""principal" IS NULL AND $3::text IS NULL"#.to_owned()
        }
        other => given(other.is_some(), r#""principal" = $3"#.to_owned(), 3, "text"),
    };
    let model = r#"$5 IN ("stage1Output"->'meta'->>'model', "stage2Output"->'meta'->>'model',
      "stage3Output"->'meta'->>'model', "stage4Output"->'meta'->>'model')"#;
    [
        OURS.to_owned(),
        given(filter.status.is_some(), r#""status" = $1::"RunStatus""#.to_owned(), 1, "text"),
        given(filter.company_id.is_some(), r#""brandId" = $2"#.to_owned(), 2, "text"),
        principal,
        given(filter.error_code.is_some(), r#""errorCode" = $4"#.to_owned(), 4, "text"),
        given(filter.model.is_some(), model.to_owned(), 5, "text"),
        given(filter.created_from.is_some(), time("createdAt", ">=", 6), 6, "int8"),
        given(filter.created_before.is_some(), time("createdAt", "<", 7), 7, "int8"),
        given(filter.ended_from.is_some(), time("completedAt", ">=", 8), 8, "int8"),
        time("createdAt", "<=", 9),
    ]
    .join(" AND ")
}

/// The runs that the action can change. Without a code, a retry leaves out those that would fail again.
fn eligible(action: BulkAction, filter: &BulkFilter) -> &'static str {
    match action {
        BulkAction::Retry if filter.error_code.is_some() => {
            r#""status" IN ('FAILED', 'CANCELLED') AND "acceptedAt" IS NOT NULL"#
        }
        BulkAction::Retry => {
            r#""status" IN ('FAILED', 'CANCELLED') AND "acceptedAt" IS NOT NULL AND "errorCanRetry" IS NOT FALSE"#
        }
        BulkAction::Cancel => r#""status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL"#,
        BulkAction::Delete => r#""status" IN ('COMPLETED', 'FAILED', 'CANCELLED')"#,
    }
}

/// The cost of a stage is the mean of the last runs that paid for it.
pub(super) fn preview(action: BulkAction, filter: &BulkFilter) -> String {
    let (conditions, eligible) = (conditions(filter), eligible(action, filter));
    let is_retry = action == BulkAction::Retry;
    let limit = BULK_RUNS_MAX + 1;
    let system = Principal::SYSTEM;
    format!(
        r#"
WITH matching AS MATERIALIZED (
  SELECT "stage1Output" IS NULL AS "s1", "stage2Output" IS NULL AS "s2", "stage3Output" IS NULL AS "s3",
    "stage4Output" IS NULL AS "s4"
  FROM "PipelineRun" WHERE {conditions} AND {eligible} ORDER BY "createdAt" DESC, "id" DESC LIMIT {limit}
),
missing AS (
  SELECT count(*) AS "n", count(*) FILTER (WHERE "s1") AS "s1", count(*) FILTER (WHERE "s2") AS "s2",
    count(*) FILTER (WHERE "s3") AS "s3", count(*) FILTER (WHERE "s4") AS "s4" FROM matching
),
recent AS (
  SELECT "stage1Output", "stage2Output", "stage3Output", "stage4Output" FROM "PipelineRun"
  WHERE {is_retry} AND "status" = 'COMPLETED' AND "acceptedAt" IS NOT NULL AND "principal" IS DISTINCT FROM '{system}'
  ORDER BY "createdAt" DESC, "id" DESC LIMIT 50
),
mean AS (
  SELECT avg(("stage1Output"->'meta'->'usage'->>'cost_usd')::float8) AS "s1",
    avg(("stage2Output"->'meta'->'usage'->>'cost_usd')::float8) AS "s2",
    avg(("stage3Output"->'meta'->'usage'->>'cost_usd')::float8) AS "s3",
    avg(("stage4Output"->'meta'->'usage'->>'cost_usd')::float8) AS "s4" FROM recent
),
hopeless AS (
  SELECT FROM "PipelineRun" WHERE {is_retry} AND $4::text IS NULL AND {conditions}
    AND "status" = 'FAILED' AND "acceptedAt" IS NOT NULL AND "errorCanRetry" IS FALSE LIMIT {limit}
)
SELECT m."n" AS "matching", m."s1" + m."s2" + m."s3" + m."s4" AS "missing",
  m."s1" * a."s1" + m."s2" * a."s2" + m."s3" * a."s3" + m."s4" * a."s4" AS "cost",
  (SELECT count(*) FROM hopeless) AS "hopeless"
FROM missing m, mean a"#
    )
}

/// $10 id, $11 action, $12 filter, $13 reason, $14 actor, $15 expected, $16 tolerance, $17 audit record
pub(super) fn start(action: BulkAction, filter: &BulkFilter) -> String {
    let (conditions, eligible) = (conditions(filter), eligible(action, filter));
    format!(
        r#"
WITH known AS (SELECT "action", "filter" FROM "innovation"."BulkOperation" WHERE "id" = $10),
busy AS (SELECT count(*) AS "n" FROM "innovation"."BulkOperation" WHERE "finishedAt" IS NULL),
matching AS MATERIALIZED (
  SELECT "id", "generation", "createdAt" FROM "PipelineRun"
  WHERE {conditions} AND {eligible} AND NOT EXISTS (SELECT FROM known)
  ORDER BY "createdAt" DESC, "id" DESC LIMIT {BULK_RUNS_MAX}
),
counted AS (SELECT count(*)::int8 AS "n" FROM matching),
made AS (
  INSERT INTO "innovation"."BulkOperation" ("id", "action", "filter", "asOf", "total", "reason", "actor")
  SELECT $10, $11, $12::jsonb, to_timestamp($9::float8 / 1000), c."n", $13, $14::jsonb FROM counted c, busy b
  WHERE NOT EXISTS (SELECT FROM known) AND b."n" < {BULK_OPERATIONS_MAX} AND c."n" > 0 AND abs(c."n" - $15) <= $16
  ON CONFLICT DO NOTHING
  RETURNING "id", "total"
),
items AS (
  INSERT INTO "innovation"."BulkItem" ("operation", "position", "runId", "generation")
  SELECT made."id", row_number() OVER (ORDER BY m."createdAt" DESC, m."id" DESC), m."id", m."generation"
  FROM made, matching m
),
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT a.* FROM made, jsonb_populate_record(NULL::"innovation"."AuditRecord",
    $17::jsonb || jsonb_build_object('new', jsonb_build_object('action', $11::text, 'filter', $12::jsonb, 'runs', made."total"))) a
)
SELECT EXISTS (SELECT FROM made) AS "isNew", EXISTS (SELECT FROM known) AS "isKnown",
  EXISTS (SELECT FROM known WHERE "action" = $11 AND "filter" = $12::jsonb) AS "isSame",
  (SELECT "n" FROM busy) >= {BULK_OPERATIONS_MAX} AS "isFull", (SELECT "n" FROM counted) AS "matching""#
    )
}

/// The part of an operation's JSON without the names of runs.
macro_rules! operation {
    ($problems:expr, $rest:literal) => {
        concat!(
            r#"
SELECT (to_jsonb(o) || jsonb_build_object('counts', COALESCE((
  SELECT jsonb_agg(jsonb_build_object('outcome', c."outcome", 'code', c."code", 'runs', c."n"))
  FROM (SELECT "outcome", "code", count(*) AS "n" FROM "innovation"."BulkItem"
    WHERE "operation" = o."id" AND "outcome" IS NOT NULL GROUP BY 1, 2) c), '[]')"#,
            $problems,
            r#"))::text AS "operation" FROM "innovation"."BulkOperation" o "#,
            $rest
        )
    };
}

/// $1 id, $2 limit
pub(super) const OPERATION: &str = operation!(
    r#", 'problems', COALESCE((
  SELECT jsonb_agg(jsonb_build_object('run_id', p."runId", 'outcome', p."outcome", 'code', p."code") ORDER BY p."position")
  FROM (SELECT * FROM "innovation"."BulkItem" WHERE "operation" = o."id" AND "outcome" IN ('refused', 'failed')
    ORDER BY "position" LIMIT $2) p), '[]')"#,
    r#"WHERE o."id" = $1"#
);

/// $1 limit
pub(super) const OPERATIONS: &str = operation!("", r#"ORDER BY o."createdAt" DESC, o."id" DESC LIMIT $1"#);

/// $1 id, $2 audit record
pub(super) const CANCEL: &str = r#"
WITH ended AS (
  UPDATE "innovation"."BulkOperation" SET "status" = 'cancelled', "finishedAt" = now(), "leaseOwner" = NULL, "leaseUntil" = NULL
  WHERE "id" = $1 AND "finishedAt" IS NULL RETURNING "id"
),
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT a.* FROM ended, jsonb_populate_record(NULL::"innovation"."AuditRecord",
    $2::jsonb || jsonb_build_object('old', jsonb_build_object('status', 'running'),
      'new', jsonb_build_object('status', 'cancelled'))) a
)
SELECT EXISTS (SELECT FROM ended) AS "isEnded""#;

/// The own operation comes first. Items that failed before come last.
///
/// $1 owner, $2 lease (s), $3 limit, $4 replica
pub(super) const CLAIM: &str = r#"
WITH picked AS (
  SELECT "id" FROM "innovation"."BulkOperation"
  WHERE "finishedAt" IS NULL AND ("leaseOwner" IS NULL OR "leaseOwner" = $1 OR "leaseUntil" < now())
  ORDER BY "leaseOwner" = $1 DESC NULLS LAST, "createdAt" LIMIT 1 FOR UPDATE SKIP LOCKED
),
led AS (
  UPDATE "innovation"."BulkOperation" o SET "leaseOwner" = $1, "replica" = $4,
    "leaseUntil" = now() + make_interval(secs => $2)
  FROM picked WHERE o."id" = picked."id" RETURNING o."id", o."action", o."reason", o."actor"
),
next AS (
  SELECT i."operation", i."position" FROM led JOIN "innovation"."BulkItem" i ON i."operation" = led."id"
  WHERE i."outcome" IS NULL ORDER BY i."attempts", i."position" LIMIT $3
),
taken AS (
  UPDATE "innovation"."BulkItem" i SET "attempts" = i."attempts" + 1 FROM next
  WHERE i."operation" = next."operation" AND i."position" = next."position"
  RETURNING i."position", i."runId", i."generation", i."attempts"
)
SELECT jsonb_build_object('operation', led."id", 'action', led."action", 'reason', led."reason", 'actor', led."actor",
  'items', COALESCE((SELECT jsonb_agg(to_jsonb(taken) ORDER BY "position") FROM taken), '[]'))::text AS "batch"
FROM led"#;

/// $1 operation, $2 results as a JSON array
pub(super) const RECORD: &str = r#"
UPDATE "innovation"."BulkItem" i SET "outcome" = g."outcome", "code" = g."code"
FROM jsonb_to_recordset($2::jsonb) AS g("position" int, "outcome" text, "code" text)
WHERE i."operation" = $1 AND i."position" = g."position" AND i."outcome" IS NULL"#;

/// $1 operation
pub(super) const FINISH: &str = r#"
UPDATE "innovation"."BulkOperation"
SET "status" = 'completed', "finishedAt" = now(), "leaseOwner" = NULL, "leaseUntil" = NULL
WHERE "id" = $1 AND "finishedAt" IS NULL
  AND NOT EXISTS (SELECT FROM "innovation"."BulkItem" WHERE "operation" = $1 AND "outcome" IS NULL)"#;

/// $1 owner
pub(super) const RELEASE: &str = r#"
UPDATE "innovation"."BulkOperation" SET "leaseOwner" = NULL, "leaseUntil" = NULL
WHERE "leaseOwner" = $1 AND "finishedAt" IS NULL"#;

/// $1 age (s), $2 limit
pub(super) const EXPIRE: &str = r#"
WITH old AS (
  DELETE FROM "innovation"."BulkOperation" WHERE "id" IN (
    SELECT "id" FROM "innovation"."BulkOperation"
    WHERE "finishedAt" < now() - make_interval(secs => $1) ORDER BY "createdAt" LIMIT $2)
  RETURNING "id"
),
items AS (DELETE FROM "innovation"."BulkItem" i USING old WHERE i."operation" = old."id")
SELECT count(*) AS "removed" FROM old"#;

/// The word of a status.
pub(super) fn word(status: RunStatus) -> &'static str {
    crate::postgres::runs::load::word(status)
}
