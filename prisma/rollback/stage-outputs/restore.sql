-- Undoes forward.sql by a migration of its own: the columns are back, empty.
-- Run by: innovation migrate rollback 20251029043929_add_stage_outputs_and_report --method restore
ALTER TABLE "PipelineRun"
  ADD COLUMN IF NOT EXISTS "stage1Output" JSONB,
  ADD COLUMN IF NOT EXISTS "stage2Output" JSONB,
  ADD COLUMN IF NOT EXISTS "stage3Output" JSONB,
  ADD COLUMN IF NOT EXISTS "stage4Output" JSONB,
  ADD COLUMN IF NOT EXISTS "fullReportMarkdown" TEXT;
