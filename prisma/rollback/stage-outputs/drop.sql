-- Takes back 20251029043929_add_stage_outputs_and_report: what the five columns hold is lost.
-- Run by: innovation migrate rollback 20251029043929_add_stage_outputs_and_report --method drop
-- which also marks the migration as rolled back, so that the next deploy adds the columns again.
ALTER TABLE "PipelineRun"
  DROP COLUMN IF EXISTS "stage1Output",
  DROP COLUMN IF EXISTS "stage2Output",
  DROP COLUMN IF EXISTS "stage3Output",
  DROP COLUMN IF EXISTS "stage4Output",
  DROP COLUMN IF EXISTS "fullReportMarkdown";
