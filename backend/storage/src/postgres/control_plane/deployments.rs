//! Deployments, their processes, and the right to judge one.

use async_trait::async_trait;
use sqlx::Row as _;

use super::json::{row_of, text_of};
use crate::{
    control_plane::{
        AuditRecord, Deployment, DeploymentPatch, DeploymentProcess, DeploymentScope, Deployments, RunSamples,
    },
    error::StorageError,
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
    },
};

/// A deployment ends those before it when it first becomes healthy. A deployment that comes late from a file ends at once if a newer one
/// has begun. One to which the platform has rolled back is the current one again. The processes of deployments that ended a day ago
/// are forgotten.
/// $1 the deployment, $2 the process
const REPORT: &str = r#"
WITH g AS (SELECT * FROM jsonb_populate_record(NULL::"innovation"."Deployment", $1::jsonb)),
p AS (SELECT * FROM jsonb_populate_record(NULL::"innovation"."DeploymentProcess", $2::jsonb)),
later AS (
  SELECT min(d."startedAt") AS "at" FROM "innovation"."Deployment" d, g
  WHERE d."environment" = g."environment" AND d."service" = g."service" AND d."startedAt" > g."startedAt"
    AND d."completedAt" IS NOT NULL
),
added AS (
  INSERT INTO "innovation"."Deployment" (
    "id", "environment", "service", "version", "commitSha", "triggeredBy", "startedAt", "completedAt", "endedAt", "status",
    "deploymentMetadata", "mode", "variablesDigest", "verdict", "verdictReason", "verdictAt", "faultAt", "errorCount",
    "healthScore", "figures", "progress"
  )
  SELECT g."id", g."environment", g."service", g."version", g."commitSha", g."triggeredBy", g."startedAt",
         COALESCE(g."completedAt", p."readyAt"), later."at", g."status", g."deploymentMetadata", g."mode",
         g."variablesDigest", g."verdict", g."verdictReason", g."verdictAt", g."faultAt", COALESCE(g."errorCount", 0),
         g."healthScore", g."figures", g."progress"
  FROM g, p, later
  ON CONFLICT ("id") DO UPDATE SET "completedAt" = EXCLUDED."completedAt"
    WHERE "Deployment"."completedAt" IS NULL AND EXCLUDED."completedAt" IS NOT NULL
  RETURNING *
),
-- The platform went back to it after its successor had failed.
back AS (
  UPDATE "innovation"."Deployment" d SET "endedAt" = NULL FROM p
  WHERE d."id" = p."deployment" AND p."startedAt" > d."endedAt" AND p."readyAt" IS NOT NULL AND EXISTS (
    SELECT FROM "innovation"."Deployment" n
    WHERE n."environment" = d."environment" AND n."service" = d."service" AND n."rolledBackTo" = d."id" AND n."endedAt" IS NULL
  )
  RETURNING d.*, p."readyAt" AS "at"
),
ended AS (
  UPDATE "innovation"."Deployment" o SET
    "endedAt" = n."at",
    "status" = CASE WHEN o."status" <> 'in_progress' THEN o."status" WHEN o."completedAt" IS NULL THEN 'failed' ELSE 'success' END,
    "verdict" = COALESCE(o."verdict", CASE WHEN o."completedAt" IS NULL THEN 'failing' ELSE 'inconclusive' END),
    "verdictReason" = COALESCE(o."verdictReason", CASE WHEN o."completedAt" IS NULL THEN 'it never became healthy'
      ELSE 'the next deployment replaced it before its watch was over' END),
    "verdictAt" = COALESCE(o."verdictAt", n."at")
  FROM (
    SELECT "id", "environment", "service", "startedAt", "completedAt" AS "at" FROM added WHERE "completedAt" IS NOT NULL
    UNION ALL
    SELECT "id", "environment", "service", "at", "at" FROM back
  ) n
  WHERE o."environment" = n."environment" AND o."service" = n."service" AND o."id" <> n."id" AND o."endedAt" IS NULL
    AND o."startedAt" <= n."startedAt"
)
SELECT (SELECT count(*) FROM added) AS "added""#;

/// $1 the process
const REPORT_PROCESS: &str = r#"
WITH old AS (
  DELETE FROM "innovation"."DeploymentProcess" q USING "innovation"."Deployment" d
  WHERE q."deployment" = d."id" AND d."endedAt" < now() - interval '1 day' AND q."seenAt" < now() - interval '1 day'
)
INSERT INTO "innovation"."DeploymentProcess" AS q
  ("deployment", "process", "replica", "startedAt", "readyAt", "seenAt", "leftAt", "report")
