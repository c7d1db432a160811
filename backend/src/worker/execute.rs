//! Executes one run, from its document to its end.

use std::time::Duration;

use pipeline::{
    answers::AnswerCache,
    clock::Clock,
    engine::{Finished, Job, StageEvent},
    failure::{FailureCode, RunFailure},
    llm::StructuredOutput,
    record::StageRecord,
    run::Stage,
};
use tokio_util::sync::CancellationToken;

use super::{
    begun::Begun, crash_loop, document, inner::Inner, model_wait, progress::Progress, settings::WorkerDeps,
    suspects,
};
use crate::{
    documents::sample,
    telemetry::{metrics, traces},
};
use foundation::failpoints;
use storage::{
    End, Fence, Postponement, RunRecord, RunRequest, RunSubmission, StorageErrorKind, Waiting,
    control_plane::Principal,
    leased::LeasedRun,
    prelude::*,
    router::{Resume, Router},
};

/// The wait between two attempts to write an end that storage rejected.
const END_RETRY: Duration = Duration::from_secs(1);

/// How long a failure that no store holds is hidden from clients. A shown failure should not disappear again.
const TELL_UNSTORED_AFTER: Duration = Duration::from_secs(1);

/// The result of the work on a run.
enum WorkOutcome {
    Finished(Finished),
    Failed(RunFailure),
    /// The model is away. The run waits in the queue.
    Waits(Postponement),
    /// Another worker owns the run, or it has ended.
    Lost,
    /// This process stops, and another one continues the run.
    Stopped,
}

/// The state in which the work begins.
struct ResumePoint {
    new: RunSubmission,
    stored: Vec<StageRecord>,
    lost_usd: f64,
    waiting: Option<Waiting>,
}

impl ResumePoint {
    /// The first stage that is not stored.
    fn next(&self) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| self.stored.iter().all(|it| it.meta.stage != *stage))
    }
}

/// Works on a run and writes its end. It never panics and returns no error, because a run's failure concerns
/// only that run.
///
/// The futures before and after a model call are boxed, because thousands of tasks would otherwise reserve
/// memory for them during the call.
pub(super) async fn work(
    inner: &Inner,
    fence: &Fence,
    new: Option<RunSubmission>,
    lost: &CancellationToken,
    progress: &Progress,
) {
    let deps = &inner.deps;
    let run_id = &fence.run;
    let start = match new {
        Some(new) => ResumePoint { new, stored: Vec::new(), lost_usd: 0.0, waiting: None },
        None => match Box::pin(resume(inner, fence)).await {
            Some(start) => start,
            None => return,
        },
    };
    let kept = start.new.request.trace_parent.as_deref();
    let trace = traces::begin_run(run_id.as_str(), kept, fence.epoch, fence.attempt);
    if fence.epoch <= 1 {
        metrics::run_started(Begun::of(&start.new).waited(deps.clock.now()));
    }
    traces::within(trace, work_from(inner, fence, start, lost, progress)).await;
}

