//! The database's answers about itself.

use async_trait::async_trait;
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    control_plane::{
        DatabaseInspection, ForeignGrant, GrantFacts, IndexFact, IndexFacts, OldKey, RunFacts, ServerFacts,
    },
    error::{StorageError, StorageErrorKind},
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
    },
};

const SERVER: &str = r#"
SELECT current_setting('server_version') AS "version", current_database()::text AS "database", current_user::text AS "role",
  COALESCE((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false) AS "superuser",
  pg_is_in_recovery() AS "recovery", current_setting('default_transaction_read_only') = 'on' AS "readOnly",
  COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS "encrypted",
  (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())::int8 AS "connections",
  current_setting('max_connections')::int8 AS "connectionsMax""#;

/// The indexes of the frontend's schema and of ours. A build under way makes an invalid index too, which is not a fault.
const INDEXES: &str = r#"
SELECT c.relname::text AS "name", t.relname::text AS "table", pg_relation_size(c.oid)::int8 AS "bytes",
  i.indisvalid AND i.indisready AS "valid",
  COALESCE(s.idx_scan, 0) = 0 AND NOT i.indisunique AND t.reltuples >= 10000 AS "unused"
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = c.oid
WHERE n.nspname IN (current_schema(), 'innovation')
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
ORDER BY c.relname LIMIT 1000"#;

/// $1 seconds
const RUNS: &str = r#"
WITH stalled AS MATERIALIZED (
  SELECT "id", "stageStartedAt" FROM "PipelineRun"
  WHERE "status" = 'PROCESSING' AND "leaseUntil" > now() AND "leaseOwner" <> 'waiting'
    AND "stageStartedAt" < now() - make_interval(secs => $1) LIMIT 1000
)
SELECT
  (SELECT count(*) FROM stalled)::int8 AS "stalled",
  ARRAY(SELECT "id" FROM stalled ORDER BY "stageStartedAt" LIMIT 100) AS "stalledRuns",
  count(*)::int8 AS "queued", COALESCE(max(extract(epoch FROM now() - queued."since")), 0)::int8 AS "oldest"
FROM (
  SELECT COALESCE("leaseUntil", "acceptedAt") AS "since" FROM "PipelineRun"
  WHERE "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL AND ("leaseUntil" IS NULL OR "leaseUntil" < now())
  LIMIT 1000
) AS queued"#;

/// Uses the partial index of rows with conflicts. $1 limit
const CONFLICTING: &str = r#"
SELECT "id" FROM "PipelineRun" WHERE cardinality("conflictedStages") > 0 ORDER BY "id" LIMIT $1"#;

const GRANTS: &str = r#"
WITH schema AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = 'innovation'),
granted AS (
  SELECT acl.grantee, acl.privilege_type, 'schema innovation' AS "object"
  FROM schema, aclexplode(COALESCE(nspacl, acldefault('n', nspowner))) AS acl WHERE acl.grantee <> nspowner
  UNION ALL
  SELECT acl.grantee, acl.privilege_type, 'table ' || c.relname
  FROM schema JOIN pg_class c ON c.relnamespace = schema.oid AND c.relkind IN ('r', 'p', 'v', 'm'),
    aclexplode(COALESCE(c.relacl, acldefault('r', c.relowner))) AS acl
  WHERE acl.grantee <> c.relowner
)
SELECT COALESCE(r.rolname::text, 'PUBLIC') AS "grantee", privilege_type AS "privilege", "object"
FROM granted LEFT JOIN pg_roles r ON r.oid = granted.grantee
WHERE r.rolname IS DISTINCT FROM current_user
ORDER BY 1, 3, 2 LIMIT 100"#;

const USABLE: &str = r#"
SELECT COALESCE((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'innovation'), false) AS "usable""#;

/// $1 days
const OLD_KEYS: &str = r#"
SELECT to_jsonb(k)::text AS "key" FROM (
  SELECT "id", "name", "role", "createdAt" FROM "innovation"."ApiKey"
  WHERE "revokedAt" IS NULL AND ("expiresAt" IS NULL OR "expiresAt" > now()) AND "createdAt" < now() - make_interval(days => $1)
  ORDER BY "createdAt" LIMIT 100
) AS k"#;

