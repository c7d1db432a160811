-- Batches: runs of one document for several brands, accepted all or none. The ids of the runs derive from the batch's id, so the
-- runs need no column. A row holds nothing of the user and no address, because it outlives its runs.
CREATE TABLE IF NOT EXISTS "innovation"."Batch" (
  "id" TEXT PRIMARY KEY,
  -- NULL is the principal "environment".
  "principal" TEXT,
  "digest" TEXT NOT NULL,
  "acceptedAt" TIMESTAMPTZ(3) NOT NULL,
  -- One item a brand: brand_id and run_id, in the order of the request.
  "runs" JSONB NOT NULL
);
