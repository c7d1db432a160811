//! Reads runs for clients.

use std::collections::HashMap;

use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    failure::RunFailure,
    grounding::{StageGrounding, run_share},
    run::{RunId, RunStatus, Stage},
};
use serde_json::{Map, Value};

use super::service::Runs;
use crate::access::Scope;
use storage::{
    End, Listing, RunPage, RunRecord, RunSummary, StorageError, StorageErrorKind, StoredIn, Waiting,
    control_plane::Principal, mode::Mode, prelude::*, router::FileRefusal,
};

/// Why a run cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("there is no run {0}")]
    NotFound(RunId),
    #[error("run {0} has been deleted")]
    Deleted(RunId),
    /// Another replica, whose files this one cannot see, may hold the run.
    #[error("run {0} is not known here; {sentence}", sentence = .1.reason.sentence())]
    NotAlone(RunId, FileRefusal),
    /// A store that may hold the run cannot be read.
    #[error("storage cannot be reached now; try again")]
    Unavailable(#[source] StorageError),
}

/// The current state of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    pub run_id: RunId,
    pub principal: Principal,
    pub status: RunStatus,
    /// The current stage, or the next one.
    pub current_stage: Option<Stage>,
    pub stages: Vec<StageView>,
    pub brand_id: Option<BrandId>,
    pub brand_name: Option<String>,
    /// The current storage mode.
    pub mode: Mode,
    pub accepted_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub error: Option<RunFailure>,
    /// Why the run waits in the queue, if it waits.
    pub waiting: Option<Waiting>,
    /// The stores that hold the run.
    pub stored_in: StoredIn,
    pub report: Option<String>,
    /// Raised by a retry.
    pub generation: i32,
    /// None for a row that nobody submitted to `/run`.
    pub document_name: Option<String>,
    /// The document's address, as the request named it. It may hold a secret, so no body shows it.
    pub document_url: Option<String>,
    /// US dollars for all answers, including those that never became a stage.
    pub cost_usd: f64,
    /// The share of quotes that were found in the document. None before there are quotes.
    pub grounding: Option<f64>,
    /// Until when readers of the report find the document here. None if it is not kept, or if nobody has looked.
    pub kept_until: Option<Timestamp>,
}

