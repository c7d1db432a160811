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
            codes::INCOMPLETE_BODY,
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

/// The query of the stream of events.
#[derive(Debug, schemars::JsonSchema)]
#[schemars(rename = "EventsQuery")]
#[allow(dead_code, reason = "it only describes")]
struct EventsQuery {
    /// The id of the last event that was seen, such as `1.3`, where the header `Last-Event-ID` cannot be sent. The header goes over it.
    last_event_id: Option<String>,
}

pub(in crate::http) fn events() -> Operation {
    on_runs("followRun", "Follow a run: every change of its state, as it happens (Server-Sent Events)")
        .text("Events are `accepted` (id `g.1`, g being the run's generation), `stage` (`g.2` to `g.5`: that stage is stored) and `end` (`g.6`: complete, failed or cancelled), each with a `RunEvent` as its data. What happened before comes first; after `Last-Event-ID` only what came later, on any replica. The stream ends after `end`, and whoever comes again with its id gets 204. A retry begins a new generation, which is told whole. `unavailable` (without an id) says that nobody who knows the run can be asked now, `deleted` that it is gone; both end the stream. A comment comes every 15 seconds.")
        .query::<EventsQuery>()
        .empty(StatusCode::OK, "the events; the schema is that of one event's data")
        .form::<bodies::RunEventBody>("text/event-stream")
        .empty(StatusCode::NO_CONTENT, "the run has ended, and the end has been seen: there is nothing to come again for")
        .problems(&[
            codes::INVALID_LAST_EVENT_ID,
            codes::RUN_NOT_FOUND,
            codes::RUN_DELETED,
            codes::TOO_MANY_STREAMS,
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
