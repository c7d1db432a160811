//! The bodies of `/api/admin/operations`, and the descriptions of its routes.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use storage::control_plane::{BULK_RUNS_MAX, BulkAction};

use crate::{
    http::{
        body, codes,
        operation::Operation,
        reason::{ChangeReason, REASON_MAX},
    },
    runs::bulk::{OperationView, PreviewView},
};

/// The runs of an operation. At least one field is required, and all that are given have to hold.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "BulkFilter")]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
struct Filter {
    /// A brand's id.
    company_id: Option<String>,
    /// `PROCESSING`, `COMPLETED`, `FAILED` or `CANCELLED`.
    status: Option<String>,
    /// A run error code. Without one, a retry leaves out runs that would fail again.
    error_code: Option<String>,
    /// The model that answered for one of the stages.
    model: Option<String>,
    principal: Option<String>,
    /// Created then or later.
    created_from: Option<String>,
    /// Created earlier.
    created_before: Option<String>,
    /// Ended then or later.
    ended_from: Option<String>,
}

/// An action and its filter.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand")]
struct PreviewRequest {
    action: BulkAction,
    filter: Filter,
}

/// The order of an operation.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand")]
struct OperationRequest {
    action: BulkAction,
    filter: Filter,
    /// `count` of the preview. 409 if the number of runs differs by more than a tenth.
    #[schemars(range(min = 1, max = BULK_RUNS_MAX))]
    expected: usize,
    /// `as_of` of the preview. Runs that were created later never join.
    #[schemars(extend("format" = "date-time"))]
    as_of: String,
    /// `operation_id` of the preview. A repeated order with the same id starts nothing new.
    operation_id: Option<String>,
    /// Why. It stands in the audit record of each run.
    #[schemars(length(min = 1, max = REASON_MAX), regex(pattern = r"\S"))]
    reason: String,
}

/// The newest operations.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OperationList {
    pub(super) operations: Vec<OperationView>,
}

pub(in crate::http) fn describe_preview() -> Operation {
    Operation::new("Operations", "previewOperation", "Count the runs that a bulk operation would change")
        .text("Changes nothing. A filter that names nothing is refused.")
        .body::<PreviewRequest>()
        .json::<PreviewView>(StatusCode::OK, "the count, and what retries would cost")
        .problems(body::PROBLEMS)
        .problems(&[codes::OPERATIONS_UNAVAILABLE])
}

pub(in crate::http) fn describe_start() -> Operation {
    Operation::new("Operations", "startOperation", "Retry, cancel or delete all runs of a filter")
        .text(
            "The runs are chosen once, now, among those created up to the preview. One replica changes them one by one, \
             each with its own audit record; after a crash another one goes on.",
        )
        .body::<OperationRequest>()
        .json::<OperationView>(StatusCode::ACCEPTED, "the operation")
        .problems(body::PROBLEMS)
        .problems(&[
            codes::OPERATION_CHANGED,
            codes::OPERATION_CONFLICT,
            codes::TOO_MANY_OPERATIONS,
            codes::OPERATIONS_UNAVAILABLE,
        ])
}

pub(in crate::http) fn describe_list() -> Operation {
    Operation::new("Operations", "listOperations", "The newest bulk operations")
        .json::<OperationList>(StatusCode::OK, "the operations, the newest first")
        .problems(&[codes::OPERATIONS_UNAVAILABLE])
}

pub(in crate::http) fn describe_one() -> Operation {
    Operation::new("Operations", "getOperation", "A bulk operation and its progress")
        .json::<OperationView>(StatusCode::OK, "the operation")
        .problems(&[codes::OPERATION_NOT_FOUND, codes::OPERATIONS_UNAVAILABLE])
}

pub(in crate::http) fn describe_cancel() -> Operation {
    Operation::new("Operations", "cancelOperation", "Stop a bulk operation")
        .text("Runs that are changed already stay so. Repetitions get the same answer.")
        .optional_body::<ChangeReason>()
        .json::<OperationView>(StatusCode::OK, "the operation")
        .problems(body::PROBLEMS)
        .problems(&[codes::OPERATION_NOT_FOUND, codes::OPERATION_ENDED, codes::OPERATIONS_UNAVAILABLE])
}
