-- Why and since when a run waits in the queue although it was tried, such as while its model is down. Its "leaseUntil" says when
-- it is tried again, and its "leaseOwner" is 'waiting'. A replica of the previous release takes such a row for one whose lease
-- has ended, and tries it again at the same time.
ALTER TABLE "PipelineRun" ADD COLUMN     "waitingReason" TEXT,
ADD COLUMN     "waitingSince" TIMESTAMPTZ(3);
