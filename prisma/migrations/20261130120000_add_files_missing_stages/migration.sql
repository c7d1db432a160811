-- The new name of "unsyncedStages": the stages that the files lack. This release writes both and reads the old one, because
-- a replica of the previous release writes only that. The next release copies the old one into the new one once more, and reads
-- the new one; the release after it drops the old one.
ALTER TABLE "PipelineRun" ADD COLUMN     "filesMissingStages" INTEGER[] DEFAULT ARRAY[]::INTEGER[];

UPDATE "PipelineRun" SET "filesMissingStages" = "unsyncedStages" WHERE cardinality("unsyncedStages") > 0;
