//! Batches: one document for several brands, each with a run of its own. All runs are accepted, or none.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};
use pipeline::{
    batch::BatchId,
    brand::{BrandId, BrandProfile},
    failure::FailureCode,
    run::{RunStatus, Stage},
};

use super::{
    query::{QueryError, RunView},
    service::Runs,
    submit::{SubmitError, Submitted},
};
use crate::{
    access::Scope,
    documents::name,
    flags::definitions::PAUSE_ACCEPTANCE,
    telemetry::{metrics, traces},
};
use foundation::failpoints;
use storage::{
    Batch, BatchAcceptance, BatchRun, BatchSubmission, RunRequest, RunSubmission, StorageError,
    StorageErrorKind, control_plane::Principal, frontend_rows::company_name, router::FileRefusal,
};

/// How many runs of a batch are read at once. The reads share the database with other clients.
const READ_AT_ONCE: usize = 4;

/// The stages whose outputs a comparison reads.
pub(super) const COMPARED: [Stage; 2] = [Stage::GeneralTranslation, Stage::BrandContextualization];

/// A client's request for a batch.
#[derive(Debug, Clone)]
pub struct BatchOrder {
    pub batch_id: BatchId,
    pub document_url: String,
    /// Without duplicates, at most [`pipeline::batch::BATCH_BRANDS_MAX`].
    pub brands: Vec<BrandId>,
    pub user_id: Option<String>,
    /// The owner of the batch and of its runs: the principal of the caller's key.
    pub principal: Principal,
}

/// An accepted batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmittedBatch {
    pub batch_id: BatchId,
    /// In the order of the first request.
    pub runs: Vec<(BrandId, Submitted)>,
}

/// Why a batch cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchQueryError {
    #[error("there is no batch {0}")]
    NotFound(BatchId),
    /// Another replica, whose files this one cannot see, may hold the batch.
    #[error("batch {0} is not known here; {sentence}", sentence = .1.reason.sentence())]
    NotAlone(BatchId, FileRefusal),
    #[error("storage cannot be reached now; try again")]
    Unavailable(#[source] StorageError),
}

/// The current state of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchView {
    pub batch: Batch,
    /// In the order of the first request.
    pub runs: Vec<BatchRunView>,
}

/// One run of a batch. A deleted run has no view.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchRunView {
    pub run: BatchRun,
    pub view: Option<RunView>,
}

/// The content of a batch's view. Fifty runs with all of their outputs would take tens of megabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchContent {
    /// No outputs.
    States,
    /// The outputs that a comparison reads.
    Comparison,
}

impl BatchContent {
    fn reduce(self, mut view: RunView) -> RunView {
        for stage in &mut view.stages {
            if self == Self::States || !COMPARED.contains(&stage.stage) {
                stage.output = None;
            }
        }
        view.report = view.report.map(|_| String::new());
        view
    }
}

impl BatchOrder {
    /// The batch with its runs. The first brand's run is the oldest, so the queue hands it out first.
    fn into_submission(
        self,
        source: &str,
        profiles: &[Option<Arc<BrandProfile>>],
        at: pipeline::clock::Timestamp,
    ) -> Result<BatchSubmission, pipeline::record::RecordError> {
        let digest = Batch::digest_of(&self.document_url, &self.brands)?;
        let mut runs = Vec::with_capacity(self.brands.len());
        for ((brand, profile), number) in self.brands.iter().zip(profiles).zip(0_i64..) {
            let (url, user_id) = (self.document_url.clone(), self.user_id.clone());
            let request = RunRequest::by_url(source.to_owned(), url, brand.clone(), user_id)?
                .of_principal(self.principal.clone())
                .with_trace_parent(traces::kept_parent(self.batch_id.run_id(brand).as_str()));
            let request = match profile {
                Some(profile) => request.of_company(company_name(profile)),
                None => request,
            };
            let accepted_at = at + TimeDelta::milliseconds(number);
            runs.push(RunSubmission { id: self.batch_id.run_id(brand), request, accepted_at });
        }
        let of_batch =
            |run: &RunSubmission| BatchRun { brand_id: run.request.brand_id.clone(), run_id: run.id.clone() };
        let batch = Batch {
            id: self.batch_id,
            principal: self.principal,
            digest,
            accepted_at: at,
            runs: runs.iter().map(of_batch).collect(),
        };
        Ok(BatchSubmission { batch, runs })
    }
}

