//! Runs whose model is away wait in the queue instead of failing.

use std::time::Duration;

use pipeline::{clock::Timestamp, failure::RunFailure, llm::LlmErrorCode, run::Stage};
use storage::{Fence, Postponement, WaitReason, Waiting, prelude::*};

use super::inner::Inner;
use crate::llm::gate::Admission;

/// The shortest wait between two attempts of one run.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// The longest wait of one run between two attempts, unless the endpoint asks for more. It bounds the time that
/// a run loses after a recovery.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The same after a timeout: the model may have worked on the answer, and somebody may pay for it.
const TIMEOUT_WAIT_MAX: Duration = Duration::from_secs(600);

/// How many runs may ask the model now.
pub(super) fn admission(inner: &Inner) -> Admission {
    inner.deps.gate.as_ref().map_or(Admission::Open, |gate| gate.admission())
}

/// The reason for which a run waits when the gate is closed with this code.
#[must_use]
pub const fn reason(code: LlmErrorCode) -> WaitReason {
    match code {
        LlmErrorCode::LlmRateLimit => WaitReason::LlmRateLimit,
        LlmErrorCode::LlmCredits => WaitReason::LlmCredits,
        LlmErrorCode::LlmAuth => WaitReason::LlmAuth,
        LlmErrorCode::LlmTimeout => WaitReason::LlmTimeout,
        _ => WaitReason::LlmError,
    }
}

/// The failure of a run that has waited for too long, while the model is still away. After a recovery, such a
/// run gets one more attempt.
pub(super) fn check_overdue(
    inner: &Inner,
    waiting: Option<&Waiting>,
    next: Option<Stage>,
) -> Option<RunFailure> {
    let waiting = waiting?;
    let code = waiting.reason.code()?;
    let is_away = matches!(admission(inner), Admission::Closed(_));
    if !is_away || !waiting.has_lasted(inner.config.outage_deadline, inner.deps.clock.now()) {
        return None;
    }
    let message = format!(
        "the model was away for the {} s that a run waits for it (LLM_OUTAGE_DEADLINE_SECONDS); retry the run later",
        inner.config.outage_deadline.as_secs()
    );
    Some(RunFailure::new(code, next, message, true))
}

/// How a run that failed for its model goes on waiting. None if it must fail, because its deadline is over. A run
/// that was not even asked for waits on while the model answers others: its turn comes.
pub(super) fn after_failure(
    inner: &Inner,
    waiting: Option<&Waiting>,
    failure: &RunFailure,
) -> Option<Postponement> {
    let wait = failure.wait?;
    let reason = WaitReason::of_code(failure.code)?;
    let now = inner.deps.clock.now();
    let lasted = waited(waiting, reason, now);
    let left = inner.config.outage_deadline.checked_sub(lasted).filter(|left| !left.is_zero());
    let is_away = matches!(admission(inner), Admission::Closed(_));
    if left.is_none() && (is_away || wait.was_asked) {
        return None;
    }
    let max = if reason == WaitReason::LlmTimeout { TIMEOUT_WAIT_MAX } else { WAIT_MAX };
    // Half of the time that the outage has lasted doubles the distance between attempts.
    let own = (lasted / 2).clamp(WAIT_MIN, max);
    let wait = wait.after.unwrap_or_default().max(own).min(left.unwrap_or(max));
    Some(Postponement { reason, wait, lost_usd: failure.usage.cost_usd })
}

/// How long the run has waited for its model.
fn waited(waiting: Option<&Waiting>, reason: WaitReason, now: Timestamp) -> Duration {
    let earlier = waiting.filter(|waiting| waiting.reason.continues(reason));
    earlier.and_then(|waiting| (now - waiting.since).to_std().ok()).unwrap_or_default()
}

/// Puts a run back into the queue until its time comes.
pub(super) async fn put_back(inner: &Inner, fence: &Fence, postponement: &Postponement) {
    let (run_id, reason) = (&fence.run, postponement.reason.as_str());
    match inner.router.put_back(fence, postponement).await {
        Ok(()) => {
            let wait_ms = postponement.wait.as_millis() as u64;
            tracing::info!(event = "run_waits", run_id = %run_id, reason, wait_ms, "[{run_id}] waits in the queue");
        }
        Err(error) => {
            tracing::warn!(event = "run_release_failed", run_id = %run_id, %error, "[{run_id}] could not be put back; this process claims it again, or another one after its lease");
        }
    }
}
