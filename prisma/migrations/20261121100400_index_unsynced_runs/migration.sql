-- The runs whose files lack a stage that the database has: what reconciliation looks at.
CREATE INDEX CONCURRENTLY "PipelineRun_unsynced_idx" ON "PipelineRun" ("createdAt", "id") WHERE cardinality("unsyncedStages") > 0;
