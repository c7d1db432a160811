-- The list of a brand's runs, newest first.
CREATE INDEX CONCURRENTLY "PipelineRun_brandId_createdAt_id_idx" ON "PipelineRun"("brandId", "createdAt", "id");
