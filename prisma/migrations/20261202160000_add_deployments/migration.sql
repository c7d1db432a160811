-- Every deployment of this service: one row, however many replicas it has. A replica records it when it starts; the next deployment
-- ends it when it first becomes healthy.
CREATE TABLE IF NOT EXISTS "innovation"."Deployment" (
  -- The platform's id. Without a platform: `local-` and the commit.
  "id" TEXT PRIMARY KEY,
  "environment" TEXT NOT NULL,
  -- The platform's name of the service. Several services may share a database.
  "service" TEXT NOT NULL,
  "version" TEXT NOT NULL,
  "commitSha" TEXT NOT NULL,
  "triggeredBy" TEXT,
  "startedAt" TIMESTAMPTZ(3) NOT NULL,
  -- When a replica of it first accepted runs. NULL: it never became healthy.
  "completedAt" TIMESTAMPTZ(3),
  -- When the next deployment took its place.
  "endedAt" TIMESTAMPTZ(3),
  "status" TEXT NOT NULL CHECK ("status" IN ('in_progress', 'success', 'failed', 'rolled_back')),
  "healthScore" NUMERIC(3, 2) CHECK ("healthScore" BETWEEN 0 AND 1),
  "errorCount" INTEGER NOT NULL DEFAULT 0,
  "rollbackReason" TEXT,
  -- The deployment that a rollback went to.
  "rolledBackTo" TEXT,
  "deploymentMetadata" JSONB NOT NULL DEFAULT '{}',
  -- The arbiter's verdict. NULL: the watch is not over.
  "verdict" TEXT CHECK ("verdict" IN ('healthy', 'failing', 'inconclusive')),
  "verdictReason" TEXT,
  "verdictAt" TIMESTAMPTZ(3),
  -- When the fault behind a failing verdict was first seen.
  "faultAt" TIMESTAMPTZ(3),
  -- The storage mode at the last look of its watch.
  "mode" TEXT,
  -- The figures that it was compared with, and its own at the verdict.
  "baseline" JSONB,
  "figures" JSONB,
  -- SHA-256 (hex) over the service's variables. Two deployments of one commit may differ in them.
  "variablesDigest" TEXT,
  -- What the arbiter has seen so far, so that another one goes on there.
  "progress" JSONB,
  -- The replica that watches, and how long nobody else may.
  "arbiter" TEXT,
  "arbiterUntil" TIMESTAMPTZ(3)
);
CREATE INDEX IF NOT EXISTS "Deployment_environment_service_startedAt_idx"
  ON "innovation"."Deployment"("environment", "service", "startedAt");

-- Each process of a deployment, with its figures since its start. A process that neither left nor is seen has crashed.
CREATE TABLE IF NOT EXISTS "innovation"."DeploymentProcess" (
  "deployment" TEXT NOT NULL REFERENCES "innovation"."Deployment"("id") ON DELETE CASCADE,
  "process" TEXT NOT NULL,
  "replica" TEXT NOT NULL,
  "startedAt" TIMESTAMPTZ(3) NOT NULL,
  "readyAt" TIMESTAMPTZ(3),
  "seenAt" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "leftAt" TIMESTAMPTZ(3),
  "report" JSONB,
  PRIMARY KEY ("deployment", "process")
);
