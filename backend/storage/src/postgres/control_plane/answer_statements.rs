//! The statements of the answer cache.

/// The cache needs no flush of its own: what a crash of the server takes from it is asked for again, and a run's stage is stored
/// durably by a statement of its own.
macro_rules! unflushed {
    () => {
        r#"unflushed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"#
    };
}

/// Finds the answers to several questions, or gives their leases. Rows are locked in one order, so that the statements of two
/// replicas never wait for each other.
///
/// As with the leases of runs, an ended lease counts only if the server has been up for as long: before that, nobody could renew.
///
/// $1 principals, $2 keys, $3 stages, $4 leaders, $5 runs, $6 lease (s), $7 the oldest usable answer (s)
pub(super) const CLAIM: &str = concat!(
    "WITH ",
    unflushed!(),
    r#",
asked AS MATERIALIZED (
  SELECT q."principal", q."key", q."stage", q."leader", q."run", EXISTS (
    SELECT FROM "innovation"."AnswerCacheOff" o WHERE o."runId" = q."run" AND o."principal" = q."principal") AS "isOff"
  FROM unnest($1::text[], $2::text[], $3::int4[], $4::text[], $5::text[])
    AS q("principal", "key", "stage", "leader", "run") CROSS JOIN unflushed
),
led AS (
  INSERT INTO "innovation"."AnswerCache" AS a ("principal", "key", "stage", "leader", "leaderUntil")
  SELECT q."principal", q."key", q."stage", q."leader", now() + make_interval(secs => $6)
  FROM asked q WHERE NOT q."isOff" ORDER BY q."principal", q."key"
  ON CONFLICT ("principal", "key") DO UPDATE SET
    "leader" = EXCLUDED."leader", "leaderUntil" = EXCLUDED."leaderUntil", "createdAt" = now(),
    "answer" = NULL, "sha256" = NULL, "answeredAt" = NULL
  WHERE (a."answer" IS NULL AND a."leaderUntil" < now()
         AND pg_postmaster_start_time() + make_interval(secs => $6) <= now())
     OR a."answeredAt" < now() - make_interval(secs => $7)
  RETURNING a."principal", a."key"
),
found AS (
  SELECT q."run", c."principal", c."key", c."answer", c."sha256"
  FROM asked q JOIN "innovation"."AnswerCache" c ON c."principal" = q."principal" AND c."key" = q."key"
  WHERE NOT q."isOff" AND c."answeredAt" >= now() - make_interval(secs => $7)
    AND NOT EXISTS (SELECT FROM led l WHERE l."principal" = c."principal" AND l."key" = c."key")
),
used AS (
  INSERT INTO "innovation"."AnswerUse" ("runId", "principal", "key")
  SELECT "run", "principal", "key" FROM found ORDER BY "principal", "key" ON CONFLICT DO NOTHING
)
SELECT q."principal", q."key", q."isOff", l."key" IS NOT NULL AS "isLed", f."answer", f."sha256"
FROM asked q LEFT JOIN led l ON l."principal" = q."principal" AND l."key" = q."key"
  LEFT JOIN found f ON f."principal" = q."principal" AND f."key" = q."key""#
);

/// $1 principal, $2 key, $3 run
pub(super) const NOTE_USE: &str = r#"
INSERT INTO "innovation"."AnswerUse" ("runId", "principal", "key")
SELECT $3, $1, $2 FROM "innovation"."AnswerCache" WHERE "principal" = $1 AND "key" = $2 ON CONFLICT DO NOTHING"#;

/// The rows of leaders that have not answered, locked in one order, of a part "mine".
macro_rules! led_rows {
    () => {
        r#"led AS MATERIALIZED (
  SELECT a."principal", a."key" FROM "innovation"."AnswerCache" a JOIN mine m
    ON a."principal" = m."principal" AND a."key" = m."key" AND a."leader" = m."leader"
  WHERE a."answer" IS NULL ORDER BY a."principal", a."key" FOR NO KEY UPDATE OF a
)"#
    };
}

/// $1 principals, $2 keys, $3 leaders, $4 lease (s)
pub(super) const RENEW: &str = concat!(
    "WITH ",
    unflushed!(),
    r#",
mine AS MATERIALIZED (
  SELECT m."principal", m."key", m."leader"
  FROM unnest($1::text[], $2::text[], $3::text[]) AS m("principal", "key", "leader") CROSS JOIN unflushed
),
"#,
    led_rows!(),
    r#"
UPDATE "innovation"."AnswerCache" a SET "leaderUntil" = now() + make_interval(secs => $4)
FROM led l WHERE a."principal" = l."principal" AND a."key" = l."key" RETURNING a."leader""#
);

/// $1 principals, $2 keys, $3 leaders, $4 answers, $5 digests, $6 runs
pub(super) const KEEP: &str = concat!(
    "WITH ",
    unflushed!(),
    r#",
mine AS MATERIALIZED (
  SELECT m."principal", m."key", m."leader", m."answer", m."sha256", m."run"
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS m("principal", "key", "leader", "answer", "sha256", "run") CROSS JOIN unflushed
),
"#,
    led_rows!(),
    r#",
kept AS (
  UPDATE "innovation"."AnswerCache" a
  SET "answer" = m."answer", "sha256" = m."sha256", "answeredAt" = now(), "leader" = NULL, "leaderUntil" = NULL
  FROM led l JOIN mine m ON m."principal" = l."principal" AND m."key" = l."key"
  WHERE a."principal" = l."principal" AND a."key" = l."key"
  RETURNING a."principal", a."key", m."run"
),
used AS (
  INSERT INTO "innovation"."AnswerUse" ("runId", "principal", "key")
  SELECT "run", "principal", "key" FROM kept ON CONFLICT DO NOTHING
)
SELECT "principal", "key" FROM kept"#
);

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