SELECT "deployment", "process", "replica", "startedAt", "readyAt", now(), "leftAt", "report"
FROM jsonb_populate_record(NULL::"innovation"."DeploymentProcess", $1::jsonb)
ON CONFLICT ("deployment", "process") DO UPDATE SET
  "readyAt" = COALESCE(q."readyAt", EXCLUDED."readyAt"), "seenAt" = now(), "leftAt" = EXCLUDED."leftAt",
  "report" = EXCLUDED."report""#;

/// $1 environment, $2 service, $3 limit
const LIST: &str = r#"
SELECT to_jsonb(d)::text AS "deployment" FROM "innovation"."Deployment" d
WHERE "environment" = $1 AND "service" = $2 ORDER BY "startedAt" DESC, "id" DESC LIMIT $3"#;

/// $1 the deployment
const PROCESSES: &str = r#"
SELECT (to_jsonb(p) || jsonb_build_object('silentSeconds', GREATEST(extract(epoch FROM now() - p."seenAt"), 0)))::text AS "process"
FROM "innovation"."DeploymentProcess" p WHERE "deployment" = $1 ORDER BY "startedAt" LIMIT 1000"#;

/// A deployment that somebody has taken back is judged no more.
/// $1 the deployment, $2 the arbiter, $3 seconds
const HOLD: &str = r#"
UPDATE "innovation"."Deployment" d SET "arbiter" = $2, "arbiterUntil" = now() + make_interval(secs => $3)
WHERE "id" = $1 AND ("arbiter" IS NULL OR "arbiter" = $2 OR "arbiterUntil" < now()) AND (
  ("verdict" IS NULL AND "rolledBackTo" IS NULL)
  -- The action after the verdict is still to be done.
  OR ("verdict" = 'failing' AND "rolledBackTo" IS NULL AND "progress"->>'action' IS NULL AND "endedAt" IS NULL)
)
RETURNING to_jsonb(d)::text AS "deployment""#;

/// $1 the deployment, $2 the changes, $3 whether a verdict or a rollback stops it, $4 the audit record or NULL
const PATCH: &str = r#"
WITH changed AS (
  UPDATE "innovation"."Deployment" d SET (
    "triggeredBy", "startedAt", "status", "healthScore", "errorCount", "rollbackReason", "rolledBackTo", "verdict",
    "verdictReason", "verdictAt", "faultAt", "mode", "baseline", "figures", "progress"
  ) = (
    SELECT "triggeredBy", "startedAt", "status", "healthScore", "errorCount", "rollbackReason", "rolledBackTo", "verdict",
           "verdictReason", "verdictAt", "faultAt", "mode", "baseline", "figures", "progress"
    FROM jsonb_populate_record(d, $2::jsonb)
  )
  WHERE d."id" = $1 AND (NOT $3 OR (d."verdict" IS NULL AND d."rolledBackTo" IS NULL))
  RETURNING d."id"
),
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT a.* FROM jsonb_populate_record(NULL::"innovation"."AuditRecord", $4::jsonb) a
  WHERE $4::jsonb IS NOT NULL AND EXISTS (SELECT FROM changed)
)
SELECT count(*) AS "changed" FROM changed"#;

/// A run that dual write brought to both stores, with nothing missing in either, is equal like one that was compared: each of
/// its stages was written twice, and a write that failed leaves its stage in one of the lists.
///
/// $1 limit
const RUN_SAMPLES: &str = r#"
WITH run AS (
  SELECT jsonb_build_object(
    'id', "id", 'status', "status"::text,
    'mode', COALESCE("stage4Output", "stage3Output", "stage2Output", "stage1Output")#>>'{meta,mode}',
    'startedAt', "startedAt",
    'seconds', extract(epoch FROM "completedAt" AT TIME ZONE 'UTC' - "startedAt"),
    'isEqual', "syncProvedAt" IS NOT NULL
      OR ARRAY["stage1Output"->'meta'->>'mode', "stage2Output"->'meta'->>'mode', "stage3Output"->'meta'->>'mode',
               "stage4Output"->'meta'->>'mode'] = array_fill('DUAL_WRITE'::text, '{4}')
        AND COALESCE("filesMissingStages" || "unsyncedStages" || "conflictedStages", '{}') = '{}',
    'errorCode', "errorCode"
  ) AS "sample"
  FROM "PipelineRun" WHERE "createdAt" > (now() AT TIME ZONE 'UTC') - interval '1 day' AND "acceptedAt" IS NOT NULL
    AND "principal" IS DISTINCT FROM 'system-backend'
  ORDER BY "createdAt" DESC, "id" DESC LIMIT $1
),
change AS (SELECT "key", max("at") AS "at" FROM "innovation"."FlagChange" GROUP BY "key")
SELECT jsonb_build_object(
  'runs', (SELECT COALESCE(jsonb_agg("sample"), '[]') FROM run),
  'flagChanges', (SELECT COALESCE(jsonb_object_agg("key", "at"), '{}') FROM change)
)::text AS "samples""#;

