//! The descriptions of the operations on runs.

use axum::http::StatusCode;

use super::{batches::SubmittedBody, bodies, list::Query, submission::RunOrBatchRequest};
use crate::http::{
    body, codes,
    operation::Operation,
    reason::{ChangeReason, ReasonQuery},
};

const STATUS_URL: &str = "status_url shows how far the run is";

fn on_runs(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Runs", id, summary)
}

pub(in crate::http) fn submit() -> Operation {
    on_runs("submitRun", "Submit a run, or with `brands` a batch of runs")
        .text("Every repetition of the same request with the same `run_id` gets the same answer and starts no second run. The service downloads the document later, so a problem with it becomes the run's error. A batch has a run for each of its brands, and all are accepted or none.")
        .body::<RunOrBatchRequest>()
        .json::<SubmittedBody>(StatusCode::ACCEPTED, STATUS_URL)
        .problems(&[
            codes::MALFORMED_JSON,
            codes::INCOMPLETE_BODY,
            codes::INSUFFICIENT_ROLE,
            codes::FORBIDDEN_URL,
            codes::BRAND_NOT_FOUND,
            codes::BODY_TIMEOUT,
            codes::RUN_CONFLICT,
            codes::BATCH_CONFLICT,
            codes::RUN_ID_DELETED,
            codes::BODY_TOO_LARGE,
            codes::UNSUPPORTED_MEDIA_TYPE,
            codes::INVALID_FIELDS,
            codes::PERSISTENCE_DISABLED,
            codes::DRAINING,
            codes::ACCEPTANCE_PAUSED,
            codes::QUEUE_FULL,
            codes::QUOTA_EXCEEDED,
            codes::NOT_ALONE, codes::STORAGE_UNAVAILABLE,
        ])
}

/// An operation on one run.
fn about_one(operation: Operation) -> Operation {
    operation.problems(&[
        codes::RUN_NOT_FOUND,
        codes::RUN_DELETED,
        codes::NOT_ALONE,
        codes::STORAGE_UNAVAILABLE,
    ])
}

pub(in crate::http) fn status(id: &'static str) -> Operation {
    about_one(
        on_runs(id, "How far a run is, and the outputs of its stages")
            .json::<bodies::Status>(StatusCode::OK, "the run's current state"),
    )
}

pub(in crate::http) fn detail() -> Operation {
    about_one(
        on_runs("getRun", "Everything about a run: its status, figures and report")
            .json::<bodies::Detail>(StatusCode::OK, "the run's current state"),
    )
}

pub(in crate::http) fn list() -> Operation {
    on_runs("listRuns", "The runs, newest first")
        .text("The filter and the answer use the status words of the database.")
        .query::<Query>()
        .json::<bodies::Runs>(StatusCode::OK, "a page of the list")
        .problems(&[codes::INVALID_FIELDS, codes::STORAGE_UNAVAILABLE])
}

