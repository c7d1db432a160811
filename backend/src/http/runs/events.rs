//! A run's events as a stream (Server-Sent Events, for a browser's `EventSource`).
//!
//! When a stream ends, `EventSource` reconnects with the id of the last event. After any status but 200, it
//! gives up for good. So temporary problems (storage is down, the replica stops) get 200 with a stream that
//! ends at once. A finished run gets 204.

use std::fmt::Write as _;

use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, StatusCode},
    response::{IntoResponse as _, Response},
};
use pipeline::run::{RunId, RunStatus, Stage};
use tokio_util::sync::CancellationToken;

use super::{
    bodies::{RunEventBody, StagesDone, StoredStageBody, Time, Word},
    path::parse,
    view,
};
use crate::{
    access::{Caller, Scope},
    http::{
        cache_control::NO_STORE,
        codes,
        error::Problem,
        event_stream::{KEEP_ALIVE, KEEP_ALIVE_TEXT, Pieces, come_again, streaming, too_many},
        state::HttpState,
        streams::{Admitted, Client},
    },
    runs::{EventId, EventKind, Progress, QueryError, RunEvent, RunWatch, Update},
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The query parameter that replaces the header.
const LAST_EVENT_ID_QUERY: &str = "last_event_id";

/// Follows a run: sends the events after the last one that the client has seen, and then each new one.
pub(crate) async fn follow(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    run_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let run_id = parse(run_id)?;
    let last = last_event_id(request.headers(), request.uri().query().unwrap_or_default())?;
    if state.streams.ending().is_cancelled() {
        return Ok(streaming(Body::from(come_again())));
    }
    let Some(admitted) = state.streams.admit(Client::of(&request, &state.access)) else {
        return Err(too_many());
    };
    let (progress, follower) = match state.watchers.follow(&run_id, &Scope::from(&caller)).await {
        Ok(followed) => followed,
        Err(QueryError::Unavailable(error)) => {
            tracing::warn!(event = "event_stream_query_failed", %error, "storage could not read a run for an event stream");
            return Ok(unavailable(&run_id));
        }
        Err(error) => return Err(error.into()),
    };
    if last.is_some_and(|last| last.generation > progress.generation) {
        // The files of this disk may be out of date, but the database is not.
        return if progress.stored_in.database {
            Err(invalid_last_event_id())
        } else {
            Ok(unavailable(&run_id))
        };
    }
    let mut stream = Stream {
        run_id,
        last,
        follower,
        ending: state.streams.ending().clone(),
        is_over: false,
        _admitted: admitted,
    };
    let first = stream.take(&progress);
    if stream.is_over && first.is_empty() {
        return Ok((StatusCode::NO_CONTENT, NO_STORE).into_response());
    }
    Ok(streaming(stream.into_body(come_again() + &first)))
}

/// The last event that the client has seen. A reconnecting browser sends the header. A new one can only use
/// the query.
fn last_event_id(headers: &HeaderMap, query: &str) -> Result<Option<EventId>, Problem> {
    let in_query = || {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == LAST_EVENT_ID_QUERY).map(|(_, value)| value.into_owned())
    };
    let given = match headers.get(LAST_EVENT_ID) {
        Some(value) => Some(value.to_str().map_err(|_| invalid_last_event_id())?.to_owned()),
        None => in_query(),
    };
    match given {
        Some(text) if !text.is_empty() => text.parse().map(Some).map_err(|_| invalid_last_event_id()),
        _ => Ok(None),
    }
}

fn invalid_last_event_id() -> Problem {
    let detail = "Last-Event-ID (or last_event_id) is not an event of this run; send the id of the last received event, or none";
    Problem::new(codes::INVALID_LAST_EVENT_ID, detail)
}

/// No store can show the run now: tells the client to reconnect.
fn unavailable(run_id: &RunId) -> Response {
    streaming(Body::from(come_again() + &without_id("unavailable", run_id)))
}

/// An event about the stream and not about the run. A reconnecting client gets it again.
fn without_id(name: &str, run_id: &RunId) -> String {
    // A run's id needs no escaping.
    format!("event: {name}\ndata: {{\"run_id\":\"{run_id}\"}}\n\n")
}