/// Works on a run from where it stands, and writes its end.
async fn work_from(
    inner: &Inner,
    fence: &Fence,
    start: ResumePoint,
    lost: &CancellationToken,
    progress: &Progress,
) {
    let Inner { router, deps, stopping, .. } = inner;
    let run_id = &fence.run;
    let owner = start.new.request.principal.clone();
    let begun = Begun::of(&start.new);
    failpoints::hit("claimed");
    tracing::info!(
        event = "run_started",
        epoch = fence.epoch,
        attempt = fence.attempt,
        stored = start.stored.len(),
        "[{run_id}] started"
    );
    let hopeless = crash_loop::check(fence, &start.stored)
        .or_else(|| model_wait::check_overdue(inner, start.waiting.as_ref(), start.next()));
    let outcome = match hopeless {
        // The database is away, and the row may have stages, or an end, that the files lack.
        Some(_) if router.misses_row(fence).await => WorkOutcome::Waits(suspects::TURN),
        Some(failure) => WorkOutcome::Failed(failure),
        None if crash_loop::is_last(fence) => alone(inner, fence, start, lost, progress).await,
        None => outcome(inner, fence, start, lost, progress).await,
    };
    progress.share_worker();
    let finish = async |end: End<'_>| {
        if may_end(inner, fence, lost).await {
            write_end(router, deps, fence, end, begun, stopping).await;
        }
    };
    match outcome {
        WorkOutcome::Finished(finished) => {
            let Finished { records, report, mut turn } = finished;
            let end = End::Completed { records: &records, report: &report };
            turn.store(Box::pin(finish(end))).await;
        }
        WorkOutcome::Failed(failure) => {
            metrics::llm_cost(failure.usage.cost_usd);
            deps.spend.add(&owner, failure.usage.cost_usd);
            tracing::warn!(event = "run_failed", code = %failure.code, stage = failure.stage.map(|stage| stage.number()), "[{run_id}] failed: {}", failure.message);
            let mut storing = Box::pin(finish(End::Failed(&failure)));
            if tokio::time::timeout(TELL_UNSTORED_AFTER, &mut storing).await.is_err() {
                inner.unstored().insert(run_id.clone(), failure.clone());
                storing.await;
                inner.unstored().remove(run_id);
            }
        }
        WorkOutcome::Waits(postponement) => {
            metrics::llm_cost(postponement.lost_usd);
            deps.spend.add(&owner, postponement.lost_usd);
            Box::pin(model_wait::put_back(inner, fence, &postponement)).await;
            traces::run_left("WAITING", None);
        }
        WorkOutcome::Lost => {
            tracing::warn!(event = "run_lost", "[{run_id}] is no longer ours; stopped working on it");
            Box::pin(router.relinquish(fence)).await;
            traces::run_left("LOST", None);
        }
        WorkOutcome::Stopped => {
            release_run(router, fence).await;
            traces::run_left("RELEASED", None);
        }
    }
}

/// Whether this worker may end the run. After its lease expired, the new owner decides how the run ends.
async fn may_end(inner: &Inner, fence: &Fence, lost: &CancellationToken) -> bool {
    let Inner { router, stopping, .. } = inner;
    let run_id = &fence.run;
    let is_ours = tokio::select! {
        biased;
        permitted = router.await_lease_for_end(fence) => {
            // Any other error occurs again when the end is written, and is handled there.
            !matches!(&permitted, Err(error) if error.kind == StorageErrorKind::Fenced)
        }
        () = lost.cancelled() => false,
        () = stopping.cancelled() => {
            release_run(router, fence).await;
            return false;
        }
    };
    if !is_ours {
        tracing::warn!(event = "run_lost", "[{run_id}] is no longer ours; its new owner ends it");
        router.relinquish(fence).await;
    }
    is_ours
}

/// Writes the end until a store accepts it. Otherwise, a later worker would execute the finished run again.
async fn write_end(
    router: &Router,
    deps: &WorkerDeps,
    fence: &Fence,
    end: End<'_>,
    begun: Begun,
    stopping: &CancellationToken,
) {
    let run_id = &fence.run;
    let at = deps.clock.now();
    loop {
        match router.finish(fence, end, at).await {
            Ok(()) => {
                let code = match end {
                    End::Failed(failure) => Some(failure.code),
                    End::Completed { .. } => None,
                };
                failpoints::hit("ended");
                begun.note_end(end.status(), code, deps.clock.now());
                traces::run_left(if code.is_none() { "COMPLETED" } else { "FAILED" }, code);
                tracing::info!(event = "run_ended", status = ?end.status(), "[{run_id}] ended");
                return;
            }
            Err(error) if !error.is_outage() => {
                tracing::error!(event = "run_end_rejected", %error, "[{run_id}] storage refused the run's end");
                router.relinquish(fence).await;
                return;
            }
            Err(error) => {
                tracing::error!(event = "run_end_not_stored", %error, "[{run_id}] the run's end could not be stored; will retry")
            }
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(END_RETRY) => {}
        }
    }
}

