-- The list of runs, newest first.
CREATE INDEX CONCURRENTLY "PipelineRun_createdAt_id_idx" ON "PipelineRun"("createdAt", "id");
