-- Bulk operations: one change of many runs, ordered by a person. A replica works on an operation under a lease, and another
-- one goes on when that lease has ended.
CREATE TABLE IF NOT EXISTS "innovation"."BulkOperation" (
  "id" TEXT PRIMARY KEY,
  -- retry, cancel or delete
  "action" TEXT NOT NULL,
  "filter" JSONB NOT NULL,
  -- The moment of the preview. Runs that were created later never join.
  "asOf" TIMESTAMPTZ(3) NOT NULL,
  "total" INTEGER NOT NULL,
  -- running, completed or cancelled
  "status" TEXT NOT NULL DEFAULT 'running',
  "reason" TEXT NOT NULL,
  -- The person: name, role, address and request.
  "actor" JSONB NOT NULL,
  "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "finishedAt" TIMESTAMPTZ(3),
  "replica" TEXT,
  "leaseOwner" TEXT,
  "leaseUntil" TIMESTAMPTZ(3),
  CHECK (("status" = 'running') = ("finishedAt" IS NULL))
);
CREATE INDEX IF NOT EXISTS "BulkOperation_running_idx" ON "innovation"."BulkOperation"("createdAt") WHERE "finishedAt" IS NULL;
CREATE INDEX IF NOT EXISTS "BulkOperation_createdAt_idx" ON "innovation"."BulkOperation"("createdAt", "id");

-- The runs of an operation, chosen once at its start. An item without outcome is still to be done.
CREATE TABLE IF NOT EXISTS "innovation"."BulkItem" (
  "operation" TEXT NOT NULL,
  "position" INTEGER NOT NULL,
  "runId" TEXT NOT NULL,
  -- The run's generation when it was chosen. A run that was retried since is left alone.
  "generation" INTEGER NOT NULL,
  "attempts" INTEGER NOT NULL DEFAULT 0,
  -- done, refused or failed
  "outcome" TEXT,
  "code" TEXT,
  PRIMARY KEY ("operation", "position")
);
CREATE INDEX IF NOT EXISTS "BulkItem_open_idx" ON "innovation"."BulkItem"("operation", "attempts", "position")
  WHERE "outcome" IS NULL;

-- The history of one thing, for people who look for it.
CREATE INDEX IF NOT EXISTS "AuditRecord_target_at_id_idx" ON "innovation"."AuditRecord"("target", "at", "id");
