-- The outbox of what the frontend is told: one row an event, written with the state change.

-- CreateTable
CREATE TABLE "WebhookDelivery" (
    "runId" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "event" INTEGER NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "settledAt" TIMESTAMPTZ(3),
    "outcome" TEXT,
    "lastError" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "WebhookDelivery_pkey" PRIMARY KEY ("runId","generation","event")
);

-- What is still to be sent. The table is new, so nobody waits for this.
CREATE INDEX "WebhookDelivery_due_idx" ON "WebhookDelivery"("nextAttemptAt") WHERE "settledAt" IS NULL;
