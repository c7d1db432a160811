//! The rehearsal of a rollback: flips the storage modes on a canary run, and takes the migration of the stage outputs back and
//! forward, on a scratch database and in a scratch folder. The timings are evidence that a check before production reads.

mod canary;
mod evidence;
mod report;

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use pipeline::{clock::Clock, run::RunId};
use storage::sync::{
    ReconcileOutcome, ReconcileSummary, Reconciler,
    survey::Survey,
    verify::{Scope, VerifyCount},
};

use self::{canary::FlipBack, report::Recorder};
pub use self::{
    canary::{Canary, CanaryWorker},
    evidence::{KIND, evidence_of},
    report::{RehearsalReport, Step},
};
use crate::migrate::{Method, Migrator, Outputs, STAGE_OUTPUTS, Scratch};

/// Runs that are really executed.
const CANARIES: u32 = 2;

/// Runs settled at once: the reconciler has as many connections.
const CONCURRENCY: usize = 8;

/// The parts of a rehearsal. All of them use the scratch database and the scratch folder alone.
#[derive(Debug)]
pub struct Rehearsal {
    pub migrator: Migrator,
    pub canary: Canary,
    pub reconciler: Reconciler,
    pub clock: Arc<dyn Clock>,
    /// Removed with the rehearsal.
    pub folder: tempfile::TempDir,
    /// Runs with outputs: two canaries, and copies of the first. At least two.
    pub runs: u32,
}

impl Rehearsal {
    /// Rehearses, and leaves the database empty. Tells each step when it is done. A failed step ends the rehearsal.
    pub async fn run(&self, mut scratch: Scratch, tell: &(dyn Fn(&Step) + Send + Sync)) -> RehearsalReport {
        let mut recorder = Recorder::new(self.clock.clone(), tell);
        // None means a failed step, which the report has.
        let _ = self.rehearse(&mut recorder, &mut scratch).await;
        let cleaned = async {
            let cleaned = scratch.clean().await.map_err(|error| error.to_string());
            cleaned.map(|()| ((), "the scratch database is empty again".to_owned()))
        };
        recorder.step("scratch.clean", cleaned).await;
        recorder.report(scratch.database(), self.runs)
    }

    async fn rehearse(&self, recorder: &mut Recorder<'_>, scratch: &mut Scratch) -> Option<()> {
        recorder.step("migrate.deploy", self.deploy()).await?;
        let canary = RunId::from_uuid(uuid::Uuid::now_v7());
        recorder.step("modes.flip", self.flip(&canary, FlipBack::AfterStage3)).await?;
        let other = RunId::from_uuid(uuid::Uuid::now_v7());
        recorder.step("modes.end_in_files", self.flip(&other, FlipBack::AfterTheEnd)).await?;
        recorder.step("modes.reconcile", self.bring_end()).await?;
        let before = recorder.step("runs.fill", self.fill(scratch, &canary)).await?;
        recorder.step("rollback.drop", self.take_away(scratch, Method::Drop)).await?;
        recorder.step("redeploy.drop", self.redeploy(scratch)).await?;
        recorder.step("refill.drop", self.refill()).await?;
        recorder.step("compare.drop", self.compare(scratch, &before)).await?;
        recorder.step("rollback.forward", self.take_away(scratch, Method::Forward)).await?;
        recorder.step("restore.forward", self.restore(scratch)).await?;
        recorder.step("refill.forward", self.refill()).await?;
        recorder.step("compare.forward", self.compare(scratch, &before)).await
    }

    async fn deploy(&self) -> Result<((), String), String> {
        let applied = self.migrator.deploy().await.map_err(|error| error.to_string())?;
        Ok(((), format!("{} migrations applied", applied.len())))
    }

    /// Runs the canary, and checks under which mode each stage was written.
    async fn flip(&self, canary: &RunId, back: FlipBack) -> Result<((), String), String> {
        let modes = self.canary.run(canary, back).await?;
        let told = modes.join(", ");
        if modes == back.modes() {
            Ok(((), told))
        } else {
            Err(format!("the stages were written under {told}"))
        }
    }

    /// Brings the end of the second canary into the database: of its stages, the database has the first alone.
    async fn bring_end(&self) -> Result<((), String), String> {
        match self.settle().await? {
            (summary, detail) if summary.stages_written == 3 => Ok(((), detail)),
            (_, detail) => Err(format!("{detail} instead of 3")),
        }
    }

    async fn refill(&self) -> Result<((), String), String> {
        Ok(((), self.settle().await?.1))
    }

