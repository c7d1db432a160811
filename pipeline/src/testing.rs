//! Fakes for the seams, for tests of this crate and of others.

use std::{collections::VecDeque, time::Duration};

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    analyst::Provenance,
    clock::{Clock, Timestamp},
    grounding::StageGrounding,
    llm::{
        Completion, CompletionRequest, Disposition, LlmClient, LlmError, LlmErrorCode, ReplyParts,
        RequestSource, StructuredOutput, Usage,
    },
    record::{RecordContext, RecordError, StageRecord},
    run::Stage,
    stages::StageOutput,
};

/// A model that gives the test's replies, one for each call, and remembers the calls.
#[derive(Debug, Default)]
pub struct ScriptedLlm {
    replies: Mutex<VecDeque<Result<Completion, LlmError>>>,
    calls: Mutex<Vec<Call>>,
}

/// One call of a [`ScriptedLlm`].
#[derive(Debug, Clone)]
pub struct Call {
    pub request: CompletionRequest,
    pub spend_limit_usd: Option<f64>,
}

impl Call {
    /// All that the model reads, in order.
    #[must_use]
    pub fn prompt(&self) -> String {
        let blocks = self.request.blocks.iter().map(|block| block.text.as_str());
        std::iter::once(self.request.system.as_str()).chain(blocks).collect::<Vec<_>>().join("\n\n")
    }
}

impl ScriptedLlm {
    #[must_use]
    pub fn new(replies: impl IntoIterator<Item = Result<Completion, LlmError>>) -> Self {
        Self { replies: Mutex::new(replies.into_iter().collect()), calls: Mutex::default() }
    }

    /// The calls so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }
}

#[async_trait]
impl LlmClient for ScriptedLlm {
    async fn complete(
        &self,
        source: &dyn RequestSource,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
    ) -> Result<Completion, LlmError> {
        lock(&self.calls).push(Call { request: source.request()?, spend_limit_usd });
        if cancel.is_cancelled() {
            return Err(llm_error(LlmErrorCode::Cancelled, "cancelled", Disposition::Fail));
        }
        lock(&self.replies).pop_front().unwrap_or_else(|| {
            Err(llm_error(LlmErrorCode::LlmError, "the script holds no further reply", Disposition::Fail))
        })
    }
}

/// A finished answer with this text, from `test/model`, that took 1 attempt, 100 + 50 tokens and 1 cent.
#[must_use]
pub fn completion(text: impl Into<String>) -> Completion {
    Completion {
        parts: ReplyParts { content: text.into(), ..ReplyParts::default() },
        model: "test/model".to_owned(),
        provider: Some("Test".to_owned()),
        generation_id: Some("gen-test".to_owned()),
        usage: Usage { prompt_tokens: 100, completion_tokens: 50, cost_usd: 0.01, ..Usage::default() },
        attempts: 1,
        finish_reason: Some("stop".to_owned()),
        is_finished: true,
        structured_output: StructuredOutput::Strict,
    }
}

/// A failed call that took 1 attempt and spent nothing.
#[must_use]
pub fn llm_error(code: LlmErrorCode, message: &str, disposition: Disposition) -> LlmError {
    LlmError { code, message: message.to_owned(), disposition, usage: Usage::default(), attempts: 1 }
}

/// An answer that satisfies the stage's schema, with meaningless content.
#[must_use]
pub fn example_answer(stage: Stage) -> Value {
    let evidence = json!([{"quote": "Shoppers bring the bottle back.", "page": 1}]);
    match stage {
        Stage::InputProcessing => json!({"inspirations": (1..=2).map(|n| json!({
            "title": format!("Refill bar {n}"),
            "summary": "A shop fills bottles that shoppers bring back.",
            "mechanism": "The deposit makes the empty bottle worth a second visit.",
            "key_elements": ["deposit", "standard bottle"],
            "evidence": evidence,
        })).collect::<Vec<_>>()}),
        Stage::SignalAmplification => json!({"trends": [{
            "name": "Refill moves into the shop",
            "category": "BEHAVIORAL",
            "strength": "LOW",
            "strength_rationale": "One case without figures.",
            "direction": "EMERGING",
            "inspirations": ["I1"],
            "evidence": evidence,
        }]}),
        Stage::GeneralTranslation => json!({"lessons": [{
            "title": "Make the return pay",
            "principle": "What comes back with its owner brings a second sale.",
            "why_it_works": "A small sum at stake is a reason to come again.",
            "job_to_be_done": {"functional": "Get the same again without waste", "emotional": null, "social": null},
            "transfers_to": ["cosmetics"],
            "constraints_removed": [],
            "inspirations": ["I1"],
            "trends": ["T1"],
        }]}),
        Stage::BrandContextualization => json!({
            "brand_context": "The portfolio holds bottled products.",
            "opportunities": (1..=3).map(|n| json!({
                "title": format!("Deposit bottle {n}"),
                "pitch": "Milk in a bottle that comes back to the shop.",
                "why_this_brand": "It already bottles milk near its shoppers.",
                "profile_links": [{"field": "product_portfolio", "entry": "Milk"}],
                "target_customers": ["Families"],
                "first_steps": ["Ask three shops to take bottles back for a month"],
                "risks": ["Washing costs more than new bottles"],
                "effort": "MEDIUM",
                "horizon": "NEXT",
                "lessons": ["L1"],
            })).collect::<Vec<_>>(),
        }),
    }
}

/// Where a test's record comes from: a model that cost nothing.
#[must_use]
pub fn provenance() -> Provenance {
    Provenance {
        provider: "test".to_owned(),
        model: "test".to_owned(),
        prompt_version: "1".to_owned(),
        usage: Usage::default(),
        attempts: 1,
        structured_output: None,
        reuse: None,
    }
}

/// How a test's record came about: in files, at an instant, without warnings.
#[must_use]
pub fn context(at: Timestamp) -> RecordContext {
    RecordContext {
        started_at: at,
        finished_at: at,
        mode: "FILE_ONLY".to_owned(),
        flags_revision: 0,
        warnings: Vec::new(),
        grounding: StageGrounding::default(),
        document: None,
        brand: None,
    }
}

/// A record of [`example_answer`], with ids.
///
/// # Errors
///
/// The record has no canonical form, which is a defect of the fixture.
pub fn example_record(
    stage: Stage,
    provenance: &Provenance,
    context: RecordContext,
) -> Result<StageRecord, RecordError> {
    let mut output = StageOutput::from_json(stage, example_answer(stage)).map_err(RecordError::Shape)?;
    output.assign_ids();
    StageRecord::new(&output, provenance, context)
}

/// The same JSON over several lines.
#[must_use]
pub fn pretty(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    start: Timestamp,
    passed: Mutex<Duration>,
}

impl ManualClock {
    /// A clock that stands at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        // 1,767,225,600 s after 1970 is in the range of representable times.
        Self::at(Timestamp::from_timestamp(1_767_225_600, 0).unwrap_or_default())
    }

    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { start, passed: Mutex::default() }
    }

    /// Moves both of its times forward.
    pub fn advance(&self, by: Duration) {
        *lock(&self.passed) += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.start + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *lock(&self.passed)
    }
}

/// A poisoned lock must not add a second panic, which would hide the first.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