#[async_trait]
impl DatabaseInspection for PostgresStore {
    async fn server(&self) -> Result<ServerFacts, StorageError> {
        bounded!(self.pool, Access::Read, |conn| server(conn))
    }

    async fn indexes(&self) -> Result<IndexFacts, StorageError> {
        bounded!(self.pool, Access::Read, |conn| indexes(conn))
    }

    async fn runs(&self, stage_seconds_max: u64) -> Result<RunFacts, StorageError> {
        let seconds = u32::try_from(stage_seconds_max).unwrap_or(u32::MAX);
        bounded!(self.pool, Access::Read, |conn| runs(conn, f64::from(seconds)))
    }

    async fn conflicting(&self, at_most: usize) -> Result<Vec<String>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| conflicting(conn, at_most))
    }

    async fn grants(&self) -> Result<GrantFacts, StorageError> {
        bounded!(self.pool, Access::Read, |conn| grants(conn))
    }

    async fn keys_older_than(&self, days: u32) -> Result<Vec<OldKey>, StorageError> {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let texts = bounded!(self.pool, Access::Read, |conn| old_keys(conn, days))?;
        let parsed = texts.iter().map(|text| serde_json::from_str(text));
        parsed
            .collect::<Result<_, _>>()
            .map_err(|error| StorageError::new(StorageErrorKind::Schema, error.to_string()))
    }
}

async fn server(conn: &mut PooledConn<'_>) -> Result<ServerFacts, DbError> {
    let row = conn.query(SERVER).fetch_one(conn.connection()?).await?;
    Ok(ServerFacts {
        version: row.try_get("version")?,
        database: row.try_get("database")?,
        role: row.try_get("role")?,
        is_superuser: row.try_get("superuser")?,
        is_in_recovery: row.try_get("recovery")?,
        is_read_only: row.try_get("readOnly")?,
        is_encrypted: row.try_get("encrypted")?,
        connections: row.try_get("connections")?,
        connections_max: row.try_get("connectionsMax")?,
    })
}

async fn indexes(conn: &mut PooledConn<'_>) -> Result<IndexFacts, DbError> {
    let rows = conn.query(INDEXES).fetch_all(conn.connection()?).await?;
    let mut facts = IndexFacts { total: rows.len(), ..IndexFacts::default() };
    for row in &rows {
        let fact = |row: &PgRow| -> Result<IndexFact, DbError> {
            Ok(IndexFact {
                name: row.try_get("name")?,
                table: row.try_get("table")?,
                bytes: row.try_get("bytes")?,
            })
        };
        if !row.try_get::<bool, _>("valid")? {
            facts.invalid.push(fact(row)?);
        } else if row.try_get::<bool, _>("unused")? {
            facts.unused.push(fact(row)?);
        }
    }
    Ok(facts)
}

async fn runs(conn: &mut PooledConn<'_>, seconds: f64) -> Result<RunFacts, DbError> {
    let row = conn.query(RUNS).bind(seconds).fetch_one(conn.connection()?).await?;
    Ok(RunFacts {
        stalled: row.try_get("stalled")?,
        stalled_runs: row.try_get("stalledRuns")?,
        queued: row.try_get("queued")?,
        oldest_queued_seconds: row.try_get("oldest")?,
    })
}

async fn conflicting(conn: &mut PooledConn<'_>, at_most: usize) -> Result<Vec<String>, DbError> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let rows = conn.query(CONFLICTING).bind(at_most).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

async fn grants(conn: &mut PooledConn<'_>) -> Result<GrantFacts, DbError> {
    let is_usable = conn.query(USABLE).fetch_one(conn.connection()?).await?.try_get("usable")?;
    let rows = conn.query(GRANTS).fetch_all(conn.connection()?).await?;
    let grant = |row: &PgRow| {
        Ok(ForeignGrant {
            grantee: row.try_get("grantee")?,
            privilege: row.try_get("privilege")?,
            object: row.try_get("object")?,
        })
    };
    Ok(GrantFacts { is_usable, foreign: rows.iter().map(grant).collect::<Result<_, DbError>>()? })
}

async fn old_keys(conn: &mut PooledConn<'_>, days: i32) -> Result<Vec<String>, DbError> {
    let rows = conn.query(OLD_KEYS).bind(days).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("key")?)).collect()
}
