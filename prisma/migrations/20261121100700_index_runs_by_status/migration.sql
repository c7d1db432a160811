-- The list of runs in one status, newest first.
CREATE INDEX CONCURRENTLY "PipelineRun_status_createdAt_id_idx" ON "PipelineRun"("status", "createdAt", "id");
