//! A stand-in for OpenRouter on 127.0.0.1: faithful to its wire format, and scripted to fail in every way that the
//! real one has.
//!
//! Without a script it answers every stage with a schema-valid answer made from the request's own prompt, so that
//! whole runs, also those of the binary (`OPENROUTER_BASE_URL`), can be made against it. It runs in a thread with
//! a runtime of its own: tests may be blocking, or drive a paused clock.

// Each test binary uses its own part of it.
#![allow(dead_code)]
// `json!` borrows what reads better as an argument by value.
#![allow(clippy::needless_pass_by_value)]

mod answers;
mod http;
mod serve;

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::oneshot;

/// How the stand-in replies to one completion request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A valid answer in some wrapping.
    Answer(Wrapping),
    /// This text, with `finish_reason: "stop"`.
    Content(String),
    /// A choice with this message and this finish reason.
    Choice { message: Value, finish_reason: Value },
    /// A response with this status, these headers and an error body (a text is sent as an HTML page).
    Status { status: u16, headers: Vec<(&'static str, String)>, body: Value },
    /// Any bytes with any content type, and a 200.
    Raw { content_type: &'static str, body: Vec<u8> },
    /// A 200 whose body is a top-level error; it costs as much as an answer.
    ErrorInside(Value),
    /// A 200 with an error inside the choice, beside partial content.
    ErrorInChoice(Value),
    /// A stream that breaks off with an error chunk after some content.
    ErrorMidStream(Value),
    /// A stream that ends, properly as HTTP goes, before its finish reason.
    StreamCut,
    /// A JSON body that ends too early, properly as HTTP goes.
    JsonCut,
    /// Half an answer, then a TCP reset.
    ResetMidBody,
    /// A TCP reset instead of any response.
    ResetBeforeHeaders,
    /// A whole answer with its finish reason, then the connection closes instead of the stream's end.
    LostAfterFinish,
    /// Nothing, until the client hangs up.
    HangBeforeHeaders,
    /// Half an answer, then nothing, until the client hangs up.
    HangMidBody,
    /// A piece of an answer (or a comment) at this interval, for ever.
    Drip { every: Duration, comments: bool },
    /// A body of this many bytes.
    Huge { bytes: usize },
}

/// What surrounds, or is wrong with, an otherwise valid answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    None,
    LeadingNewlines,
    CodeFence,
    AfterProse,
    /// The first quote stands nowhere in the document.
    MadeUpQuote,
    /// A field is missing.
    SchemaInvalid,
    /// The model's own JSON ends too early although it says `stop`.
    TruncatedContent,
}

/// How the stand-in behaves beyond its script.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Whether `stream: true` is honoured; some endpoints ignore it.
    pub(crate) streams: bool,
    /// Before each response.
    pub(crate) latency: Duration,
    pub(crate) cost_usd: f64,
    /// The only key that is let in; none lets everybody in.
    pub(crate) api_key: Option<String>,
    /// Models whose requests go to the next one in `models`.
    pub(crate) unavailable_models: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            streams: true,
            latency: Duration::ZERO,
            cost_usd: 0.01,
            api_key: None,
            unavailable_models: Vec::new(),
        }
    }
}

/// A completion request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) at: Instant,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// How it was replied to.
    pub(crate) reply: Reply,
}

impl Recorded {
    /// The stage, by the name of its schema.
    pub(crate) fn schema_name(&self) -> &str {
        self.body["response_format"]["json_schema"]["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// A running stand-in. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    options: Options,
    script: Mutex<VecDeque<Reply>>,
    recorded: Mutex<Vec<Recorded>>,
    /// Whether requests are kept at all.
    forgets: AtomicBool,
    /// Requests that are being answered.
    in_flight: AtomicUsize,
    /// Cacheable blocks seen, for `cached_tokens`.
    cached: Mutex<BTreeSet<String>>,
    connections: AtomicUsize,
    hung_up: AtomicUsize,
    bytes_sent: AtomicUsize,
}

impl StandIn {
    pub(crate) fn start(options: Options) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            options,
            script: Mutex::default(),
            recorded: Mutex::default(),
            forgets: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            cached: Mutex::default(),
            connections: AtomicUsize::new(0),
            hung_up: AtomicUsize::new(0),
            bytes_sent: AtomicUsize::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve::accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// What `OPENROUTER_BASE_URL` is set to.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Appends replies to the script. When it is used up, valid answers follow.
    pub(crate) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.state.script).extend(replies);
    }

    /// Forgets what is left of the script: valid answers follow.
    pub(crate) fn clear_script(&self) {
        lock(&self.state.script).clear();
    }

    /// Keeps no requests from now on: a measurement makes too many.
    pub(crate) fn forget(&self) {
        self.state.forgets.store(true, Ordering::SeqCst);
    }

    /// Completion requests that are being answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.state.in_flight.load(Ordering::SeqCst)
    }

    /// The completion requests so far, in order.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        lock(&self.state.recorded).clone()
    }

    /// Completion requests so far.
    pub(crate) fn calls(&self) -> usize {
        lock(&self.state.recorded).len()
    }

    /// Completion requests so far for the stage with this schema name.
    pub(crate) fn calls_of(&self, schema_name: &str) -> usize {
        lock(&self.state.recorded).iter().filter(|request| request.schema_name() == schema_name).count()
    }

    /// Connections that were opened.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Responses during which the client hung up.
    pub(crate) fn hung_up(&self) -> usize {
        self.state.hung_up.load(Ordering::SeqCst)
    }

    /// Bytes of huge bodies that the client took.
    pub(crate) fn bytes_sent(&self) -> usize {
        self.state.bytes_sent.load(Ordering::SeqCst)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of the stages' schemas, by which model calls are told apart.
pub(crate) const SCHEMAS: [&str; 4] =
    ["input_processing", "signal_amplification", "general_translation", "brand_contextualization"];

/// How often a model was asked for each stage.
pub(crate) fn calls(model: &StandIn) -> [usize; 4] {
    SCHEMAS.map(|schema| model.calls_of(schema))
}
