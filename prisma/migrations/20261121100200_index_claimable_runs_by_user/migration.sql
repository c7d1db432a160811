-- Each user's own queue, whose heads a fair claim takes by a loose index scan.
CREATE INDEX CONCURRENTLY "PipelineRun_claimable_by_user_idx" ON "PipelineRun" ("userId", "priority" DESC, "createdAt", "id") WHERE "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL;
