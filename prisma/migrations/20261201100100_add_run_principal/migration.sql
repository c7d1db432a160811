-- Who owns a run. A row without one belongs to the principal "environment": the keys of BACKEND_API_KEYS, and every run from before
-- there were principals.
ALTER TABLE "PipelineRun" ADD COLUMN     "principal" TEXT;

-- A tombstone outlives its row, and only the owner of a deleted run hears that it was deleted.
ALTER TABLE "RunTombstone" ADD COLUMN     "principal" TEXT;