    /// Brings both sides of all runs together, as `innovation reconcile` does.
    async fn settle(&self) -> Result<(ReconcileSummary, String), String> {
        let marked = self.reconciler.marked().await.map_err(|error| error.to_string())?;
        let mut summary = self.reconciler.reconcile(marked).await;
        let mut first_failure = None;
        let mut survey = Survey::full();
        loop {
            let next = self.reconciler.next_differences(&mut survey).await;
            for (run, reason) in survey.take_unread() {
                first_failure.get_or_insert_with(|| reason.clone());
                summary.add(run, &ReconcileOutcome::Failed { reason });
            }
            let Some(found) = next.map_err(|error| error.to_string())? else { break };
            let settling = found.into_iter().map(async |difference| {
                let outcome = self.reconciler.settle_difference(&difference).await;
                (difference.run, outcome)
            });
            let mut settled = stream::iter(settling).buffer_unordered(CONCURRENCY);
            while let Some((run, outcome)) = settled.next().await {
                if let ReconcileOutcome::Failed { reason } = &outcome {
                    first_failure.get_or_insert_with(|| reason.clone());
                }
                summary.add(run, &outcome);
            }
        }
        let detail = format!("{} runs differed, {} stages written", summary.runs, summary.stages_written);
        if summary.is_clean() {
            return Ok((summary, detail));
        }
        let (conflicts, failed) = (summary.conflicts.len(), summary.failed.len());
        let reason = first_failure.unwrap_or_default();
        Err(format!("{detail}; {conflicts} in conflict, {failed} failed: {reason}"))
    }

    /// Copies the canary, row and files. Returns the outputs of all runs.
    async fn fill(&self, scratch: &mut Scratch, canary: &RunId) -> Result<(Outputs, String), String> {
        let copies = self.runs.saturating_sub(CANARIES);
        scratch.fill(canary.as_str(), copies).await.map_err(|error| error.to_string())?;
        let files = self.canary.router.files();
        let exported = self.reconciler.export(&Scope::Since(None), files, |_, _| {}).await;
        let exported = exported.map_err(|error| error.to_string())?;
        if !exported.is_clean() {
            return Err(format!("{} of the runs could not be written to files", exported.failed));
        }
        self.verify().await?;
        let outputs = scratch.outputs().await.map_err(|error| error.to_string())?;
        let runs = outputs.runs;
        if runs != i64::from(self.runs) {
            return Err(format!("{runs} runs have all outputs instead of {}", self.runs));
        }
        Ok((outputs, format!("{runs} runs with all outputs, equal in database and files")))
    }

    /// Removes the columns by one method, after the plan has named the loss.
    async fn take_away(&self, scratch: &mut Scratch, method: Method) -> Result<((), String), String> {
        let plan =
            self.migrator.plan_rollback(STAGE_OUTPUTS, method).await.map_err(|error| error.to_string())?;
        if plan.runs_with_outputs != i64::from(self.runs) {
            return Err(format!("the plan names {} runs that lose outputs", plan.runs_with_outputs));
        }
        let done = self.migrator.rollback(STAGE_OUTPUTS, method, scratch.database()).await;
        done.map_err(|error| error.to_string())?;
        self.expect_columns(scratch, 0).await?;
        Ok(((), format!("the columns are away, and the outputs of {} runs with them", self.runs)))
    }

    /// The way back from `drop`: the next deploy.
    async fn redeploy(&self, scratch: &mut Scratch) -> Result<((), String), String> {
        let deployed = self.deploy().await?;
        self.expect_columns(scratch, 5).await?;
        Ok(deployed)
    }

    /// The way back from `forward`: a deploy leaves the columns away, and `restore` brings them back.
    async fn restore(&self, scratch: &mut Scratch) -> Result<((), String), String> {
        self.deploy().await?;
        self.expect_columns(scratch, 0).await?;
        let done = self.migrator.rollback(STAGE_OUTPUTS, Method::Restore, scratch.database()).await;
        done.map_err(|error| error.to_string())?;
        self.expect_columns(scratch, 5).await?;
        Ok(((), "the columns are back, empty".to_owned()))
    }

    async fn expect_columns(&self, scratch: &mut Scratch, expected: i64) -> Result<(), String> {
        let found = scratch.output_columns().await.map_err(|error| error.to_string())?;
        if found == expected {
            Ok(())
        } else {
            Err(format!("{found} columns of outputs are there instead of {expected}"))
        }
    }

    /// Compares the outputs with those from before the rollback, and both sides of every run.
    async fn compare(&self, scratch: &mut Scratch, before: &Outputs) -> Result<((), String), String> {
        let outputs = scratch.outputs().await.map_err(|error| error.to_string())?;
        if outputs != *before {
            return Err(format!(
                "{} of {} runs have outputs again, or their content differs",
                outputs.runs, before.runs
            ));
        }
        self.verify().await?;
        let status = self.migrator.status().await.map_err(|error| error.to_string())?;
        if !status.next().is_empty() {
            return Err(format!("the schema is {:?}", status.schema));
        }
        Ok(((), format!("{} runs have the same outputs as before", outputs.runs)))
    }

    async fn verify(&self) -> Result<VerifyCount, String> {
        let count = self.reconciler.verify(&Scope::Since(None), |_| {}).await;
        let count = count.map_err(|error| error.to_string())?;
        if count.is_clean() && u32::try_from(count.equal) == Ok(self.runs) {
            Ok(count)
        } else {
            Err(format!("{} of {} runs are equal in database and files", count.equal, self.runs))
        }
    }
}
