-- The runs that a worker holds: what its heartbeat renews and its drain gives back.
CREATE INDEX CONCURRENTLY "PipelineRun_leased_idx" ON "PipelineRun" ("leaseOwner") WHERE "leaseOwner" IS NOT NULL;
