//! Previews and operations as clients and commands show them.

use std::collections::BTreeMap;

use pipeline::{clock::Timestamp, record::millis};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use storage::control_plane::{BulkAction, BulkOperation, BulkOutcome, BulkProblem, BulkStatus};

use super::admin::Preview;

/// A bulk operation and its progress.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BulkOperation")]
pub struct OperationView {
    pub id: String,
    pub action: BulkAction,
    /// The fields that were given.
    pub filter: Value,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub as_of: Timestamp,
    pub status: BulkStatus,
    pub reason: String,
    /// The name of the key, or `command` for somebody at a shell of the service.
    pub actor: String,
    pub role: String,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub created_at: Timestamp,
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub finished_at: Option<Timestamp>,
    /// The replica that worked on it last.
    pub replica: Option<String>,
    pub progress: OperationProgress,
    /// The first hundred runs that were refused or failed.
    pub problems: Vec<BulkProblem>,
}

/// How far an operation is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OperationProgress {
    pub total: usize,
    pub done: usize,
    /// Runs that are in another state now.
    pub refused: usize,
    /// Runs for which a store failed again and again.
    pub failed: usize,
    /// Runs without an outcome. After a cancellation they stay as they are.
    pub left: usize,
    /// The refused and failed runs, by the error code of the single change.
    pub by_code: BTreeMap<String, usize>,
}

impl From<BulkOperation> for OperationView {
    fn from(operation: BulkOperation) -> Self {
        let progress = OperationProgress {
            total: operation.total,
            done: operation.count(BulkOutcome::Done),
            refused: operation.count(BulkOutcome::Refused),
            failed: operation.count(BulkOutcome::Failed),
            left: operation.left(),
            by_code: operation.by_code(),
        };
        Self {
            id: operation.id,
            action: operation.action,
            filter: serde_json::to_value(&operation.filter).unwrap_or_default(),
            as_of: operation.as_of,
            status: operation.status,
            reason: operation.reason,
            actor: operation.actor.name,
            role: operation.actor.role,
            created_at: operation.created_at,
            finished_at: operation.finished_at,
            replica: operation.replica,
            progress,
            problems: operation.problems,
        }
    }
}

/// The runs that an operation would change now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BulkPreview")]
pub struct PreviewView {
    pub action: BulkAction,
    /// The fields that were given.
    pub filter: Value,
    /// At most 10,000. One operation takes so many, the newest first.
    pub count: usize,
    /// False if more runs match.
    pub is_count_exact: bool,
    /// The count for people, such as `10,000+`.
    pub count_text: String,
    /// Failed runs of the filter that a retry leaves out, because they would fail again. Name their error code to retry them.
    pub not_retryable: usize,
    /// The stages that retries would ask for.
    pub missing_stages: usize,
    /// US dollars for those stages, by the mean of recent runs. Null if no run tells, or if the action is no retry.
    pub estimated_cost_usd: Option<f64>,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub as_of: Timestamp,
    pub operation_id: String,
}

impl From<Preview> for PreviewView {
    fn from(preview: Preview) -> Self {
        let Preview { action, filter, as_of, operation_id, found } = preview;
        Self {
            action,
            filter: serde_json::to_value(&filter).unwrap_or_default(),
            count: found.matching,
            is_count_exact: found.is_exact,
            count_text: if found.is_exact { found.matching.to_string() } else { "10,000+".to_owned() },
            not_retryable: found.not_retryable,
            missing_stages: found.missing_stages,
            estimated_cost_usd: found.cost_usd,
            as_of,
            operation_id,
        }
    }
}