impl Runs {
    /// Accepts a batch once. When this returns, all of its runs are durable, and workers will execute them.
    ///
    /// # Errors
    ///
    /// As [`Runs::submit`]; nothing is accepted then, or a repetition finds out that everything is.
    pub async fn submit_batch(&self, order: BatchOrder) -> Result<SubmittedBatch, SubmitError> {
        let source = name::of_url(&self.fetcher.check(&order.document_url)?);
        let profiles = self.profiles(&order.brands)?;
        if self.flags.is_on(&PAUSE_ACCEPTANCE) {
            return Err(SubmitError::Paused);
        }
        if self.worker.is_stopping() {
            return Err(SubmitError::Draining);
        }
        let batch_id = order.batch_id.clone();
        let new = order.into_submission(&source, &profiles, self.clock.now()).map_err(|error| {
            SubmitError::Unavailable(StorageError::new(StorageErrorKind::Invalid, error.to_string()))
        })?;
        // One request at a time per batch, by the run whose id is the first in the alphabet, whatever the order of brands.
        let Some(first) = new.runs.iter().map(|run| &run.id).min() else {
            return Err(SubmitError::BatchMismatch(batch_id));
        };
        let lock = self.run_lock(first);
        let _guard = lock.lock().await;
        if self.queue.is_full().await && !self.is_known(first).await {
            return Err(SubmitError::QueueFull);
        }
        let began = self.clock.monotonic();
        match self.router.accept_batch(&new).await {
            Ok(BatchAcceptance::New) => {
                failpoints::hit("batch-accepted");
                tracing::info!(event = "batch_accepted", batch_id = %batch_id, runs = new.runs.len(), "a batch is accepted");
                let took = self.clock.monotonic().saturating_sub(began);
                for run in &new.runs {
                    traces::accepted(run.id.as_str(), took);
                    metrics::run_accepted();
                    self.queue.note_waiting().await;
                }
                self.worker.wake();
                Ok(answer(&new.batch, |_| RunStatus::Processing))
            }
            Ok(BatchAcceptance::Existing) => {
                metrics::submission_repeated(true);
                self.accepted_batch(&new.batch).await
            }
            Ok(BatchAcceptance::Mismatch) => {
                metrics::submission_repeated(false);
                Err(SubmitError::BatchMismatch(batch_id))
            }
            Ok(BatchAcceptance::Deleted(run)) => Err(SubmitError::BatchRunDeleted(run)),
            Err(_) if self.router.is_disabled() => Err(SubmitError::PersistenceDisabled),
            Err(error) => {
                tracing::error!(event = "batch_accept_failed", batch_id = %batch_id, %error, "a batch could not be recorded");
                match self.router.file_refusal().filter(|_| error.is_outage()) {
                    Some(refusal) => Err(SubmitError::NotAlone(refusal)),
                    None => Err(SubmitError::Unavailable(error)),
                }
            }
        }
    }

    /// The profiles of all brands. An invalid profile becomes the error of its run; unknown brands are named together.
    fn profiles(&self, brands: &[BrandId]) -> Result<Vec<Option<Arc<BrandProfile>>>, SubmitError> {
        let mut unknown = Vec::new();
        let mut profiles = Vec::with_capacity(brands.len());
        for brand in brands {
            match self.brands.load(brand) {
                Err(failure) if failure.code == FailureCode::BrandNotFound => unknown.push(brand.clone()),
                loaded => profiles.push(loaded.ok()),
            }
        }
        if unknown.is_empty() { Ok(profiles) } else { Err(SubmitError::BrandsNotFound(unknown)) }
    }

    /// The answer for a batch that was accepted before, with the state of its runs.
    async fn accepted_batch(&self, batch: &Batch) -> Result<SubmittedBatch, SubmitError> {
        // The stored one has the order of the first request.
        let stored = self.router.batch(&batch.id).await.ok().flatten();
        let batch = stored.as_ref().unwrap_or(batch);
        let scope = Scope::Of(batch.principal.clone());
        let mut statuses = Vec::with_capacity(batch.runs.len());
        for run in &batch.runs {
            statuses.push(match self.view(&run.run_id, &scope).await {
                Ok(view) => view.status,
                Err(QueryError::Deleted(run)) => return Err(SubmitError::BatchRunDeleted(run)),
                // It is accepted, wherever it is.
                Err(_) => RunStatus::Processing,
            });
        }
        let mut statuses = statuses.into_iter();
        Ok(answer(batch, |_| statuses.next().unwrap_or(RunStatus::Processing)))
    }

    /// Reads a batch and the states of its runs.
    ///
    /// # Errors
    ///
    /// [`BatchQueryError::NotFound`] if there is none, or if it belongs to another principal. The others if a store that may
    /// hold it, or a part of it, cannot be read.
    pub async fn batch(
        &self,
        id: &BatchId,
        scope: &Scope,
        content: BatchContent,
    ) -> Result<BatchView, BatchQueryError> {
        let found = self.router.batch(id).await.map_err(BatchQueryError::Unavailable)?;
        let Some(batch) = found.filter(|batch| scope.admits(&batch.principal)) else {
            return Err(match self.router.unseen_runs() {
                Some(refusal) => BatchQueryError::NotAlone(id.clone(), refusal),
                None => BatchQueryError::NotFound(id.clone()),
            });
        };
        let read: Vec<_> = stream::iter(batch.runs.clone())
            .map(|run| async move {
                let view = match self.view(&run.run_id, scope).await {
                    Ok(view) => Some(content.reduce(view)),
                    Err(QueryError::Deleted(_) | QueryError::NotFound(_)) => None,
                    Err(QueryError::NotAlone(_, refusal)) => {
                        return Err(BatchQueryError::NotAlone(id.clone(), refusal));
                    }
                    Err(QueryError::Unavailable(error)) => return Err(BatchQueryError::Unavailable(error)),
                };
                Ok(BatchRunView { run, view })
            })
            .buffered(READ_AT_ONCE)
            .collect()
            .await;
        Ok(BatchView { runs: read.into_iter().collect::<Result<_, _>>()?, batch })
    }
}

fn answer(batch: &Batch, mut status: impl FnMut(&BatchRun) -> RunStatus) -> SubmittedBatch {
    let runs = batch.runs.iter().map(|run| {
        let submitted = Submitted { run_id: run.run_id.clone(), status: status(run) };
        (run.brand_id.clone(), submitted)
    });
    SubmittedBatch { batch_id: batch.id.clone(), runs: runs.collect() }
}
