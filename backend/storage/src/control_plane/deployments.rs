//! The deployments of a service: when each began and ended, and the arbiter's verdict.

use std::collections::BTreeMap;

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit::AuditRecord;
use crate::error::StorageError;

/// The result of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// It is being watched, or has not become healthy yet.
    InProgress,
    Success,
    Failed,
    /// It failed, and an earlier deployment took its place again.
    RolledBack,
}

/// The arbiter's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Healthy,
    Failing,
    /// Too few runs and requests for another word.
    Inconclusive,
}

impl Verdict {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Failing => "failing",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One deployment, as the database and a note in the file storage hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// The platform's id, or one of this commit.
    pub id: String,
    pub environment: String,
    /// The platform's name of the service.
    pub service: String,
    pub version: String,
    pub commit_sha: String,
    pub triggered_by: Option<String>,
    pub started_at: Timestamp,
    /// When a replica first accepted runs.
    pub completed_at: Option<Timestamp>,
    /// When the next deployment took its place.
    pub ended_at: Option<Timestamp>,
    pub status: DeploymentStatus,
    /// From 0 to 1.
    pub health_score: Option<f64>,
    pub error_count: i32,
    pub rollback_reason: Option<String>,
    pub rolled_back_to: Option<String>,
    pub deployment_metadata: Value,
    pub verdict: Option<Verdict>,
    pub verdict_reason: Option<String>,
    pub verdict_at: Option<Timestamp>,
    /// When the fault of a failing deployment was first seen.
    pub fault_at: Option<Timestamp>,
    /// The storage mode at the last look.
    pub mode: Option<String>,
    /// The figures that it is compared with.
    pub baseline: Option<Value>,
    /// Its own figures at the verdict.
    pub figures: Option<Value>,
    pub variables_digest: Option<String>,
    /// The arbiter's memory.
    pub progress: Option<Value>,
}

/// The columns of a deployment that change later. None leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<DeploymentStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Value>,
}

impl DeploymentPatch {
    /// The deployment with these changes.
    pub fn apply(&self, to: &mut Deployment) {
        fn set<T: Clone>(to: &mut Option<T>, new: &Option<T>) {
            if new.is_some() {
                to.clone_from(new);
            }
        }
        set(&mut to.triggered_by, &self.triggered_by);
        set(&mut to.health_score, &self.health_score);
        set(&mut to.rollback_reason, &self.rollback_reason);
        set(&mut to.rolled_back_to, &self.rolled_back_to);
        set(&mut to.verdict, &self.verdict);
        set(&mut to.verdict_reason, &self.verdict_reason);
        set(&mut to.verdict_at, &self.verdict_at);
        set(&mut to.fault_at, &self.fault_at);
        set(&mut to.mode, &self.mode);
        set(&mut to.baseline, &self.baseline);
        set(&mut to.figures, &self.figures);
        set(&mut to.progress, &self.progress);
        to.started_at = self.started_at.unwrap_or(to.started_at);
        to.status = self.status.unwrap_or(to.status);
        to.error_count = self.error_count.unwrap_or(to.error_count);
    }
}

/// One process of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentProcess {
    pub deployment: String,
    /// New at each start.
    pub process: String,
    pub replica: String,
    pub started_at: Timestamp,
    /// When it first accepted runs.
    pub ready_at: Option<Timestamp>,
    /// When it said goodbye.
    pub left_at: Option<Timestamp>,
    /// Its figures since its start, and its health.
    pub report: Option<Value>,
    /// How long it has not reported, by the store's clock. Only in answers.
    #[serde(default, skip_serializing)]
    pub silent_seconds: f64,
}

/// The service and environment that deployments follow one another in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentScope {
    pub environment: String,
    pub service: String,
}

/// One run, for the comparison of modes and of a flag's two sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSample {
    pub id: String,
    pub status: String,
    /// The storage mode of its last stage.
    pub mode: Option<String>,
    pub started_at: Option<Timestamp>,
    pub seconds: Option<f64>,
    /// Whether row and files are known to be equal: compared, or written together with nothing missing.
    pub is_equal: bool,
    pub error_code: Option<String>,
}

/// The newest runs, and what tells the two sides of a flag apart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSamples {
    pub runs: Vec<RunSample>,
    /// When each flag of the database was changed last.
    pub flag_changes: BTreeMap<String, Timestamp>,
}

/// The deployments in the database.
#[async_trait]
pub trait Deployments: Send + Sync + std::fmt::Debug {
    /// Records a deployment unless it is there, and brings one process of it up to date. The first process that is ready
    /// ends the deployments before it.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn report(&self, deployment: &Deployment, process: &DeploymentProcess) -> Result<(), StorageError>;

    /// Lists deployments, the newest first.
    ///
    /// # Errors
    ///
    /// As [`Deployments::report`].
    async fn list(&self, scope: &DeploymentScope, limit: usize) -> Result<Vec<Deployment>, StorageError>;

    /// Lists the processes of a deployment, 1,000 at most.
    ///
    /// # Errors
    ///
    /// As [`Deployments::report`].
    async fn processes(&self, deployment: &str) -> Result<Vec<DeploymentProcess>, StorageError>;

    /// Takes or renews the right to judge a deployment. None if another replica has it, if the verdict is there, or if
    /// somebody has taken the deployment back.
    ///
    /// # Errors
    ///
    /// As [`Deployments::report`].
    async fn hold(
        &self,
        deployment: &str,
        arbiter: &str,
        seconds: u32,
    ) -> Result<Option<Deployment>, StorageError>;

    /// Changes columns and stores the audit record with them. With `undecided_only` nothing happens after a verdict or a
    /// rollback. Returns whether something has changed.
    ///
    /// # Errors
    ///
    /// As [`Deployments::report`].
    async fn patch(
        &self,
        deployment: &str,
        patch: &DeploymentPatch,
        undecided_only: bool,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError>;

    /// The newest runs of the last day, at most `limit`.
    ///
    /// # Errors
    ///
    /// As [`Deployments::report`].
    async fn run_samples(&self, limit: usize) -> Result<RunSamples, StorageError>;
}
