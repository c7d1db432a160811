//! `GET /ofrep/v1/events`: tells clients of the protocol that flags have changed, so that they ask again (its ADR 8).

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    flags::Effective,
    http::{
        codes,
        error::Problem,
        event_stream::{KEEP_ALIVE, KEEP_ALIVE_TEXT, Pieces, come_again, streaming, too_many},
        operation::Operation,
        state::HttpState,
        streams::{Admitted, Client},
    },
};

/// The address that evaluations of all flags name.
pub(in crate::http) const PATH: &str = "/ofrep/v1/events";

/// A client may ask another replica, which learns of a change by its next poll at the latest, after two seconds. So each change
/// is told again after them. A client that has the new flags gets 304.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// Seconds after which a client that nobody looks at closes its stream, by the protocol's own example.
pub(super) const INACTIVITY_SECONDS: u32 = 120;

/// The data of an event.
#[derive(Debug, Serialize, JsonSchema)]
struct FlagsChanged {
    /// The client asks for all flags again.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "refetchEvaluation"))]
    kind: &'static str,
}

pub(in crate::http) fn describe() -> Operation {
    Operation::new("Flags", "followFlags", "Follow changes of flags (OFREP 0.3.0, Server-Sent Events)")
        .text("Each event says that flags may have changed, and that the client must evaluate them again. It comes twice: at once, and when every replica has the change. The id is the number of changes that this replica has seen. The service sends a comment every 15 seconds.")
        .empty(StatusCode::OK, "the events; the schema is that of one event's data")
        .form::<FlagsChanged>("text/event-stream")
        .problems(&[codes::TOO_MANY_STREAMS])
}

/// `GET /ofrep/v1/events`
pub(in crate::http) async fn follow(
    State(state): State<HttpState>,
    request: Request,
) -> Result<Response, Problem> {
    if state.streams.ending().is_cancelled() {
        return Ok(streaming(Body::from(come_again())));
    }
    let admitted = state.streams.admit(Client::of(&request, &state.access)).ok_or_else(too_many)?;
    let stream = Stream {
        changes: state.flags.source.changes(),
        again: None,
        ending: state.streams.ending().clone(),
        _admitted: admitted,
    };
    Ok(streaming(stream.into_body(come_again())))
}

/// One client's stream.
#[derive(Debug)]
struct Stream {
    changes: watch::Receiver<Arc<Effective>>,
    /// Ends when the last change is told again.
    again: Option<Pin<Box<Sleep>>>,
    ending: CancellationToken,
    _admitted: Admitted,
}

impl Pieces for Stream {
    async fn next(&mut self) -> Option<String> {
        let wait = &mut self.again;
        let again = async move {
            match wait {
                Some(wait) => wait.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.ending.cancelled() => None,
            changed = self.changes.changed() => {
                changed.ok()?;
                self.again = Some(Box::pin(sleep(AGAIN_AFTER)));
                Some(self.event())
            }
            () = again => {
                self.again = None;
                Some(self.event())
            }
            () = sleep(KEEP_ALIVE) => Some(KEEP_ALIVE_TEXT.to_owned()),
        }
    }
}

impl Stream {
    fn event(&mut self) -> String {
        let revision = self.changes.borrow_and_update().revision;
        // A struct of one text can always be written.
        let data = serde_json::to_string(&FlagsChanged { kind: "refetchEvaluation" }).unwrap_or_default();
        format!("id: {revision}\ndata: {data}\n\n")
    }
}
