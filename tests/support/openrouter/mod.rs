//! A test double of OpenRouter on 127.0.0.1: faithful to its wire format, and scripted to fail in every way that the
//! real one has.
//!
//! It speaks for the other side: [`rules`] refuse a request as the chosen provider would, and nothing in it knows our
//! stages' types. Without a script it answers with an instance of the schema that it received, with counts, lengths,
//! quotes and ids as the prompt states them. So whole runs, also those of the binary (`OPENROUTER_BASE_URL`), can be made
//! against it. It runs in a thread with a runtime of its own: tests may be blocking, or drive a paused clock.

// Each test binary uses its own part of it.
#![allow(dead_code)]
// `json!` borrows what reads better as an argument by value.
#![allow(clippy::needless_pass_by_value)]

mod answer;
mod answers;
mod author;
mod exchange;
pub(crate) mod h2;
mod http;
mod lists;
mod material;
mod noise;
mod options;
mod prompt;
mod prompt_cache;
mod reply;
pub(crate) mod rules;
mod serve;
mod stream;
mod usage;
mod words;

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::Value;
use tokio::sync::Semaphore;

use super::server_thread::ServerThread;

#[allow(unused_imports)]
pub(crate) use self::{
    noise::Noise,
    options::{Bound, Model, Options, UsageForm, Violates},
    reply::{Answered, Maker, Raw, Reply, Wrapping},
    rules::{Endpoint, Provider},
};

/// A completion request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) at: Instant,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// How it was replied to.
    pub(crate) reply: Reply,
    /// Whether it was refused by a rule: nobody was paid.
    pub(crate) is_refused: bool,
    stage: String,
}

impl Recorded {
    /// The stage, by the name of its schema, or by the schema that stands in its prompt.
    pub(crate) fn schema_name(&self) -> &str {
        &self.stage
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// A running double. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct FakeModel {
    state: Arc<State>,
    server: ServerThread,
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
    /// Whether each answer waits for [`FakeModel::let_through`].
    holds: AtomicBool,
    /// The answers that may go.
    gate: Semaphore,
    /// Prefixes that the provider has cached.
    cached: prompt_cache::Prefixes,
    /// Schemas that were read from prompts.
    schemas: prompt::Schemas,
    /// The answers that broke a bound, where each does so once.
    broken: Mutex<BTreeSet<String>>,
    connections: AtomicUsize,
    hung_up: AtomicUsize,
    bytes_sent: AtomicUsize,
}

impl FakeModel {
    pub(crate) fn start(options: Options) -> Self {
        let state = Arc::new(State {
            options,
            script: Mutex::default(),
            recorded: Mutex::default(),
            forgets: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            holds: AtomicBool::new(false),
            gate: Semaphore::new(0),
            cached: prompt_cache::Prefixes::default(),
            schemas: prompt::Schemas::default(),
            broken: Mutex::default(),
            connections: AtomicUsize::new(0),
            hung_up: AtomicUsize::new(0),
            bytes_sent: AtomicUsize::new(0),
        });
        let shared = state.clone();
        let server = ServerThread::start(move |listener| serve::accept(listener, shared));
        Self { state, server }
    }

    /// The value for `OPENROUTER_BASE_URL`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.server.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Appends replies to the script. When it is used up, valid answers follow.
    pub(crate) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.state.script).extend(replies);
    }

    /// Forgets what is left of the script: valid answers follow.
    pub(crate) fn clear_script(&self) {
        lock(&self.state.script).clear();
    }

    /// Holds each answer back from now on, until [`FakeModel::let_through`] lets it go.
    pub(crate) fn hold(&self) {
        self.state.holds.store(true, Ordering::SeqCst);
    }

    /// Lets so many answers go that are held, or will be.
    pub(crate) fn let_through(&self, answers: usize) {
        self.state.gate.add_permits(answers);
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

    /// Completion requests that no rule refused.
    pub(crate) fn paid(&self) -> usize {
        lock(&self.state.recorded).iter().filter(|request| !request.is_refused).count()
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of the stages' schemas, by which model calls are told apart.
pub(crate) const SCHEMAS: [&str; 4] =
    ["input_processing", "signal_amplification", "general_translation", "brand_contextualization"];

/// The list that the answer to each of them demands.
const LISTS: [&str; 4] = ["inspirations", "trends", "lessons", "opportunities"];

/// The stage whose list a schema demands.
fn stage_of(schema: &Value) -> &'static str {
    let stages = LISTS.iter().zip(SCHEMAS).find(|(list, _)| schema["properties"].get(*list).is_some());
    stages.map_or("", |(_, name)| name)
}

/// How often a model was asked for each stage.
pub(crate) fn calls(model: &FakeModel) -> [usize; 4] {
    SCHEMAS.map(|schema| model.calls_of(schema))
}