/// A page of the list of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunList {
    pub page: RunPage,
    pub runs: Vec<ListedRun>,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRun {
    pub run: RunSummary,
    pub brand_name: Option<String>,
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageStatus {
    Pending,
    Running,
    Complete,
    Failed,
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StageView {
    pub stage: Stage,
    pub status: StageStatus,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// The whole record: the payload's fields and `meta`.
    pub output: Option<Map<String, Value>>,
    pub stored_in: StoredIn,
}

impl Runs {
    /// Loads a run that the caller may see. All use cases over one run find it here.
    pub(super) async fn find(&self, run_id: &RunId, scope: &Scope) -> Result<RunRecord, QueryError> {
        match self.router.load(run_id).await {
            Ok(Some(record)) if scope.admits(&record.principal) => Ok(record),
            // The answer does not tell it from an id that nobody has used.
            Ok(Some(_)) if self.sees_every_run() => Err(self.unknown(run_id)),
            Ok(Some(_)) => Err(QueryError::Unavailable(StorageError::new(
                StorageErrorKind::Unavailable,
                "the database is away, and may hold the run",
            ))),
            missing => Err(self.why_missing(run_id, scope, missing.err()).await),
        }
    }

    /// Finds out why a run is missing: deleted, never there, or not readable.
    async fn why_missing(&self, run_id: &RunId, scope: &Scope, error: Option<StorageError>) -> QueryError {
        match (self.router.deleted_owner(run_id).await, error) {
            (Ok(Some(owner)), _) if scope.admits(&owner) => QueryError::Deleted(run_id.clone()),
            // While the database is away, this is also the answer for a run that no file names.
            (_, Some(error)) | (Err(error), None) => QueryError::Unavailable(error),
            (Ok(_), None) => self.unknown(run_id),
        }
    }

    /// Whether the service can say that a run does not exist. While the database is away, it cannot.
    fn sees_every_run(&self) -> bool {
        self.router.database().is_none() || self.router.is_database_open()
    }

    /// The answer for a run that is nowhere, or that the caller may not see.
    fn unknown(&self, run_id: &RunId) -> QueryError {
        match self.router.unseen_runs() {
            Some(refusal) => QueryError::NotAlone(run_id.clone(), refusal),
            None => QueryError::NotFound(run_id.clone()),
        }
    }

    /// Reads one run from the store that holds its newest state.
    ///
    /// # Errors
    ///
    /// [`QueryError::NotFound`] or [`QueryError::Deleted`] if there is no such run.
    /// [`QueryError::Unavailable`] if a store that may hold it fails. [`QueryError::NotAlone`] if another
    /// replica may hold it.
    pub async fn view(&self, run_id: &RunId, scope: &Scope) -> Result<RunView, QueryError> {
        // Only the process that works on the run has it, and knows the owner.
        let is_seen = || {
            let active = self.router.active_request(run_id);
            active.map_or(*scope == Scope::All, |active| scope.admits(&active.request.principal))
        };
        let unstored = self.worker.unstored_failure(run_id).filter(|_| is_seen());
        match (self.find(run_id, scope).await, unstored) {
            (Ok(mut snapshot), unstored) => {
                // The run has failed, and no store holds the failure yet.
                if snapshot.status == RunStatus::Processing
                    && let Some(failure) = unstored
                {
                    snapshot.status = End::Failed(&failure).status();
                    snapshot.failure = Some(failure);
                }
                Ok(self.view_of(snapshot))
            }
            (_, Some(failure)) => Ok(self.view_of(RunRecord::of_failure(run_id.clone(), failure))),
            (Err(error), None) => Err(error),
        }
    }

    /// Reads a page of the list, newest first. Its filter holds what [`Scope::narrowed`] says.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Indeterminate` if no store can list its runs in time.
    pub async fn list(&self, listing: &Listing) -> Result<RunList, StorageError> {
        let mut page = self.router.list(listing).await?;
        // Each profile is read once for all runs of its brand.
        let mut names: HashMap<BrandId, Option<String>> = HashMap::new();
        let runs = std::mem::take(&mut page.runs)
            .into_iter()
            .map(|mut run| {
                if run.status == RunStatus::Processing
                    && let Some(failure) = self.worker.unstored_failure(&run.id)
                {
                    run.status = End::Failed(&failure).status();
                    run.failure = Some(failure);
                }
                let brand_name = run
                    .brand_id
                    .as_ref()
                    .and_then(|id| names.entry(id.clone()).or_insert_with(|| self.brand_name(id)).clone());
                ListedRun { run, brand_name }
            })
            .collect();
        Ok(RunList { page, runs })
    }

    pub(super) fn brand_name(&self, id: &BrandId) -> Option<String> {
        Some(self.brands.load(id).ok()?.brand_name.clone())
    }

    fn view_of(&self, snapshot: RunRecord) -> RunView {
        let current_stage = (snapshot.status == RunStatus::Processing)
            .then(|| Stage::ALL.into_iter().find(|stage| !snapshot.stages.contains_key(stage)))
            .flatten();
        let is_worked_on = snapshot.is_leased || self.worker.is_working_on(&snapshot.id);
        let failed_at = snapshot.failure.as_ref().and_then(|failure| failure.stage);
        let records = || snapshot.stages.values().map(|held| &held.record.meta);
        let grounding: Vec<StageGrounding> = records().map(|meta| meta.grounding.clone()).collect();
        let cost_usd = records().map(|meta| meta.usage.cost_usd).sum::<f64>() + snapshot.lost_usd;
        let mut held = snapshot.stages;
        let stages = Stage::ALL
            .into_iter()
            .map(|stage| match held.remove(&stage) {
                Some(held) => StageView {
                    stage,
                    status: StageStatus::Complete,
                    started_at: Some(held.record.meta.started_at),
                    completed_at: Some(held.record.meta.finished_at),
                    output: serde_json::to_value(&held.record).ok().and_then(|value| match value {
                        Value::Object(fields) => Some(fields),
                        _ => None,
                    }),
                    stored_in: held.stored_in,
                },
                None => StageView {
                    stage,
                    status: if failed_at == Some(stage) {
                        StageStatus::Failed
                    } else if is_worked_on && current_stage == Some(stage) {
                        StageStatus::Running
                    } else {
                        StageStatus::Pending
                    },
                    started_at: None,
                    completed_at: None,
                    output: None,
                    stored_in: StoredIn::default(),
                },
            })
            .collect();
        let (mut brand_id, mut document_name, mut document_url) = (None, None, None);
        if let Some(request) = snapshot.request {
            (brand_id, document_name) = (Some(request.brand_id), Some(request.source));
            document_url = request.document_url;
        }
        let awaited = self.worker.awaited_answer(&snapshot.id);
        RunView {
            run_id: snapshot.id,
            principal: snapshot.principal,
            status: snapshot.status,
            current_stage,
            stages,
            brand_name: brand_id.as_ref().and_then(|id| self.brand_name(id)),
            brand_id,
            mode: self.router.flags().mode(),
            accepted_at: snapshot.accepted_at,
            finished_at: snapshot.finished_at,
            error: snapshot.failure,
            waiting: snapshot
                .waiting
                .filter(|waiting| waiting.until.is_some())
                .or(awaited)
                .filter(|_| snapshot.status == RunStatus::Processing),
            stored_in: snapshot.stored_in,
            report: snapshot.report,
            generation: snapshot.generation,
            document_name,
            document_url,
            cost_usd,
            grounding: run_share(&grounding),
            kept_until: None,
        }
    }
}
