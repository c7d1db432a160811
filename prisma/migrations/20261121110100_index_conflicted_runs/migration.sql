-- The runs whose row and files hold different records: counted for health, and named to the operator.
CREATE INDEX CONCURRENTLY "PipelineRun_conflicted_idx" ON "PipelineRun" ("createdAt", "id") WHERE cardinality("conflictedStages") > 0;
