-- The runs whose files lack a stage that the database has, by the new column: reconciliation asks for them.
CREATE INDEX CONCURRENTLY "PipelineRun_filesMissingStages_idx" ON "PipelineRun" ("createdAt", "id") WHERE cardinality("filesMissingStages") > 0;
