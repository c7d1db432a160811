-- Removes the stage output columns by a migration of its own: what they hold is lost.
-- Run by: innovation migrate rollback 20251029043929_add_stage_outputs_and_report --method forward
ALTER TABLE "PipelineRun"
  DROP COLUMN IF EXISTS "stage1Output";
ALTER TABLE "PipelineRun"
  DROP COLUMN IF EXISTS "stage2Output";
ALTER TABLE "PipelineRun"
  DROP COLUMN IF EXISTS "stage3Output";
ALTER TABLE "PipelineRun"
  DROP COLUMN IF EXISTS "stage4Output";
ALTER TABLE "PipelineRun"
  DROP COLUMN IF EXISTS "fullReportMarkdown";