#[async_trait]
impl Deployments for PostgresStore {
    async fn report(&self, deployment: &Deployment, process: &DeploymentProcess) -> Result<(), StorageError> {
        let (deployment, process) = (text_of(deployment)?, text_of(process)?);
        bounded!(self.pool, Access::Write, |conn| report(conn, deployment, process))
    }

    async fn list(&self, scope: &DeploymentScope, limit: usize) -> Result<Vec<Deployment>, StorageError> {
        let scope = scope.clone();
        let texts = bounded!(self.pool, Access::Read, |conn| list(conn, scope, limit))?;
        texts.iter().map(|text| row_of(text)).collect()
    }

    async fn processes(&self, deployment: &str) -> Result<Vec<DeploymentProcess>, StorageError> {
        let texts = bounded!(self.pool, Access::Read, |conn| processes(conn, deployment))?;
        texts.iter().map(|text| row_of(text)).collect()
    }

    async fn hold(
        &self,
        deployment: &str,
        arbiter: &str,
        seconds: u32,
    ) -> Result<Option<Deployment>, StorageError> {
        let text = bounded!(self.pool, Access::Write, |conn| hold(conn, deployment, arbiter, seconds))?;
        text.map(|text| row_of(&text)).transpose()
    }

    async fn patch(
        &self,
        deployment: &str,
        patch: &DeploymentPatch,
        undecided_only: bool,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        let patch = text_of(patch)?;
        let audit = audit.map(text_of).transpose()?;
        bounded!(self.pool, Access::Write, |conn| change(conn, deployment, patch, undecided_only, audit))
    }

    async fn run_samples(&self, limit: usize) -> Result<RunSamples, StorageError> {
        row_of(&bounded!(self.pool, Access::Read, |conn| run_samples(conn, limit))?)
    }
}

async fn report(conn: &mut PooledConn<'_>, deployment: String, process: String) -> Result<(), DbError> {
    conn.query(REPORT).bind(deployment).bind(process.clone()).fetch_one(conn.connection()?).await?;
    // The first statement has written the row that this one refers to.
    conn.query(REPORT_PROCESS).bind(process).execute(conn.connection()?).await?;
    Ok(())
}

async fn list(
    conn: &mut PooledConn<'_>,
    scope: DeploymentScope,
    limit: usize,
) -> Result<Vec<String>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = conn.query(LIST).bind(scope.environment).bind(scope.service).bind(limit);
    let rows = query.fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("deployment")?)).collect()
}

async fn processes(conn: &mut PooledConn<'_>, deployment: &str) -> Result<Vec<String>, DbError> {
    let rows = conn.query(PROCESSES).bind(deployment).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("process")?)).collect()
}

async fn hold(
    conn: &mut PooledConn<'_>,
    deployment: &str,
    arbiter: &str,
    seconds: u32,
) -> Result<Option<String>, DbError> {
    let query = conn.query(HOLD).bind(deployment).bind(arbiter).bind(f64::from(seconds));
    let row = query.fetch_optional(conn.connection()?).await?;
    Ok(row.map(|row| row.try_get("deployment")).transpose()?)
}

async fn change(
    conn: &mut PooledConn<'_>,
    deployment: &str,
    patch: String,
    undecided_only: bool,
    audit: Option<String>,
) -> Result<bool, DbError> {
    let query = conn.query(PATCH).bind(deployment).bind(patch).bind(undecided_only).bind(audit);
    let row = query.fetch_one(conn.connection()?).await?;
    Ok(row.try_get::<i64, _>("changed")? > 0)
}

async fn run_samples(conn: &mut PooledConn<'_>, limit: usize) -> Result<String, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let row = conn.query(RUN_SAMPLES).bind(limit).fetch_one(conn.connection()?).await?;
    Ok(row.try_get("samples")?)
}
