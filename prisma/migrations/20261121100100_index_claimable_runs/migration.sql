-- The queue in the order of its claims. Partial: finished runs, however many, cost it nothing.
CREATE INDEX CONCURRENTLY "PipelineRun_claimable_idx" ON "PipelineRun" ("priority" DESC, "createdAt", "id") WHERE "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL;
