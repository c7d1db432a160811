//! Holds submissions and retries to the quotas of their key.

use pipeline::run::RunId;

use crate::{
    access::{Admission, Caller, QuotaExceeded},
    http::{codes, error::Problem, state::HttpState},
};

/// Admits a submission. The repetition of an accepted one is no new run.
pub(super) async fn admit(
    state: &HttpState,
    caller: Option<&Caller>,
    run_id: &RunId,
) -> Result<Option<Admission>, Problem> {
    let Some(caller) = caller else { return Ok(None) };
    match state.quotas.admit(caller, run_id, false).await {
        Ok(admission) => Ok(admission),
        Err(_) if state.runs.is_known(run_id).await => Ok(None),
        Err(exceeded) => Err(exceeded.into()),
    }
}

/// Admits a retry, which costs as much as a new run.
pub(super) async fn admit_again(
    state: &HttpState,
    caller: &Caller,
    run_id: &RunId,
) -> Result<Option<Admission>, Problem> {
    Ok(state.quotas.admit(caller, run_id, true).await?)
}

/// Keeps the place of a run that was accepted.
pub(super) fn note(admission: Option<Admission>, is_accepted: bool) {
    if let Some(admission) = admission.filter(|_| is_accepted) {
        admission.accepted();
    }
}

impl From<QuotaExceeded> for Problem {
    fn from(exceeded: QuotaExceeded) -> Self {
        Self::unavailable(codes::QUOTA_EXCEEDED, exceeded.to_string(), exceeded.retry_after)
    }
}
