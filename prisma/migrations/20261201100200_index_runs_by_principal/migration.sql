-- The list of a principal's runs, newest first.
CREATE INDEX CONCURRENTLY "PipelineRun_principal_createdAt_id_idx" ON "PipelineRun"("principal", "createdAt", "id");