/// One client's stream.
#[derive(Debug)]
struct Stream {
    run_id: RunId,
    /// The last event that was sent.
    last: Option<EventId>,
    follower: RunWatch,
    ending: CancellationToken,
    /// The stream sends nothing more.
    is_over: bool,
    _admitted: Admitted,
}

impl Pieces for Stream {
    async fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        let keep_alive = tokio::time::sleep(KEEP_ALIVE);
        tokio::pin!(keep_alive);
        loop {
            let seen = tokio::select! {
                biased;
                () = self.ending.cancelled() => return None,
                seen = self.follower.changed() => seen,
                () = &mut keep_alive => return Some(KEEP_ALIVE_TEXT.to_owned()),
            };
            let text = match seen {
                Update::Run(progress) => self.take(&progress),
                Update::Unavailable => {
                    self.is_over = true;
                    without_id("unavailable", &self.run_id)
                }
                Update::Gone => {
                    self.is_over = true;
                    without_id("deleted", &self.run_id)
                }
                Update::Nothing => String::new(),
            };
            if !text.is_empty() || self.is_over {
                return Some(text);
            }
        }
    }
}

impl Stream {
    /// The events to send for a run's progress, as text.
    fn take(&mut self, progress: &Progress) -> String {
        let mut text = String::new();
        for event in progress.events_after(self.last) {
            self.last = Some(event.id);
            text.push_str(&encode(progress, &event));
        }
        self.is_over =
            progress.has_ended() && self.last.is_some_and(|last| last.generation == progress.generation);
        text
    }
}

fn encode(progress: &Progress, event: &RunEvent) -> String {
    let (name, body) = body(progress, event);
    let mut text = String::new();
    // JSON on one line has no line break. Neither write can fail.
    if let Ok(json) = serde_json::to_string(&body) {
        let _ = write!(text, "id: {}\nevent: {name}\ndata: {json}\n\n", event.id);
    }
    text
}

/// The event's name and body. The body shows the state at the time of the event, however far the run is now.
fn body(progress: &Progress, event: &RunEvent) -> (&'static str, RunEventBody) {
    let total = Stage::ALL.len();
    let said = |status: RunStatus, complete: usize| RunEventBody {
        run_id: progress.run_id.clone(),
        generation: progress.generation,
        status: Word::from(status),
        current_stage: Stage::ALL.get(complete).copied().unwrap_or(Stage::BrandContextualization),
        progress: StagesDone { complete, total },
        stage: None,
        accepted_at: progress.accepted_at.map(Time),
        completed_at: None,
        run_status: status,
        error: None,
    };
    match &event.kind {
        EventKind::Accepted => ("accepted", said(RunStatus::Processing, 0)),
        EventKind::Stage(stored) => {
            let stage = StoredStageBody {
                number: stored.stage,
                name: stored.stage.title(),
                status: super::bodies::StageWord::Complete,
                started_at: Time(stored.started_at),
                completed_at: Time(stored.completed_at),
            };
            let complete = usize::from(stored.stage.number());
            ("stage", RunEventBody { stage: Some(stage), ..said(RunStatus::Processing, complete) })
        }
        EventKind::Ended => {
            let ended = RunEventBody {
                completed_at: progress.finished_at.map(Time),
                error: view::why(progress.status, progress.failure.as_ref()),
                ..said(progress.status, progress.stages.len())
            };
            ("end", ended)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(header: Option<&str>, query: &str) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(LAST_EVENT_ID, header.parse().unwrap());
        }
        let last = last_event_id(&headers, query).map_err(|problem| problem.code)?;
        Ok(last.map(|id| id.to_string()))
    }

    #[test]
    fn the_header_overrides_the_query_and_both_validate() {
        assert_eq!(last(None, ""), Ok(None));
        assert_eq!(last(Some(""), "last_event_id="), Ok(None));
        assert_eq!(last(None, "a=b&last_event_id=1.2"), Ok(Some("1.2".to_owned())));
        assert_eq!(last(Some("1.3"), "last_event_id=1.2"), Ok(Some("1.3".to_owned())));
        assert_eq!(last(Some("x"), "last_event_id=1.2"), Err("invalid_last_event_id"));
        assert_eq!(last(None, "last_event_id=1.9"), Err("invalid_last_event_id"));
    }
}
