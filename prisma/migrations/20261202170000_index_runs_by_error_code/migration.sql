-- The runs that ended with an error code, newest first: operators look for the cause of a failure.
CREATE INDEX CONCURRENTLY "PipelineRun_errorCode_createdAt_id_idx" ON "PipelineRun" ("errorCode", "createdAt", "id") WHERE "errorCode" IS NOT NULL;
