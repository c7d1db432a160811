//! What the documentation says of the operations on runs.

use axum::http::StatusCode;

use super::{bodies, list::Query, submission::RunRequest};
use crate::http::{codes, operation::Operation};

const STATUS_URL: &str = "status_url says where to follow it";

fn on_runs(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Runs", id, summary)
}

pub(in crate::http) fn submit() -> Operation {
    on_runs("submitRun", "Begin a run")
        .text("The same `run_id` with the same request, however often, is one run, and gets the same answer. The document is fetched later: what is wrong with it is the run's error.")
        .body::<RunRequest>()
        .json::<bodies::Accepted>(StatusCode::ACCEPTED, STATUS_URL)
        .problems(&[
            codes::MALFORMED_JSON,
            codes::BROKEN_BODY,
            codes::FORBIDDEN_URL,
            codes::BRAND_NOT_FOUND,
            codes::BODY_TIMEOUT,
            codes::RUN_CONFLICT,
            codes::RUN_ID_DELETED,
            codes::BODY_TOO_LARGE,
            codes::UNSUPPORTED_MEDIA_TYPE,
            codes::INVALID_FIELDS,
            codes::PERSISTENCE_DISABLED,
            codes::DRAINING,
            codes::QUEUE_FULL,
            codes::STORAGE_UNAVAILABLE,
        ])
}

/// A question about one run.
fn about_one(operation: Operation) -> Operation {
    operation.problems(&[codes::RUN_NOT_FOUND, codes::RUN_DELETED, codes::STORAGE_UNAVAILABLE])
}

pub(in crate::http) fn status(id: &'static str) -> Operation {
    about_one(
        on_runs(id, "How far a run is, and the outputs of its stages")
            .json::<bodies::Status>(StatusCode::OK, "the run as it stands"),
    )
}

pub(in crate::http) fn detail() -> Operation {
    about_one(
        on_runs("getRun", "All there is to a run: its status, figures and report")
            .json::<bodies::Detail>(StatusCode::OK, "the run as it stands"),
    )
}

pub(in crate::http) fn list() -> Operation {
    on_runs("listRuns", "The runs, newest first")
        .text("Status words here are the database's, in the filter and in the answer.")
        .query::<Query>()
        .json::<bodies::Runs>(StatusCode::OK, "a page of the list")
        .problems(&[codes::INVALID_FIELDS, codes::STORAGE_UNAVAILABLE])
}

pub(in crate::http) fn report() -> Operation {
    about_one(
        on_runs("getReport", "A run's report, in the form that Accept asks for")
            .empty(StatusCode::OK, "the report")
            .form::<String>("text/markdown; charset=utf-8")
            .form::<String>("text/html; charset=utf-8")
            .header("Vary", "The form depends on Accept."),
    )
    .problems(&[
        codes::REPORT_PENDING,
        codes::REPORT_RUN_FAILED,
        codes::REPORT_RUN_CANCELLED,
        codes::REPORT_MISSING,
        codes::NOT_ACCEPTABLE,
    ])
}

pub(in crate::http) fn retry() -> Operation {
    about_one(
        on_runs("retryRun", "Work on a failed or cancelled run again")
            .text("What is stored stays: it goes on at the first stage that is missing.")
            .json::<bodies::AcceptedAgain>(StatusCode::ACCEPTED, STATUS_URL),
    )
    .problems(&[codes::RUN_RUNNING, codes::RUN_COMPLETE, codes::RUN_NOT_ACCEPTED])
}

pub(in crate::http) fn cancel() -> Operation {
    about_one(
        on_runs("cancelRun", "Stop a run")
            .json::<bodies::Cancelled>(StatusCode::OK, "it is stopped, perhaps since earlier"),
    )
    .problems(&[codes::RUN_RUNNING, codes::RUN_COMPLETE, codes::RUN_FAILED])
}

pub(in crate::http) fn delete() -> Operation {
    on_runs("deleteRun", "Delete a run, its rows and its files")
        .empty(StatusCode::NO_CONTENT, "it is deleted, perhaps since earlier")
        .problems(&[codes::RUN_NOT_FOUND, codes::RUN_RUNNING, codes::STORAGE_UNAVAILABLE])
}
