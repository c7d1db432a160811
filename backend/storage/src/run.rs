//! A run: its request, its record and its end.

use std::collections::BTreeMap;

use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    failure::RunFailure,
    record::{RecordError, StageRecord, sha256_canonical},
    run::{RunId, RunStatus, Stage},
};
use serde::{Deserialize, Serialize};

use crate::{control_plane::Principal, frontend_rows, waiting::Waiting};

/// The request of a run. The same run id with another request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The document's name for people: a file name, or the last part of its address.
    pub source: String,
    /// The document's address. None for a run on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_url: Option<String>,
    pub brand_id: BrandId,
    /// The company's name in the frontend, by which the frontend's lists filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
    /// The user's id in the frontend (a Clerk id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// SHA-256 (hex) over the fields that make two requests the same work.
    pub digest: String,
    /// The run's owner. Absent for `environment`, as in manifests from before there were principals.
    #[serde(default = "Principal::environment", skip_serializing_if = "Principal::is_environment")]
    pub principal: Principal,
    /// The run neither uses nor leaves cached answers. A row does not hold it: the answer cache has its own note.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache_off: bool,
    /// The span of the run's acceptance, if the client has brought its trace (a `traceparent`). A row does not hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
}

impl RunRequest {
    /// A request by address. Requests with the same address and brand are the same work.
    ///
    /// # Errors
    ///
    /// The request cannot be brought into canonical form.
    pub fn by_url(
        source: String,
        document_url: String,
        brand_id: BrandId,
        user_id: Option<String>,
    ) -> Result<Self, RecordError> {
        let digest = sha256_canonical(&(&document_url, &brand_id))?;
        let principal = Principal::environment();
        let document_url = Some(document_url);
        Ok(Self {
            source,
            document_url,
            brand_id,
            company_name: None,
            user_id,
            digest,
            principal,
            cache_off: false,
            trace_parent: None,
        })
    }

    /// A request with the document's content. Requests with the same bytes and brand are the same work.
    ///
    /// # Errors
    ///
    /// The request cannot be brought into canonical form.
    pub fn by_document(
        source: String,
        document_sha256: &str,
        brand_id: BrandId,
    ) -> Result<Self, RecordError> {
        let digest = sha256_canonical(&(document_sha256, &brand_id))?;
        let principal = Principal::environment();
        let document_url = None;
        Ok(Self {
            source,
            document_url,
            brand_id,
            company_name: None,
            user_id: None,
            digest,
            principal,
            cache_off: false,
            trace_parent: None,
        })
    }

    /// Sets the owner of the run.
    #[must_use]
    pub fn of_principal(self, principal: Principal) -> Self {
        Self { principal, ..self }
    }

    /// Sets whether the run may use and leave cached answers.
    #[must_use]
    pub fn with_cache_off(self, cache_off: bool) -> Self {
        Self { cache_off, ..self }
    }

    /// Sets the span of the run's acceptance.
    #[must_use]
    pub fn with_trace_parent(self, trace_parent: Option<String>) -> Self {
        Self { trace_parent, ..self }
    }

    /// Whether both ask for the same work, for the same owner. The id of one never opens the run of the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest && self.principal == other.principal
    }

    /// Sets the frontend's name of the company.
    #[must_use]
    pub fn of_company(mut self, name: String) -> Self {
        self.company_name = None;
        if self.company() != name {
            self.company_name = Some(name);
        }
        self
    }

    /// The company's name for the rows that this service creates.
    #[must_use]
    pub fn company(&self) -> &str {
        let offered = || frontend_rows::offered(&self.brand_id);
        self.company_name.as_deref().or_else(offered).unwrap_or_else(|| self.brand_id.as_str())
    }
}

/// A run to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSubmission {
    pub id: RunId,
    pub request: RunRequest,
    /// The time of the request. A later insert of the row keeps it.
    pub accepted_at: Timestamp,
}

/// A run as a store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub id: RunId,
    /// None for a row that the frontend created and that `/run` has not accepted.
    pub request: Option<RunRequest>,
    /// The run's owner. A row without a request belongs to `environment` too.
    pub principal: Principal,
    pub status: RunStatus,
    pub generation: i32,
    pub epoch: i32,
    /// When `/run` accepted the run.
    pub accepted_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub stages: BTreeMap<Stage, StoredStage>,
    pub report: Option<String>,
    pub failure: Option<RunFailure>,
    /// US dollars spent on answers that never became a stage.
    pub lost_usd: f64,
    /// Whether a worker holds a lease on the run.
    pub is_leased: bool,
    /// The wait that the run is in, or that its current attempt may end.
    pub waiting: Option<Waiting>,
    /// The stores that hold the run.
    pub stored_in: StoredIn,
}

impl RunRecord {
    /// A failed run, if no store can provide more about it.
    #[must_use]
    pub fn of_failure(id: RunId, failure: RunFailure) -> Self {
        Self {
            id,
            request: None,
            principal: Principal::environment(),
            status: End::Failed(&failure).status(),
            generation: 1,
            epoch: 0,
            accepted_at: None,
            finished_at: None,
            stages: BTreeMap::new(),
            report: None,
            failure: Some(failure),
            lost_usd: 0.0,
            is_leased: true,
            waiting: None,
            stored_in: StoredIn::default(),
        }
    }
}

/// The stores that hold a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredIn {
    pub database: bool,
    pub files: bool,
}

impl StoredIn {
    pub const DATABASE: Self = Self { database: true, files: false };
    pub const FILES: Self = Self { database: false, files: true };

    /// The union of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { database: self.database || other.database, files: self.files || other.files }
    }
}

/// A stored stage and the digest of its whole record.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredStage {
    pub record: StageRecord,
    pub sha256: String,
    pub stored_in: StoredIn,
}

/// The end of a run.
#[derive(Debug, Clone, Copy)]
pub enum End<'a> {
    /// With all four records in order, and the report built from them.
    Completed { records: &'a [StageRecord], report: &'a str },
    /// Without a report. The code `CANCELLED` gives the status `CANCELLED`, and every other code gives
    /// `FAILED`.
    Failed(&'a RunFailure),
}

impl End<'_> {
    /// The status that the end gives the run.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        match self {
            Self::Completed { .. } => RunStatus::Completed,
            Self::Failed(failure) if failure.code == pipeline::failure::FailureCode::Cancelled => {
                RunStatus::Cancelled
            }
            Self::Failed(_) => RunStatus::Failed,
        }
    }
}
