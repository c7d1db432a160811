-- The tables of the control plane: keys, flags, audit, and what the checks of an operator remember. They have a schema of their
-- own, so that the frontend's migrations do not see them. Only the role that owns them reads them.
CREATE SCHEMA IF NOT EXISTS "innovation";
REVOKE ALL ON SCHEMA "innovation" FROM PUBLIC;

-- Keys of the API. The key itself is shown once and never stored.
CREATE TABLE IF NOT EXISTS "innovation"."ApiKey" (
  "id" TEXT PRIMARY KEY,
  "name" TEXT NOT NULL,
  "role" TEXT NOT NULL CHECK ("role" IN ('client', 'viewer', 'operator', 'admin')),
  -- Who owns the runs of this key. A rotated key keeps it.
  "principal" TEXT NOT NULL,
  "sha256" BYTEA NOT NULL UNIQUE CHECK (octet_length("sha256") = 32),
  "scopes" TEXT[] NOT NULL DEFAULT '{}',
  -- Quotas. NULL sets no limit.
  "runsPerMinute" INTEGER CHECK ("runsPerMinute" > 0),
  "runsUnderWay" INTEGER CHECK ("runsUnderWay" > 0),
  "usdPerDay" DOUBLE PRECISION CHECK ("usdPerDay" > 0),
  "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "expiresAt" TIMESTAMPTZ(3),
  "lastUsedAt" TIMESTAMPTZ(3),
  "revokedAt" TIMESTAMPTZ(3),
  "rotatedFrom" TEXT
);

-- What a principal has spent, by day (UTC).
CREATE TABLE IF NOT EXISTS "innovation"."Spend" (
  "principal" TEXT NOT NULL,
  "day" DATE NOT NULL,
  "usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
  PRIMARY KEY ("principal", "day")
);

-- Every change by a person, written in the statement of the change. Only retention deletes from it.
CREATE TABLE IF NOT EXISTS "innovation"."AuditRecord" (
  "id" TEXT PRIMARY KEY,
  "at" TIMESTAMPTZ(3) NOT NULL,
  "actor" TEXT NOT NULL,
  "role" TEXT NOT NULL,
  "address" TEXT,
  "action" TEXT NOT NULL,
  "target" TEXT NOT NULL,
  "old" JSONB,
  "new" JSONB,
  "reason" TEXT,
  "requestId" TEXT,
  "deployment" TEXT,
  -- When it came from the file storage, where it stood while the database was away.
  "importedAt" TIMESTAMPTZ(3)
);
CREATE INDEX IF NOT EXISTS "AuditRecord_at_id_idx" ON "innovation"."AuditRecord"("at", "id");

-- The values of flags that are set here. A flag without a row has the value of the environment, or its default.
CREATE TABLE IF NOT EXISTS "innovation"."Flag" (
  "key" TEXT PRIMARY KEY,
  "value" JSONB NOT NULL,
  "revision" BIGINT NOT NULL,
  "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT now()
);

-- Every change of a flag. The revisions of all flags are one sequence without gaps.
CREATE TABLE IF NOT EXISTS "innovation"."FlagChange" (
  "revision" BIGINT PRIMARY KEY,
  "key" TEXT NOT NULL,
  "old" JSONB,
  "new" JSONB,
  "actor" TEXT NOT NULL,
  "reason" TEXT,
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  -- The id of the order that was given without the database, so that it is imported once.
  "orderId" TEXT,
  UNIQUE ("orderId", "key")
);

-- The revision that each replica has applied.
CREATE TABLE IF NOT EXISTS "innovation"."FlagAck" (
  "replica" TEXT PRIMARY KEY,
  "revision" BIGINT NOT NULL,
  "source" TEXT NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT now()
);

-- A failed check that a person accepts, until a time.
CREATE TABLE IF NOT EXISTS "innovation"."Waiver" (
  "checkId" TEXT PRIMARY KEY,
  "reason" TEXT NOT NULL,
  "actor" TEXT NOT NULL,
  "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "expiresAt" TIMESTAMPTZ(3) NOT NULL
);

-- What was proved at a time: a rehearsed rollback, a confirmed backup, a report of staging, a smoke test.
CREATE TABLE IF NOT EXISTS "innovation"."Evidence" (
  "id" TEXT PRIMARY KEY,
  "kind" TEXT NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "passed" BOOLEAN NOT NULL,
  "content" JSONB NOT NULL
);
CREATE INDEX IF NOT EXISTS "Evidence_kind_at_idx" ON "innovation"."Evidence"("kind", "at");

-- The figures of one hour of one deployment, to compare the next deployment with.
CREATE TABLE IF NOT EXISTS "innovation"."Baseline" (
  "deployment" TEXT NOT NULL,
  "replica" TEXT NOT NULL,
  "hour" TIMESTAMPTZ(0) NOT NULL,
  "figures" JSONB NOT NULL,
  PRIMARY KEY ("hour", "deployment", "replica")
);
