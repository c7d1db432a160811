//! The statements of the answer cache.

/// As with the leases of runs, an ended lease counts only if the server has been up for as long: before that, nobody could renew.
///
/// $1 principal, $2 key, $3 stage, $4 leader, $5 lease (s), $6 the oldest usable answer (s), $7 run
pub(super) const CLAIM: &str = r#"
WITH off AS (SELECT FROM "innovation"."AnswerCacheOff" WHERE "runId" = $7 AND "principal" = $1),
led AS (
  INSERT INTO "innovation"."AnswerCache" AS a ("principal", "key", "stage", "leader", "leaderUntil")
  SELECT $1, $2, $3, $4, now() + make_interval(secs => $5) WHERE NOT EXISTS (SELECT FROM off)
  ON CONFLICT ("principal", "key") DO UPDATE SET
    "leader" = EXCLUDED."leader", "leaderUntil" = EXCLUDED."leaderUntil", "createdAt" = now(),
    "answer" = NULL, "sha256" = NULL, "answeredAt" = NULL
  WHERE (a."answer" IS NULL AND a."leaderUntil" < now()
         AND pg_postmaster_start_time() + make_interval(secs => $5) <= now())
     OR a."answeredAt" < now() - make_interval(secs => $6)
  RETURNING 1
),
found AS (
  SELECT "answer", "sha256" FROM "innovation"."AnswerCache"
  WHERE "principal" = $1 AND "key" = $2 AND "answeredAt" >= now() - make_interval(secs => $6)
    AND NOT EXISTS (SELECT FROM led) AND NOT EXISTS (SELECT FROM off)
),
used AS (
  INSERT INTO "innovation"."AnswerUse" ("runId", "principal", "key") SELECT $7, $1, $2 FROM found
  ON CONFLICT DO NOTHING
)
SELECT EXISTS (SELECT FROM off) AS "isOff", EXISTS (SELECT FROM led) AS "isLed",
  (SELECT "answer" FROM found) AS "answer", (SELECT "sha256" FROM found) AS "sha256""#;

/// $1 principal, $2 key, $3 run
pub(super) const NOTE_USE: &str = r#"
INSERT INTO "innovation"."AnswerUse" ("runId", "principal", "key")
SELECT $3, $1, $2 FROM "innovation"."AnswerCache" WHERE "principal" = $1 AND "key" = $2 ON CONFLICT DO NOTHING"#;

/// $1 principal, $2 key, $3 leader, $4 lease (s)
pub(super) const RENEW: &str = r#"
UPDATE "innovation"."AnswerCache" SET "leaderUntil" = now() + make_interval(secs => $4)
WHERE "principal" = $1 AND "key" = $2 AND "leader" = $3 AND "answer" IS NULL"#;

/// $1 principal, $2 key, $3 leader, $4 answer, $5 digest, $6 run
pub(super) const KEEP: &str = r#"
WITH kept AS (
  UPDATE "innovation"."AnswerCache"
  SET "answer" = $4, "sha256" = $5, "answeredAt" = now(), "leader" = NULL, "leaderUntil" = NULL
  WHERE "principal" = $1 AND "key" = $2 AND "leader" = $3 AND "answer" IS NULL
  RETURNING 1
)
INSERT INTO "innovation"."AnswerUse" ("runId", "principal", "key") SELECT $6, $1, $2 FROM kept ON CONFLICT DO NOTHING"#;

/// $1 principal, $2 key, $3 leader
pub(super) const RELEASE: &str = r#"
DELETE FROM "innovation"."AnswerCache" WHERE "principal" = $1 AND "key" = $2 AND "leader" = $3 AND "answer" IS NULL"#;

/// $1 principal, $2 key
pub(super) const REJECT: &str = r#"
DELETE FROM "innovation"."AnswerCache" WHERE "principal" = $1 AND "key" = $2 AND "answer" IS NOT NULL"#;

/// $1 run, $2 principal
pub(super) const OPT_OUT: &str = r#"INSERT INTO "innovation"."AnswerCacheOff" ("runId", "principal") VALUES ($1, $2) ON CONFLICT DO NOTHING"#;

/// $1 run
pub(super) const FORGET_RUN: &str = r#"
WITH gone AS (DELETE FROM "innovation"."AnswerUse" WHERE "runId" = $1 RETURNING "principal", "key"),
off AS (DELETE FROM "innovation"."AnswerCacheOff" WHERE "runId" = $1)
DELETE FROM "innovation"."AnswerCache" a USING gone
WHERE a."principal" = gone."principal" AND a."key" = gone."key" AND a."answer" IS NOT NULL
  AND NOT EXISTS (SELECT FROM "innovation"."AnswerUse" u
    WHERE u."principal" = a."principal" AND u."key" = a."key" AND u."runId" <> $1)"#;

/// The frontend deletes rows itself, and the second part finds what belongs to them. A question without a leader for an hour
/// belongs to nobody.
///
/// $1 the oldest usable answer (s), $2 limit
pub(super) const EXPIRE: &str = r#"
WITH unused AS (
  SELECT a."principal", a."key" FROM "innovation"."AnswerCache" a
  WHERE a."answeredAt" < now() - make_interval(secs => $1)
     OR (a."answer" IS NULL AND a."leaderUntil" < now() - interval '1 hour')
     OR (a."answer" IS NOT NULL AND NOT EXISTS (
           SELECT FROM "innovation"."AnswerUse" u JOIN "PipelineRun" r ON r."id" = u."runId"
           WHERE u."principal" = a."principal" AND u."key" = a."key"))
  LIMIT $2
),
off AS (
  DELETE FROM "innovation"."AnswerCacheOff" o
  WHERE o."createdAt" < now() - interval '1 day' AND NOT EXISTS (SELECT FROM "PipelineRun" r WHERE r."id" = o."runId")
)
DELETE FROM "innovation"."AnswerCache" a USING unused
WHERE a."principal" = unused."principal" AND a."key" = unused."key""#;

/// $1 limit
pub(super) const STATS: &str = r#"
SELECT a."principal",
  count(a."answer") AS "answers", count(*) FILTER (WHERE a."answer" IS NULL) AS "asked",
  COALESCE(sum(u."uses"), 0)::int8 AS "uses", COALESCE(sum(octet_length(a."answer")), 0)::int8 AS "bytes",
  COALESCE(EXTRACT(EPOCH FROM now() - min(a."answeredAt")), 0)::int8 AS "oldest"
FROM "innovation"."AnswerCache" a
LEFT JOIN LATERAL (SELECT count(*) AS "uses" FROM "innovation"."AnswerUse" u
  WHERE u."principal" = a."principal" AND u."key" = a."key") u ON true
GROUP BY a."principal" ORDER BY a."principal" LIMIT $1"#;

/// $1 principal or NULL, $2 the least age (s) or NULL, $3 the audit record
pub(super) const PURGE: &str = r#"
WITH purged AS (
  DELETE FROM "innovation"."AnswerCache"
  WHERE "answer" IS NOT NULL AND ($1::text IS NULL OR "principal" = $1)
    AND ($2::float8 IS NULL OR "answeredAt" < now() - make_interval(secs => $2))
  RETURNING 1
),
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT (jsonb_populate_record(NULL::"innovation"."AuditRecord",
    $3::jsonb || jsonb_build_object('new', jsonb_build_object('purged', (SELECT count(*) FROM purged))))).*
)
SELECT count(*) AS "purged" FROM purged"#;