/// Loads the point at which a claimed run resumes. None if this worker has nothing to do.
async fn resume(inner: &Inner, fence: &Fence) -> Option<ResumePoint> {
    let Inner { router, deps, stopping, .. } = inner;
    let run_id = &fence.run;
    let resumed = tokio::select! {
        resumed = router.resume(fence) => resumed,
        () = stopping.cancelled() => {
            release_run(router, fence).await;
            return None;
        }
    };
    match resumed {
        Ok(Resume::At { snapshot, in_row }) => {
            let RunRecord { request, accepted_at, stages, lost_usd, waiting, .. } = *snapshot;
            let Some((request, accepted_at)) = request.zip(accepted_at) else {
                tracing::error!(
                    event = "run_request_missing",
                    "[{run_id}] the run's record lacks the request"
                );
                return None;
            };
            let new = RunSubmission { id: run_id.clone(), request, accepted_at };
            router.register_active(fence, new.clone(), in_row);
            let stored = stages.into_values().map(|held| held.record).collect();
            Some(ResumePoint { new, stored, lost_usd, waiting })
        }
        Ok(Resume::Ended) => {
            tracing::info!(
                event = "run_end_synced",
                "[{run_id}] had ended in files; the end is now in the database"
            );
            None
        }
        Err(error) if error.kind == StorageErrorKind::Fenced => {
            tracing::info!(event = "run_claimed_elsewhere", "[{run_id}] belongs to another worker");
            router.relinquish(fence).await;
            None
        }
        Err(error) if error.is_outage() => {
            tracing::error!(event = "run_load_failed", %error, "[{run_id}] its stored state cannot be read; released; will retry");
            release_run(router, fence).await;
            None
        }
        Err(error) if crash_loop::is_last(fence) => {
            let what = format!("the run's stored state is inconsistent: {error}");
            tracing::error!(event = "run_state_inconsistent", "[{run_id}] {what}");
            let failure = RunFailure::new(FailureCode::Internal, None, what, false);
            let begun = Begun::unknown(deps.clock.now());
            write_end(router, deps, fence, End::Failed(&failure), begun, stopping).await;
            None
        }
        Err(error) => {
            // Keep the lease until it expires. After a release, a worker would claim the run at once and fail
            // again. The attempt counts.
            tracing::error!(event = "run_state_inconsistent", %error, "[{run_id}] its stored state is inconsistent; left until its lease expires");
            None
        }
    }
}

async fn release_run(router: &Router, fence: &Fence) {
    let run_id = &fence.run;
    match router.release(fence).await {
        Ok(()) => tracing::info!(event = "run_released", "[{run_id}] released"),
        Err(error) => {
            tracing::warn!(event = "run_release_failed", %error, "[{run_id}] could not be released; this process claims it again, or another one after its lease")
        }
    }
}

/// Works on a run that no other run shares the worker with. Its attempt counts from here on.
async fn alone(
    inner: &Inner,
    fence: &Fence,
    start: ResumePoint,
    lost: &CancellationToken,
    progress: &Progress,
) -> WorkOutcome {
    let run_id = &fence.run;
    tracing::info!(
        event = "run_isolated",
        attempt = fence.attempt,
        "[{run_id}] waits to be alone in its worker"
    );
    let permit = tokio::select! {
        permit = suspects::alone(inner, progress) => permit,
        () = lost.cancelled() => return WorkOutcome::Lost,
        () = inner.stopping.cancelled() => return WorkOutcome::Stopped,
    };
    let Some(permit) = permit else { return WorkOutcome::Waits(suspects::TURN) };
    progress.keep_alone(permit);
    match inner.router.count_attempt(fence).await {
        Ok(()) => outcome(inner, fence, start, lost, progress).await,
        Err(error) if error.kind == StorageErrorKind::Fenced => WorkOutcome::Lost,
        Err(error) => {
            tracing::warn!(event = "attempt_not_counted", %error, "[{run_id}] its attempt could not be counted; will retry");
            WorkOutcome::Waits(suspects::TURN)
        }
    }
}

async fn outcome(
    inner: &Inner,
    fence: &Fence,
    start: ResumePoint,
    lost: &CancellationToken,
    progress: &Progress,
) -> WorkOutcome {
    let Inner { router, deps, stopping, config, .. } = inner;
    let ResumePoint { new, stored, lost_usd, waiting } = start;
    let cancel = CancellationToken::new();
    let store = LeasedRun::new(router, fence, stored);
    let owner = new.request.principal.clone();
    let begun = Begun::of(&new);
    let work = Work { router, deps, fence, store: &store, progress, cancel: &cancel, owner: &owner, begun };
    let execution = work.execute(new.request, lost_usd);
    tokio::pin!(execution);
    let mut is_overdue = false;
    let stop = async {
        tokio::select! {
            () = lost.cancelled() => {}
            () = stopping.cancelled() => {}
            () = overdue(config.run_deadline, &store, &*deps.clock) => is_overdue = true,
        }
    };
    let result = tokio::select! {
        result = &mut execution => result,
        () = stop => {
            cancel.cancel();
            execution.await
        }
    };
    match result {
        Ok(finished) => WorkOutcome::Finished(finished),
        Err(_) if store.is_lost() || lost.is_cancelled() => WorkOutcome::Lost,
        Err(failure) if failure.code == FailureCode::Cancelled && is_overdue => {
            let what = format!(
                "the run was worked on for {} s without an end (RUN_DEADLINE_SECONDS)",
                config.run_deadline.as_secs()
            );
            let overdue = RunFailure::new(FailureCode::LlmTimeout, failure.stage, what, true);
            WorkOutcome::Failed(RunFailure { usage: failure.usage, ..overdue })
        }
        Err(failure) if failure.code == FailureCode::Cancelled && stopping.is_cancelled() => {
            WorkOutcome::Stopped
        }
        Err(failure) => {
            // A stage that was stored meanwhile has ended the earlier wait.
            let waiting = waiting.filter(|_| !progress.has_stored());
            match model_wait::after_failure(inner, waiting.as_ref(), &failure) {
                Some(postponement) => WorkOutcome::Waits(postponement),
                None => WorkOutcome::Failed(failure),
            }
        }
    }
}

