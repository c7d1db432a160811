//! A collector of traces, over real HTTP. It decodes what it receives, and refuses what the protocol forbids.
//!
//! Source: the OTLP specification, version 1 (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>): `POST /v1/traces` with
//! `application/x-protobuf` and an `ExportTraceServiceRequest`; 200 with an `ExportTraceServiceResponse`; 400 for data that cannot be
//! processed, which a client must not send again; 503 while the collector is overloaded. The message's own comments say that a
//! trace id has 16 bytes and a span id 8, not all of them zero.

// Each binary uses its own part of it.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, any_value::Value},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    server_thread::ServerThread,
    wait::{eventually, wanted},
};

/// How the collector answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    Overloaded,
    /// Takes a request, and never answers.
    Hangs,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    requests: Vec<ExportTraceServiceRequest>,
    /// Everything that was received, heads included.
    raw: Vec<u8>,
    heads: Vec<String>,
    refused: Vec<String>,
}

/// A running collector. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Collector {
    state: Arc<Mutex<State>>,
    server: ServerThread,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let state = State {
            mood: Mood::Takes,
            requests: Vec::new(),
            raw: Vec::new(),
            heads: Vec::new(),
            refused: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let server = ServerThread::start(move |listener| accept(listener, shared));
        Self { state, server }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// All spans that were taken.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let state = self.state.lock().unwrap();
        assert!(state.refused.is_empty(), "the collector refused: {:?}", state.refused);
        let scopes = state.requests.iter().flat_map(|request| &request.resource_spans);
        scopes.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The attributes of the first resource.
    pub(crate) fn resource(&self, name: &str) -> Option<String> {
        let state = self.state.lock().unwrap();
        let resource = state.requests.first()?.resource_spans.first()?.resource.clone()?;
        resource.attributes.into_iter().find(|one| one.key == name).map(|one| text(one.value.as_ref()))
    }

    /// How often a text stands in what was received.
    pub(crate) fn contains(&self, text: &str) -> bool {
        let state = self.state.lock().unwrap();
        state.raw.windows(text.len()).any(|window| window == text.as_bytes())
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.lock().unwrap().heads.clone()
    }

    /// Waits until the spans are as wanted.
    pub(crate) async fn spans_when(&self, is_wanted: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        eventually("the spans", async || {
            let named = |spans: &[Span]| spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
            wanted(self.spans(), |spans| is_wanted(spans)).map_err(|spans| named(&spans))
        })
        .await
    }
}

/// An attribute of a span, as text.
pub(crate) fn attribute(span: &Span, name: &str) -> Option<String> {
    span.attributes.iter().find(|one| one.key == name).map(|one| text(one.value.as_ref()))
}

/// Whether a span ended in an error.
pub(crate) fn is_failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::ArrayValue(array)) => {
            array.values.iter().map(|value| text(Some(value))).collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    }
}

async fn accept(listener: std::net::TcpListener, state: Arc<Mutex<State>>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move { answer(stream, &state).await });
    }
}

async fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = read(&mut stream, &mut buffer).await {
        let mood = state.lock().unwrap().mood;
        let status = match mood {
            Mood::Hangs => return std::future::pending().await,
            Mood::Overloaded => 503,
            Mood::Takes => take(&mut state.lock().unwrap(), head, &body),
        };
        let body =
            if status == 200 { ExportTraceServiceResponse::default().encode_to_vec() } else { Vec::new() };
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let sent = [answer.as_bytes(), &body].concat();
        if stream.write_all(&sent).await.is_err() {
            return;
        }
    }
}

fn take(state: &mut State, head: String, body: &[u8]) -> u16 {
    state.raw.extend(head.as_bytes());
    state.raw.extend(body);
    let first = head.lines().next().unwrap_or_default().to_owned();
    let is_protobuf = head.to_lowercase().contains("content-type: application/x-protobuf");
    state.heads.push(head);
    if !first.starts_with("POST /v1/traces HTTP/1.1") {
        state.refused.push(first);
        return 404;
    }
    let request = match ExportTraceServiceRequest::decode(body) {
        Ok(request) if is_protobuf => request,
        other => {
            state.refused.push(format!("no protobuf: {other:?}"));
            return 400;
        }
    };
    let spans = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    for span in spans.flat_map(|scope| &scope.spans) {
        let is_id = |id: &[u8], bytes: usize| id.len() == bytes && id.iter().any(|byte| *byte != 0);
        if !is_id(&span.trace_id, 16)
            || !is_id(&span.span_id, 8)
            || !(span.parent_span_id.is_empty() || is_id(&span.parent_span_id, 8))
            || span.name.is_empty()
            || span.end_time_unix_nano < span.start_time_unix_nano
        {
            state.refused.push(format!("an invalid span: {span:?}"));
            return 400;
        }
    }
    state.requests.push(request);
    200
}

/// A request's head and body, when both are there.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let lower = head.to_lowercase();
            let length = lower.split_once("content-length: ").map_or("0", |(_, rest)| rest);
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if buffer.len() >= end + 4 + length {
                let body = buffer.drain(..end + 4 + length).skip(end + 4).collect();
                return Some((head, body));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