pub(in crate::http) fn report() -> Operation {
    about_one(
        on_runs("getReport", "A run's report, in the form that Accept requests")
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

const NOT_KEPT: &str = "The service keeps documents for `DOCUMENT_RETENTION_DAYS` after the end of the run, by default not at all. With a disk of its own, a replica shows the documents of the runs that it has executed.";

pub(in crate::http) fn document() -> Operation {
    about_one(
        on_runs("getDocument", "The document that the run has read, as long as it is kept")
            .text(NOT_KEPT)
            .empty(StatusCode::OK, "the document; a browser shows a PDF and saves everything else")
            .form::<String>("application/octet-stream")
            .header("Content-Disposition", "The document's name.")
            .header("ETag", "The document's digest.")
            .empty(StatusCode::NOT_MODIFIED, "the client has it (If-None-Match)"),
    )
    .problems(&[codes::DOCUMENT_NOT_KEPT, codes::DOCUMENTS_BUSY])
}

pub(in crate::http) fn page() -> Operation {
    about_one(
        on_runs("getPage", "A page of a PDF as a picture, as long as the document is kept")
            .text(NOT_KEPT)
            .empty(StatusCode::OK, "the picture, 1,240 pixels wide")
            .form::<String>("image/png")
            .header("ETag", "Names the document, the page and the renderer.")
            .empty(StatusCode::NOT_MODIFIED, "the client has it (If-None-Match)"),
    )
    .problems(&[
        codes::DOCUMENT_NOT_KEPT,
        codes::PAGE_NOT_FOUND,
        codes::PAGE_NOT_DRAWABLE,
        codes::DOCUMENTS_BUSY,
    ])
}

pub(in crate::http) fn evidence() -> Operation {
    about_one(
        on_runs("getEvidence", "A quote of the report on its page, as a page for a browser")
            .text("It shows the quote, the part of the page that holds it, and the whole page, with the quote's lines marked. Without the document it shows the quote and its page number. It needs no script and loads nothing.")
            .empty(StatusCode::OK, "the page")
            .form::<String>("text/html; charset=utf-8"),
    )
    .problems(&[codes::EVIDENCE_NOT_FOUND, codes::DOCUMENTS_BUSY])
}

/// The query of the stream of events.
#[derive(Debug, schemars::JsonSchema)]
#[schemars(rename = "EventsQuery")]
#[allow(dead_code, reason = "it only describes")]
struct EventsQuery {
    /// The id of the last seen event, such as `1.3`, for clients that cannot send the header `Last-Event-ID`. The header overrides it.
    last_event_id: Option<String>,
}

pub(in crate::http) fn events() -> Operation {
    on_runs("followRun", "Follow a run: a stream of its state changes (Server-Sent Events)")
        .text("The events are `accepted` (id `g.1` in generation g), `stage` (`g.2` to `g.5`: that stage is stored) and `end` (`g.6`: complete, failed or cancelled). The data of each is a `RunEvent`. The stream starts with all earlier events, or with those after `Last-Event-ID`, on any replica. It ends after `end`, and a client that returns with the id of `end` gets 204. A retry starts a new generation, and the stream repeats all of its events. `unavailable` (without an id) means that no store can show the run now. `deleted` means that the run is gone. Both end the stream. The service sends a comment every 15 seconds.")
        .query::<EventsQuery>()
        .empty(StatusCode::OK, "the events; the schema is that of one event's data")
        .form::<bodies::RunEventBody>("text/event-stream")
        .empty(StatusCode::NO_CONTENT, "the run has ended, and the client has seen its end: no more events follow")
        .problems(&[
            codes::INVALID_LAST_EVENT_ID,
            codes::RUN_NOT_FOUND,
            codes::RUN_DELETED,
            codes::TOO_MANY_STREAMS,
        ])
}

pub(in crate::http) fn retry() -> Operation {
    about_one(
        on_runs("retryRun", "Retry a failed or cancelled run")
            .text("Stored stages stay. The run continues at its first missing stage.")
            .optional_body::<ChangeReason>()
            .json::<bodies::AcceptedAgain>(StatusCode::ACCEPTED, STATUS_URL),
    )
    .problems(body::PROBLEMS)
    .problems(&[codes::QUOTA_EXCEEDED, codes::RUN_RUNNING, codes::RUN_COMPLETE, codes::RUN_NOT_ACCEPTED])
}

pub(in crate::http) fn cancel() -> Operation {
    about_one(
        on_runs("cancelRun", "Cancel a run")
            .optional_body::<ChangeReason>()
            .json::<bodies::Cancelled>(StatusCode::OK, "the run is cancelled, now or earlier"),
    )
    .problems(body::PROBLEMS)
    .problems(&[codes::RUN_RUNNING, codes::RUN_COMPLETE, codes::RUN_FAILED])
}

pub(in crate::http) fn delete() -> Operation {
    on_runs("deleteRun", "Delete a run, its rows and its files")
        .query::<ReasonQuery>()
        .empty(StatusCode::NO_CONTENT, "the run is deleted, now or earlier")
        .problems(&[
            codes::INVALID_FIELDS,
            codes::RUN_NOT_FOUND,
            codes::RUN_RUNNING,
            codes::NOT_ALONE,
            codes::STORAGE_UNAVAILABLE,
        ])
}
