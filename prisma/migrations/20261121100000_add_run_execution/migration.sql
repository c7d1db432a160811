-- What the service needs to accept, lease, fence, retry and synchronise a run, and to tell how it went.
-- Every column is nullable or has a constant default: no row is rewritten, and the lock is held for milliseconds.

-- AlterTable
ALTER TABLE "PipelineRun" ADD COLUMN     "updatedAt" TIMESTAMPTZ(3),
ADD COLUMN     "acceptedAt" TIMESTAMPTZ(3),
ADD COLUMN     "requestDigest" TEXT,
ADD COLUMN     "brandId" TEXT,
ADD COLUMN     "documentDigest" TEXT,
ADD COLUMN     "priority" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "generation" INTEGER NOT NULL DEFAULT 1,
ADD COLUMN     "attempts" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "leaseOwner" TEXT,
ADD COLUMN     "leaseEpoch" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "leaseUntil" TIMESTAMPTZ(3),
ADD COLUMN     "startedAt" TIMESTAMPTZ(3),
ADD COLUMN     "currentStage" INTEGER,
ADD COLUMN     "stageStartedAt" TIMESTAMPTZ(3),
ADD COLUMN     "stage1Digest" TEXT,
ADD COLUMN     "stage2Digest" TEXT,
ADD COLUMN     "stage3Digest" TEXT,
ADD COLUMN     "stage4Digest" TEXT,
ADD COLUMN     "reportDigest" TEXT,
ADD COLUMN     "grounding" DOUBLE PRECISION,
ADD COLUMN     "lostUsd" DOUBLE PRECISION NOT NULL DEFAULT 0,
ADD COLUMN     "unsyncedStages" INTEGER[] DEFAULT ARRAY[]::INTEGER[],
ADD COLUMN     "conflictedStages" INTEGER[] DEFAULT ARRAY[]::INTEGER[],
ADD COLUMN     "syncProof" JSONB,
ADD COLUMN     "syncProvedAt" TIMESTAMPTZ(3),
ADD COLUMN     "errorCode" TEXT,
ADD COLUMN     "errorStage" INTEGER,
ADD COLUMN     "errorMessage" TEXT,
ADD COLUMN     "errorCanRetry" BOOLEAN,
ADD COLUMN     "eventSeq" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "RunEvent" (
    "runId" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "RunEvent_pkey" PRIMARY KEY ("runId","generation","seq")
);

-- CreateTable
CREATE TABLE "RunTombstone" (
    "runId" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "deletedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "RunTombstone_pkey" PRIMARY KEY ("runId")
);

-- CreateTable
CREATE TABLE "Replica" (
    "id" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "gitSha" TEXT,
    "flagRevision" TEXT,
    "runsInFlight" INTEGER NOT NULL DEFAULT 0,
    "draining" BOOLEAN NOT NULL DEFAULT false,
    "startedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "heartbeatAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Replica_pkey" PRIMARY KEY ("id")
);

-- AddForeignKey
ALTER TABLE "RunEvent" ADD CONSTRAINT "RunEvent_runId_fkey" FOREIGN KEY ("runId") REFERENCES "PipelineRun"("id") ON DELETE CASCADE ON UPDATE CASCADE;
