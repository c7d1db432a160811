-- Alerts: what each replica sees, who notifies and what was told already, silences; and the counts of the service level, so that
-- figures cover all replicas. Alerts also work without these tables, by the file storage.

-- The last look of each replica.
CREATE TABLE IF NOT EXISTS "innovation"."AlertReport" (
  "replica" TEXT PRIMARY KEY,
  "at" TIMESTAMPTZ(3) NOT NULL,
  "report" JSONB NOT NULL
);

-- One row: the replica that notifies, until when, and the state of all alerts.
CREATE TABLE IF NOT EXISTS "innovation"."AlertBook" (
  "id" INTEGER PRIMARY KEY CHECK ("id" = 1),
  "owner" TEXT NOT NULL,
  "until" TIMESTAMPTZ(3) NOT NULL,
  "book" JSONB
);

-- A rule that a person has silenced.
CREATE TABLE IF NOT EXISTS "innovation"."AlertSilence" (
  "id" TEXT PRIMARY KEY,
  "rule" TEXT NOT NULL,
  "reason" TEXT NOT NULL,
  "actor" TEXT NOT NULL,
  "createdAt" TIMESTAMPTZ(3) NOT NULL,
  "endsAt" TIMESTAMPTZ(3) NOT NULL
);

-- The counts of five minutes of one process.
CREATE TABLE IF NOT EXISTS "innovation"."ServiceLevel" (
  "slot" TIMESTAMPTZ(3) NOT NULL,
  "process" TEXT NOT NULL,
  "counts" JSONB NOT NULL,
  PRIMARY KEY ("slot", "process")
);