/// The context that all steps of a run share.
struct Work<'a> {
    router: &'a Router,
    deps: &'a WorkerDeps,
    fence: &'a Fence,
    store: &'a LeasedRun<'a>,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
    owner: &'a Principal,
    begun: Begun,
}

impl Work<'_> {
    async fn execute(&self, request: RunRequest, lost_usd: f64) -> Result<Finished, RunFailure> {
        let Self { router, deps, fence, cancel, .. } = *self;
        let brand = deps.brands.load(&request.brand_id)?;
        let url = request.document_url.as_deref().ok_or_else(|| {
            RunFailure::new(FailureCode::Internal, None, "the run's record names no document", false)
        })?;
        let document = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(RunFailure::cancelled(None)),
            document = Box::pin(document::read(router, deps, fence, &request, url)) => document?,
        };
        failpoints::hit("document-read");
        failpoints::hit_by("document-read", fence.run.as_str());
        self.progress.note(&*deps.clock);
        let run_id = &fence.run;
        let answers = deps.answers.of_run(run_id, self.owner).filter(|_| !request.cache_off);
        let engine = if sample::is_address(url) { &deps.sample_engine } else { &deps.engine };
        // Thousands of runs wait from here on, and the router has their requests.
        drop(request);
        let answers = answers.as_ref().map(|answers| answers as &dyn AnswerCache);
        let job =
            Job { run: run_id, store: self.store, document: &document, brand: &brand, answers, lost_usd };
        let note = |event: StageEvent| self.note(&event);
        engine.run(job, &note, cancel).await
    }

    fn note(&self, event: &StageEvent) {
        self.progress.note(&*self.deps.clock);
        let run_id = &self.fence.run;
        match event {
            StageEvent::Reused { meta, .. } => {
                tracing::info!(
                    event = "stage_reused",
                    stage = meta.stage.number(),
                    "[{run_id}] stage is stored already"
                );
            }
            StageEvent::Started { stage } => {
                traces::stage_started(*stage);
                tracing::info!(event = "stage_started", stage = stage.number(), "[{run_id}] stage started")
            }
            StageEvent::Stored { meta, elapsed, .. } => {
                metrics::llm_cost(meta.usage.cost_usd);
                metrics::stage_took(meta.stage, &meta.provider, *elapsed);
                if meta.stage == Stage::InputProcessing {
                    self.begun.note_first_stage(self.deps.clock.now());
                }
                traces::stage_stored(meta);
                self.deps.spend.add(self.owner, meta.usage.cost_usd);
                self.progress.note_stored();
                tracing::info!(
                    event = "stage_stored",
                    stage = meta.stage.number(),
                    provider = meta.provider,
                    model = meta.model,
                    cost_usd = meta.usage.cost_usd,
                    structured_output = meta.structured_output.map(StructuredOutput::as_str),
                    reused_from = meta.reuse.as_ref().map(|reuse| reuse.reused_from.as_str()),
                    elapsed_ms = elapsed.as_millis(),
                    "[{run_id}] stage stored"
                );
                failpoints::hit("stage-stored");
            }
        }
    }
}

/// Returns at the run's deadline. Waiting for storage does not count.
async fn overdue(deadline: Duration, store: &LeasedRun<'_>, clock: &dyn Clock) {
    let began = clock.monotonic();
    loop {
        let worked = clock.monotonic().saturating_sub(began).saturating_sub(store.waited());
        match deadline.checked_sub(worked) {
            Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
            _ => return,
        }
    }
}
