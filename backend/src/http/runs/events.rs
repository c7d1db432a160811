//! A run's events as a stream (Server-Sent Events, as browsers' `EventSource` reads them).
//!
//! `EventSource` comes again by itself, with the id of the last event, when a stream ends, and gives up for good at any
//! other status than 200. So what passes (storage that cannot be asked, a replica that stops) is an answer of 200 that ends
//! at once, and what is over is 204.

use std::{convert::Infallible, fmt::Write as _, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use pipeline::run::{RunId, RunStatus, Stage};
use tokio_util::sync::CancellationToken;

use super::{
    NO_STORE,
    bodies::{RunEventBody, StagesDone, StoredStageBody, Time, Word},
    parse, view,
};
use crate::{
    http::{
        HttpState, codes,
        error::Problem,
        streams::{Admitted, Client},
    },
    runs::{EventId, EventKind, Progress, QueryError, RunEvent, RunWatch, Update},
};
use foundation::backoff::jitter;

/// Between two signs of life where nothing happens: proxies cut what says nothing for a minute, and a caller that has gone
/// is noticed by it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a client waits before it comes again: half of it at least, all of it at most, so that those of a replica that
/// stops do not come all at once.
const COME_AGAIN_MAX: Duration = Duration::from_secs(4);

/// When to come again while too many streams are open: a run takes minutes.
const RETRY_STREAMS: Duration = Duration::from_secs(10);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The name of the query's parameter that stands for the header.
const LAST_EVENT_ID_QUERY: &str = "last_event_id";

/// nginx, and what speaks like it, would keep events until there are enough of them.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// Follows a run: what has happened after the last event that the caller has seen, and then what happens.
pub(in crate::http) async fn follow(
    State(state): State<HttpState>,
    run_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let run_id = parse(run_id)?;
    let last = last_event_id(request.headers(), request.uri().query().unwrap_or_default())?;
    if state.streams.ending().is_cancelled() {
        return Ok(streaming(Body::from(come_again())));
    }
    let Some(admitted) = state.streams.admit(Client::of(&request, &state)) else {
        let detail = "as many streams of events are open as may be (MAX_EVENT_STREAMS_PER_CLIENT); close one, or come again";
        return Err(Problem::unavailable(codes::TOO_MANY_STREAMS, detail, RETRY_STREAMS));
    };
    let (progress, follower) = match state.watchers.follow(&run_id).await {
        Ok(followed) => followed,
        Err(QueryError::Unavailable(error)) => {
            tracing::warn!(event = "event_stream_query_failed", %error, "storage could not be asked about a run that is to be followed");
            return Ok(unavailable(&run_id));
        }
        Err(error) => return Err(error.into()),
    };
    if last.is_some_and(|last| last.generation > progress.generation) {
        // The files of this disk may be behind; the database is not.
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

/// The last event that the caller has seen. A browser that comes again sends the header; one that begins anew can only
/// write it into the address.
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
    let detail = "Last-Event-ID (or last_event_id) is no event of this run; send the id of the last event that came, or none";
    Problem::new(codes::INVALID_LAST_EVENT_ID, detail)
}

fn streaming(body: Body) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    (NO_STORE, [content_type, UNBUFFERED], body).into_response()
}

/// Nobody who knows the run can be asked now: that, and come again.
fn unavailable(run_id: &RunId) -> Response {
    streaming(Body::from(come_again() + &without_id("unavailable", run_id)))
}

fn come_again() -> String {
    format!("retry: {}\n\n", COME_AGAIN_MAX.mul_f64(jitter()).as_millis())
}

/// What is said about the stream, not about the run: it is told again to whoever comes again.
fn without_id(name: &str, run_id: &RunId) -> String {
    // A run's id needs no escaping.
    format!("event: {name}\ndata: {{\"run_id\":\"{run_id}\"}}\n\n")
}

/// One caller's stream.
#[derive(Debug)]
struct Stream {
    run_id: RunId,
    /// The last event that was sent.
    last: Option<EventId>,
    follower: RunWatch,
    ending: CancellationToken,
    /// Nothing comes any more.
    is_over: bool,
    _admitted: Admitted,
}

impl Stream {
    /// What there is to send of how a run stands, as text.
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

    /// The next piece of text; none at the end.
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
                () = &mut keep_alive => return Some(": keep-alive\n\n".to_owned()),
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

    /// Made piece by piece, as the caller takes them: nothing waits for one who does not.
    fn into_body(self, first: String) -> Body {
        let pieces = stream::unfold((self, Some(first)), |(mut stream, first)| async move {
            let text = match first {
                Some(first) => first,
                None => stream.next().await?,
            };
            Some((Ok::<_, Infallible>(Bytes::from(text)), (stream, None)))
        });
        Body::from_stream(pieces)
    }
}

fn encode(progress: &Progress, event: &RunEvent) -> String {
    let (name, body) = body(progress, event);
    let mut text = String::new();
    // JSON on one line has no line break; neither writing can fail.
    if let Ok(json) = serde_json::to_string(&body) {
        let _ = write!(text, "id: {}\nevent: {name}\ndata: {json}\n\n", event.id);
    }
    text
}

/// The event's name and what it says: as it was then, however far the run is by now.
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
    fn the_header_goes_over_the_query_and_neither_may_be_nonsense() {
        assert_eq!(last(None, ""), Ok(None));
        assert_eq!(last(Some(""), "last_event_id="), Ok(None));
        assert_eq!(last(None, "a=b&last_event_id=1.2"), Ok(Some("1.2".to_owned())));
        assert_eq!(last(Some("1.3"), "last_event_id=1.2"), Ok(Some("1.3".to_owned())));
        assert_eq!(last(Some("x"), "last_event_id=1.2"), Err("invalid_last_event_id"));
        assert_eq!(last(None, "last_event_id=1.9"), Err("invalid_last_event_id"));
    }
}
