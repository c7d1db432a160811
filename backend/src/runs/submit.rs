//! Accepts runs.

use std::sync::Arc;

use pipeline::{
    batch::BatchId,
    brand::{BrandId, BrandProfile},
    failure::FailureCode,
    run::{RunId, RunStatus},
};

use super::service::Runs;
use crate::{
    documents::{address::AddressError, name, sample},
    flags::definitions::PAUSE_ACCEPTANCE,
    telemetry::{metrics, traces},
};
use foundation::failpoints;
use storage::{
    Acceptance, RunRequest, RunSubmission, StorageError, StorageErrorKind, control_plane::Principal,
    frontend_rows::company_name, prelude::*, router::FileRefusal,
};

/// A client's request for a run.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The client's run id. None lets the service create one.
    pub run_id: Option<RunId>,
    pub document_url: String,
    pub brand_id: BrandId,
    pub user_id: Option<String>,
    /// The run is a golden path: the built-in sample, by the extractive analyst. The caller may operate the service.
    pub is_sample: bool,
    /// The owner of the run: the principal of the caller's key.
    pub principal: Principal,
    /// The request came without a key. It may only name a row that waits for this very document.
    pub is_keyless: bool,
    /// The run neither uses nor leaves cached answers.
    pub cache_off: bool,
}

/// An accepted run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    pub run_id: RunId,
    pub status: RunStatus,
}

/// Why a run is not accepted. Nothing of it is stored then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("{0}")]
    BrandNotFound(String),
    #[error("there is no brand {}; GET /brands lists all", Self::names(.0))]
    BrandsNotFound(Vec<BrandId>),
    #[error("a key is required: send it as Authorization: Bearer KEY or as X-API-Key: KEY")]
    KeyRequired,
    #[error("run {0} already exists for another document or company; choose another run_id")]
    RequestMismatch(RunId),
    #[error(
        "batch {0} already exists for another document or other brands, or one of its runs does; choose another batch_id"
    )]
    BatchMismatch(BatchId),
    #[error("run {0} has been deleted; choose another run_id")]
    Deleted(RunId),
    #[error("run {0} of this batch has been deleted; choose another batch_id")]
    BatchRunDeleted(RunId),
    #[error(
        "storage is switched off (ENABLE_DATABASE_WRITES and ENABLE_FILE_FALLBACK are both false), so nothing is accepted"
    )]
    PersistenceDisabled,
    #[error("operators have paused the acceptance of runs (OPERATIONS_PAUSE_ACCEPTANCE); try again later")]
    Paused,
    #[error("this replica is stopping; try again")]
    Draining,
    #[error("the queue of waiting runs is full (MAX_QUEUED_RUNS); try again")]
    QueueFull,
    /// The database did not take the run, and files alone may not.
    #[error("{}", .0.reason.sentence())]
    NotAlone(FileRefusal),
    /// Storage cannot accept the run now.
    #[error("the run could not be recorded; try again")]
    Unavailable(#[source] StorageError),
}

