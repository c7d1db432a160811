//! Every fault that a client must survive, against the model double: the sentence for the user, and the number of
//! requests. The faults are those of real endpoints; each test is named after one.

mod binary;
mod cases;
mod connections;
mod contents;
mod double;
mod end_to_end;
mod http2;
mod providers;
mod rules;
mod smollm;
mod statuses;

use std::{sync::Arc, time::Duration};

use backend::llm::{OpenRouter, OpenRouterConfig, gate::GateConfig, openrouter::RetryConfig};
use foundation::{clock::SystemClock, resilience::Backoff};
use pipeline::{
    clock::{Clock, Timestamp},
    llm::{Completion, CompletionRequest, LlmClient, LlmError, LlmErrorCode, PromptBlock},
    run::{RunId, Stage},
    stages::schema,
    testing::ManualClock,
};
use tokio_util::sync::CancellationToken;

use crate::support::openrouter::{FakeModel, Options, Reply, Wrapping};

/// A key that must appear nowhere.
const KEY: &str = "sk-or-v1-0123456789abcdef";
/// Requests of one call in these tests.
const ATTEMPTS: usize = 3;

/// The client's settings for tests: the same rules in less time.
fn config(fake_model: &FakeModel) -> OpenRouterConfig {
    OpenRouterConfig {
        base_url: fake_model.base_url(),
        fallback_models: vec!["acme/second".to_owned()],
        total_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(10),
        retry: RetryConfig {
            attempts_max: ATTEMPTS as u32,
            backoff: Backoff::new(Duration::from_millis(4), Duration::from_millis(20)),
            model_wait_max: Duration::MAX,
        },
        gate: GateConfig {
            pause: Backoff::new(Duration::from_millis(4), Duration::from_millis(20)),
            account_pause: Backoff::new(Duration::from_millis(4), Duration::from_millis(20)),
            ..GateConfig::default()
        },
        ..OpenRouterConfig::new(KEY.into(), "anthropic/claude-sonnet-4.5")
    }
}

/// A clock whose day is fixed, for waits that an endpoint states as dates, and whose time passes.
#[derive(Debug, Default)]
struct FixedDay {
    day: ManualClock,
    time: SystemClock,
}

impl Clock for FixedDay {
    fn now(&self) -> Timestamp {
        self.day.now()
    }

    fn monotonic(&self) -> Duration {
        self.time.monotonic()
    }
}

fn client(config: OpenRouterConfig) -> OpenRouter {
    OpenRouter::new(config, Arc::new(FixedDay::default())).unwrap()
}

fn request() -> CompletionRequest {
    let document =
        "<<<BEGIN document 1>>>\n<<<PAGE 1 1>>>\nShoppers bring the bottle back.\n<<<END document 1>>>";
    let schema = schema::of(Stage::InputProcessing);
    CompletionRequest {
        run: RunId::parse("r1").unwrap(),
        stage: Stage::InputProcessing,
        system: "Rules.".to_owned(),
        blocks: vec![
            PromptBlock { text: document.to_owned(), cacheable: true },
            PromptBlock { text: "Task.".to_owned(), cacheable: false },
        ],
        schema_name: schema.name.to_owned(),
        schema: schema.sent.clone(),
        output_tokens_max: 1_234,
    }
}

async fn ask(config: OpenRouterConfig) -> Result<Completion, LlmError> {
    client(config).complete(&request(), None, &CancellationToken::new()).await
}

fn start(script: impl IntoIterator<Item = Reply>) -> FakeModel {
    let fake_model = FakeModel::start(Options::default());
    fake_model.script(script);
    fake_model
}

/// The endpoint replies so every time: the call fails with this code and sentence after so many requests.
async fn fails(reply: Reply, code: LlmErrorCode, sentence: &str, calls: usize) -> LlmError {
    let fake_model = start(std::iter::repeat_n(reply, 10));
    let error = ask(config(&fake_model)).await.unwrap_err();
    assert_eq!(error.code, code, "{}", error.message);
    assert!(error.message.contains(sentence), "{:?} does not say {sentence:?}", error.message);
    assert_eq!((fake_model.calls(), error.attempts as usize), (calls, calls), "{}", error.message);
    assert!(!error.message.contains(KEY) && error.message.chars().count() < 600);
    error
}

/// The endpoint replies so once: the next request brings the answer.
async fn recovers(reply: Reply) -> Completion {
    let fake_model = start([reply.clone()]);
    let completion = ask(config(&fake_model)).await.unwrap_or_else(|error| panic!("{reply:?}: {error}"));
    assert_eq!((fake_model.calls(), completion.attempts), (2, 2), "{reply:?}");
    completion
}

/// The endpoint replies so: it is taken at once.
async fn is_taken(reply: Reply) -> Completion {
    let fake_model = start([reply]);
    let completion = ask(config(&fake_model)).await.unwrap();
    assert_eq!((fake_model.calls(), completion.attempts), (1, 1));
    completion
}
