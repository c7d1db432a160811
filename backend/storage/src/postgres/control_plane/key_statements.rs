//! The SQL of the keys.

use crate::{
    control_plane::KeyChange,
    error::{StorageError, StorageErrorKind},
    postgres::pool::db_error::DbError,
};

/// One change at a time in the whole database, until its transaction ends.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('innovation.ApiKey', 0))";

/// $1 limit
pub(super) const LIST: &str = r#"
SELECT (to_jsonb(k) - 'sha256')::text AS "key" FROM "innovation"."ApiKey" k
ORDER BY "createdAt" DESC, "id" DESC LIMIT $1"#;

/// The valid ones first, so that revoked ones never push them out.
/// $1 limit
pub(super) const RING: &str = r#"
SELECT to_jsonb(k)::text AS "key" FROM "innovation"."ApiKey" k
WHERE ("revokedAt" IS NULL AND ("expiresAt" IS NULL OR "expiresAt" > now()))
   OR "revokedAt" > now() - interval '2 days'
ORDER BY ("revokedAt" IS NULL) DESC, "createdAt" DESC LIMIT $1"#;

/// $1 the key as JSON, $2 the audit record as JSON, $3 the most valid keys
pub(super) const CREATE: &str = r#"
WITH created AS (
  INSERT INTO "innovation"."ApiKey"
  SELECT * FROM jsonb_populate_record(NULL::"innovation"."ApiKey", $1::jsonb)
  WHERE (SELECT count(*) FROM "innovation"."ApiKey"
         WHERE "revokedAt" IS NULL AND ("expiresAt" IS NULL OR "expiresAt" > now())) < $3
  RETURNING *
),
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT a.* FROM created k, jsonb_populate_record(NULL::"innovation"."AuditRecord",
    $2::jsonb || jsonb_build_object('new', to_jsonb(k) - 'sha256')) a
),
told AS (SELECT pg_notify('innovation_keys', '') FROM created)
SELECT count(*) AS "created" FROM told"#;

/// Whether an admin key other than `k` is valid for so many seconds from now on.
macro_rules! another_admin_lasts {
    ($seconds:literal) => {
        concat!(
            r#"EXISTS (
      SELECT FROM "innovation"."ApiKey" o
      WHERE o."role" = 'admin' AND o."id" <> k."id" AND o."revokedAt" IS NULL
        AND (o."expiresAt" IS NULL OR o."expiresAt" > now() + make_interval(secs => "#,
            $seconds,
            ")))"
        )
    };
}

/// $1 the key's id, $2 the id of the caller's own key, $3 the audit record as JSON, $4 how long another admin key must last in
/// seconds
pub(super) const REVOKE: &str = concat!(
    r#"
WITH verdict AS (
  SELECT CASE
    WHEN k."id" IS NULL THEN 'unknown'
    WHEN k."revokedAt" IS NOT NULL THEN 'ended'
    WHEN k."id" = $2 THEN 'own'
    WHEN k."role" = 'admin' AND (k."expiresAt" IS NULL OR k."expiresAt" > now()) AND NOT "#,
    another_admin_lasts!("$4"),
    r#" THEN 'last_admin'
    ELSE 'done' END AS "verdict", to_jsonb(k) - 'sha256' AS "old"
  FROM (SELECT) one LEFT JOIN "innovation"."ApiKey" k ON k."id" = $1
),
changed AS (
  UPDATE "innovation"."ApiKey" k SET "revokedAt" = now() FROM verdict
  WHERE k."id" = $1 AND "verdict" = 'done' RETURNING k."id"
),
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT a.* FROM changed, verdict, jsonb_populate_record(NULL::"innovation"."AuditRecord",
    $3::jsonb || jsonb_build_object('old', "old")) a
),
told AS (SELECT pg_notify('innovation_keys', '') FROM changed)
SELECT "verdict", (SELECT count(*) FROM told) AS "told" FROM verdict"#
);

/// $1 the key's id, $2 the id of the caller's own key, $3 the audit record as JSON, $4 the new key's id, $5 its SHA-256, $6 for
/// how many seconds the old key stays valid, $7 the new key's end in milliseconds since 1970, $8 how long an admin key must last
/// in seconds
pub(super) const ROTATE: &str = concat!(
    r#"
WITH verdict AS (
  SELECT CASE
    WHEN k."id" IS NULL THEN 'unknown'
    WHEN k."revokedAt" IS NOT NULL OR k."expiresAt" <= now() THEN 'ended'
    WHEN k."id" = $2 AND $6 = 0 THEN 'own'
    WHEN k."role" = 'admin' AND (k."expiresAt" IS NULL OR k."expiresAt" > now() + make_interval(secs => $8))
      AND to_timestamp($7::int8 / 1000.0) <= now() + make_interval(secs => $8) AND NOT "#,
    another_admin_lasts!("$8"),
    r#" THEN 'last_admin'
    ELSE 'done' END AS "verdict", to_jsonb(k) - 'sha256' AS "old"
  FROM (SELECT) one LEFT JOIN "innovation"."ApiKey" k ON k."id" = $1
),
old AS (SELECT k.* FROM "innovation"."ApiKey" k, verdict WHERE k."id" = $1 AND "verdict" = 'done'),
ended AS (
  UPDATE "innovation"."ApiKey" k SET
    "revokedAt" = CASE WHEN $6 = 0 THEN now() END,
    "expiresAt" = CASE WHEN $6 = 0 THEN k."expiresAt" ELSE LEAST(k."expiresAt", now() + make_interval(secs => $6)) END
  FROM verdict WHERE k."id" = $1 AND "verdict" = 'done'
),
made AS (
  INSERT INTO "innovation"."ApiKey" ("id", "name", "role", "principal", "sha256", "scopes", "runsPerMinute",
    "runsUnderWay", "usdPerDay", "createdAt", "expiresAt", "rotatedFrom")
  SELECT $4, "name", "role", "principal", $5, "scopes", "runsPerMinute", "runsUnderWay", "usdPerDay", now(),
    CASE WHEN $7::int8 IS NULL THEN now() + ("expiresAt" - "createdAt") ELSE to_timestamp($7::int8 / 1000.0) END, "id"
  FROM old RETURNING *
),
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT a.* FROM made m, verdict, jsonb_populate_record(NULL::"innovation"."AuditRecord",
    $3::jsonb || jsonb_build_object('old', "old", 'new', to_jsonb(m) - 'sha256')) a
),
told AS (SELECT pg_notify('innovation_keys', '') FROM made)
SELECT "verdict", (SELECT (to_jsonb(m) - 'sha256')::text FROM made m) AS "key",
  (SELECT count(*) FROM told) AS "told"
FROM verdict"#
);

/// $1 ids and times as a JSON array
pub(super) const TOUCH: &str = r#"
UPDATE "innovation"."ApiKey" k SET "lastUsedAt" = GREATEST(k."lastUsedAt", used."at")
FROM jsonb_to_recordset($1::jsonb) AS used("id" TEXT, "at" TIMESTAMPTZ)
WHERE k."id" = used."id""#;

/// How a change ended, by the word of a statement.
pub(super) fn change(verdict: &str) -> Result<KeyChange, DbError> {
    Ok(match verdict {
        "done" => KeyChange::Done,
        "unknown" => KeyChange::Unknown,
        "ended" => KeyChange::Ended,
        "own" => KeyChange::Own,
        "last_admin" => KeyChange::LastAdmin,
        other => {
            let message = format!("the verdict {other:?} on a key is unknown");
            return Err(StorageError::new(StorageErrorKind::Invalid, message).into());
        }
    })
}