impl SubmitError {
    fn names(brands: &[BrandId]) -> String {
        brands.iter().map(BrandId::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Runs {
    /// Accepts a run once. When this returns, the request is durable, and a worker will execute it.
    ///
    /// # Errors
    ///
    /// [`SubmitError::KeyRequired`], [`SubmitError::Address`], [`SubmitError::BrandNotFound`] or
    /// [`SubmitError::RequestMismatch`] if the request is refused. [`SubmitError::Deleted`] if the id belongs
    /// to a deleted run. [`SubmitError::Paused`], [`SubmitError::Draining`], [`SubmitError::QueueFull`],
    /// [`SubmitError::PersistenceDisabled`], [`SubmitError::NotAlone`] or [`SubmitError::Unavailable`] if the
    /// service cannot accept it now.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        if submission.is_keyless {
            self.check_waits(&submission).await?;
        }
        let source = match submission.is_sample {
            true => sample::NAME.to_owned(),
            false => name::of_url(&self.fetcher.check(&submission.document_url)?),
        };
        let (brand_id, profile) = self.brand(&submission).await?;
        if self.flags.is_on(&PAUSE_ACCEPTANCE) {
            return Err(SubmitError::Paused);
        }
        if self.worker.is_stopping() {
            return Err(SubmitError::Draining);
        }
        let run_id = submission.run_id.unwrap_or_else(|| RunId::from_uuid(uuid::Uuid::now_v7()));
        let request = RunRequest::by_url(source, submission.document_url, brand_id, submission.user_id)
            .map_err(|error| {
                SubmitError::Unavailable(StorageError::new(StorageErrorKind::Invalid, error.to_string()))
            })?;
        let request = request.of_principal(submission.principal).with_cache_off(submission.cache_off);
        let request = request.with_trace_parent(traces::kept_parent(run_id.as_str()));
        let request = match profile {
            Some(profile) => request.of_company(company_name(&profile)),
            None => request,
        };
        let new = RunSubmission { id: run_id.clone(), request, accepted_at: self.clock.now() };

        // One request at a time per id, because no transaction spans the two stores.
        let lock = self.run_lock(&run_id);
        let _guard = lock.lock().await;
        if self.worker.is_working_on(&run_id) {
            // This process has accepted the run already, so its answer is known.
            if let Some(accepted) = self.accepted_here(&new).await {
                metrics::submission_repeated(accepted.is_ok());
                return accepted;
            }
        }
        let slot = self.worker.reserve();
        if slot.is_none() && self.queue.is_full().await && !self.is_known(&run_id).await {
            return Err(SubmitError::QueueFull);
        }
        // The signal may have come while this request waited.
        if self.worker.is_stopping() {
            return Err(SubmitError::Draining);
        }
        let lease = slot.as_ref().map(|_| self.worker.lease());
        if new.request.cache_off {
            self.answers.opt_out(&run_id, &new.request.principal).await;
        }
        let began = self.clock.monotonic();
        match self.router.accept(&new, lease).await {
            Ok(Acceptance::New(fence)) => {
                failpoints::hit("accepted");
                let waits = fence.is_none();
                tracing::info!(event = "run_accepted", run_id = %run_id, waits, "[{run_id}] accepted");
                metrics::run_accepted();
                traces::accepted(run_id.as_str(), self.clock.monotonic().saturating_sub(began));
                if submission.is_keyless {
                    self.keyless.note(&new, self.clock.monotonic());
                }
                match (slot, fence) {
                    (Some(slot), Some(fence)) => self.worker.start(slot, fence, Some(new)),
                    _ => {
                        self.queue.note_waiting().await;
                        self.worker.wake();
                    }
                }
                Ok(Submitted { run_id, status: RunStatus::Processing })
            }
            Ok(Acceptance::Existing(status)) => {
                metrics::submission_repeated(true);
                Ok(Submitted { run_id, status })
            }
            Ok(Acceptance::RequestMismatch) => {
                metrics::submission_repeated(false);
                Err(SubmitError::RequestMismatch(run_id))
            }
            Ok(Acceptance::Deleted) => Err(SubmitError::Deleted(run_id)),
            Err(_) if self.router.is_disabled() => Err(SubmitError::PersistenceDisabled),
            Err(error) => {
                tracing::error!(event = "run_accept_failed", run_id = %run_id, %error, "a run could not be recorded");
                match self.router.file_refusal().filter(|_| error.is_outage()) {
                    Some(refusal) => Err(SubmitError::NotAlone(refusal)),
                    None => Err(SubmitError::Unavailable(error)),
                }
            }
        }
    }

    /// The answer for a run that this process works on. None if it cannot know the run's request yet: then a store decides.
    async fn accepted_here(&self, new: &RunSubmission) -> Option<Result<Submitted, SubmitError>> {
        let run_id = new.id.clone();
        let known = self.router.load(&run_id).await.ok().flatten();
        let known = known.and_then(|known| Some((known.status, known.request?)));
        let (status, request) = match known {
            Some(known) => known,
            None => (RunStatus::Processing, self.router.active_request(&run_id)?.request.clone()),
        };
        let is_same = request.is_same(&new.request);
        Some(if is_same {
            Ok(Submitted { run_id, status })
        } else {
            Err(SubmitError::RequestMismatch(run_id))
        })
    }

    /// Admits a request without a key in two cases. Its run is a row with the same address that nobody has
    /// accepted. Or this process has just accepted the same request, because the frontend repeats a request
    /// whose answer was lost.
    async fn check_waits(&self, submission: &Submission) -> Result<(), SubmitError> {
        let Some(run_id) = &submission.run_id else { return Err(SubmitError::KeyRequired) };
        let is_repeat = self.keyless.is_repeat(run_id, &submission.document_url, self.clock.monotonic());
        // If the row is gone, the user removed it, and no repeat may restore it.
        let row = self.router.frontend_run(run_id).await.map_err(SubmitError::Unavailable)?;
        let waits = row.is_some_and(|row| {
            (!row.is_accepted || is_repeat)
                && row.document_url.as_deref() == Some(submission.document_url.as_str())
        });
        if waits { Ok(()) } else { Err(SubmitError::KeyRequired) }
    }

    /// Finds the brand and its profile. The frontend's rerun sends an unknown id, and its row names the
    /// company. An invalid profile becomes the run's error, which the run's owner sees.
    async fn brand(
        &self,
        submission: &Submission,
    ) -> Result<(BrandId, Option<Arc<BrandProfile>>), SubmitError> {
        let failure = match self.brands.load(&submission.brand_id) {
            Err(failure) if failure.code == FailureCode::BrandNotFound => failure,
            loaded => return Ok((submission.brand_id.clone(), loaded.ok())),
        };
        let row = match &submission.run_id {
            Some(run_id) => self.router.frontend_run(run_id).await.map_err(SubmitError::Unavailable)?,
            None => None,
        };
        let brand_id = row
            .and_then(|row| self.brands.of_company(&row.company_name))
            .ok_or(SubmitError::BrandNotFound(failure.message))?;
        let profile = self.brands.load(&brand_id).ok();
        Ok((brand_id, profile))
    }

    /// Whether the run was accepted before. A row that only the frontend created was not.
    pub async fn is_known(&self, run_id: &RunId) -> bool {
        let known = self.router.load(run_id).await.ok().flatten();
        known.is_some_and(|known| known.accepted_at.is_some() || known.status != RunStatus::Processing)
    }
}
