//! The stage loop: what is stored is never asked for again, and stopping tears nothing.

// All of this is tests, but clippy's exceptions for tests do not reach shared helpers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pipeline::{
    analyst::{Analyst, AnalystError, Answer, Provenance, StageInput, fallback::FallbackAnalyst},
    brand::{BrandId, BrandProfile},
    clock::{Clock, Timestamp},
    document::{CompressedDocument, Document, Format, Page},
    engine::{Engine, Finished, Job, StageEvent},
    failure::{FailureCode, RunFailure},
    llm::{Disposition, LlmError, LlmErrorCode, Usage},
    record::StageRecord,
    run::{RunId, Stage},
    stages::StageOutput,
    store::{RunStore, StoreDisposition, StoreError, WriteMode},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Goes back a second at each look: records must not end before they begin.
#[derive(Debug, Default)]
struct BackwardClock(AtomicU32);

impl Clock for BackwardClock {
    fn now(&self) -> Timestamp {
        let looks = self.0.fetch_add(1, Ordering::Relaxed);
        "2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap() - Duration::from_secs(u64::from(looks))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Debug, Default)]
struct MemoryStore {
    stages: Mutex<BTreeMap<Stage, StageRecord>>,
    is_full: bool,
    /// The answers to whether the lease is held. It is, when they are used up.
    is_held: Mutex<VecDeque<bool>>,
    waits: AtomicU32,
}

#[async_trait]
impl RunStore for MemoryStore {
    async fn load_stages(&self) -> Result<Vec<StageRecord>, StoreError> {
        Ok(self.stages.lock().unwrap().values().cloned().collect())
    }

    async fn await_lease(&self, _: Stage) -> Result<(), StoreError> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn holds_lease(&self, _: Stage) -> bool {
        self.is_held.lock().unwrap().pop_front().unwrap_or(true)
    }

    fn write_mode(&self) -> WriteMode {
        WriteMode { mode: "FILE_ONLY".to_owned(), flags_revision: 7 }
    }

    async fn store_stage(&self, record: StageRecord) -> Result<StageRecord, StoreError> {
        if self.is_full {
            let message = "/full/run.json: No space left on device (os error 28)".to_owned();
            return Err(StoreError { message, disposition: StoreDisposition::Retry });
        }
        self.stages.lock().unwrap().insert(record.meta.stage, record.clone());
        Ok(record)
    }
}

/// Answers every stage the same, remembers what it was asked, and makes trouble at stage 3 if told to.
#[derive(Debug, Default)]
struct ScriptedAnalyst {
    asked: Mutex<Vec<Stage>>,
    budgets: Mutex<Vec<Option<f64>>>,
    at_stage_3: Trouble,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Trouble {
    #[default]
    None,
    Fails(LlmErrorCode),
    Hangs,
    /// Stage 3 is answered, and its cost is not stated.
    CostIsUnknown,
}

impl ScriptedAnalyst {
    fn with(at_stage_3: Trouble) -> Arc<Self> {
        Arc::new(Self { at_stage_3, ..Self::default() })
    }
}

fn answer(stage: Stage) -> Answer {
    let evidence = json!([{"quote": "Shops that lend tools sell more paint.", "page": 1}]);
    let value = match stage {
        Stage::InputProcessing => {
            let item = json!({
                "title": "Tool library", "summary": "Shops lend tools to customers.", "mechanism": "Lending builds trust.",
                "key_elements": ["lending"], "evidence": evidence,
            });
            json!({"inspirations": [item, item]})
        }
        Stage::SignalAmplification => json!({"trends": [{
            "name": "Access over ownership", "category": "BEHAVIORAL", "strength": "MEDIUM",
            "strength_rationale": "Seen in one document.", "direction": "GROWING", "inspirations": ["I1"], "evidence": evidence,
        }]}),
        Stage::GeneralTranslation => json!({"lessons": [{
            "title": "Lend first", "principle": "Lending lowers the first step.", "why_it_works": "Trying costs little.",
            "job_to_be_done": {"functional": "Get the job done", "emotional": null, "social": null},
            "transfers_to": ["retail"], "constraints_removed": [], "inspirations": ["I1"], "trends": ["T1"],
        }]}),
        Stage::BrandContextualization => {
            let item = json!({
                "title": "Lend a kit", "pitch": "Lend a starter kit.", "why_this_brand": "It sells such kits.",
                "profile_links": [{"field": "product_portfolio", "entry": "Kits"}], "target_customers": ["Beginners"],
                "first_steps": ["Try it in one shop"], "risks": ["Loss"], "effort": "LOW", "horizon": "NOW", "lessons": ["L1"],
            });
            json!({"brand_context": "The brand sells kits.", "opportunities": [item, item, item]})
        }
    };
    Answer {
        output: StageOutput::from_json(stage, value).unwrap(),
        provenance: Provenance {
            provider: "scripted".into(),
            model: "scripted-1".into(),
            prompt_version: "1".into(),
            usage: Usage { cost_usd: 0.25, ..Usage::default() },
            attempts: 1,
            structured_output: None,
            reuse: None,
        },
        warnings: vec![],
        is_first_choice: false,
    }
}

#[async_trait]
impl Analyst for ScriptedAnalyst {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        _: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        self.asked.lock().unwrap().push(stage);
        self.budgets.lock().unwrap().push(input.spend_limit_usd);
        match self.at_stage_3 {
            Trouble::Hangs if stage == Stage::GeneralTranslation => std::future::pending().await,
            Trouble::Fails(code) if stage == Stage::GeneralTranslation => Err(LlmError {
                code,
                message: "the model's endpoint answered 503".into(),
                disposition: Disposition::Retry { after: None },
                usage: Usage { cost_usd: 0.5, ..Usage::default() },
                attempts: 4,
            }
            .into()),
            Trouble::CostIsUnknown if stage == Stage::GeneralTranslation => {
                let mut answer = answer(stage);
                answer.provenance.usage = Usage { cost_is_unknown: true, ..Usage::default() };
                Ok(answer)
            }
            _ => Ok(answer(stage)),
        }
    }
}

#[tokio::test]
async fn few_lessons_are_shared_with_a_warning() {
    let finished = World::new().run(Arc::new(ScriptedAnalyst::default())).await.unwrap();
    let warnings = &finished.records[3].meta.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("share a lesson")), "{warnings:?}");
    let StageOutput::BrandContextualization(out) = finished.records[3].output().unwrap() else { panic!() };
    assert!(out.too_few(3).is_some() && out.too_few(2).is_none());
}

struct World {
    run: RunId,
    document: Document,
    brand: BrandProfile,
    store: Arc<MemoryStore>,
}

impl World {
    fn new() -> Self {
        let yaml = "
brand_name: Acme
country: Canada
industry: Tools
positioning: Tools for all.
product_portfolio: [Kits, Paint, Brushes]
target_customers: [Beginners, Painters]
recent_innovations: [A kit, A brush]
strategic_priorities: [Grow, Lend, Last]
brand_values: [Craft, Care, Calm]
";
        let page = Page {
            number: 1,
            text: "Shops that lend tools sell more paint.".into(),
            readable: 1.0,
            ..Page::default()
        };
        Self {
            run: RunId::parse("r1").unwrap(),
            document: Document {
                source_name: "a.txt".into(),
                format: Format::Text,
                title: None,
                pages: vec![page],
                warnings: vec![],
                ..Document::default()
            },
            brand: BrandProfile::from_yaml(BrandId::parse("acme").unwrap(), yaml, None).unwrap(),
            store: Arc::new(MemoryStore::default()),
        }
    }

    async fn run(&self, analyst: Arc<dyn Analyst>) -> Result<Finished, RunFailure> {
        self.run_with(analyst, 0.0, &|_| {}, &CancellationToken::new()).await
    }

    async fn run_with(
        &self,
        analyst: Arc<dyn Analyst>,
        lost_usd: f64,
        events: &(dyn Fn(StageEvent) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Finished, RunFailure> {
        let engine = Engine::new(analyst, Arc::new(BackwardClock::default()), Some(1.0));
        let job = Job {
            run: &self.run,
            store: &*self.store,
            document: &CompressedDocument::new(self.document.clone()).unwrap(),
            brand: &self.brand,
            answers: None,
            lost_usd,
        };
        engine.run(job, events, cancel).await
    }
}

#[tokio::test]
async fn a_run_asks_and_stores_each_stage_once() {
    let world = World::new();
    let analyst = Arc::new(ScriptedAnalyst::default());
    let events = Mutex::new(Vec::new());
    let note = |event: StageEvent| {
        let stored = world.store.stages.lock().unwrap().len();
        events.lock().unwrap().push(match event {
            StageEvent::Started { stage } => format!("started {} with {stored} stored", stage.number()),
            StageEvent::Stored { meta, .. } => format!("stored {} with {stored} stored", meta.stage.number()),
            StageEvent::Reused { meta, .. } => format!("reused {}", meta.stage.number()),
        });
    };
    let finished = world.run_with(analyst.clone(), 0.0, &note, &CancellationToken::new()).await.unwrap();
    assert_eq!(*analyst.asked.lock().unwrap(), Stage::ALL);
    let expected: Vec<String> = (1..=4)
        .flat_map(|n| [format!("started {n} with {} stored", n - 1), format!("stored {n} with {n} stored")])
        .collect();
    assert_eq!(*events.lock().unwrap(), expected);
    assert!(finished.report.starts_with("# "));
    for record in &finished.records {
        assert!(record.meta.finished_at >= record.meta.started_at, "{:?}", record.meta);
        assert_eq!((record.meta.mode.as_str(), record.meta.flags_revision), ("FILE_ONLY", 7));
    }
    // Equal work has equal digests.
    let again = World::new().run(Arc::new(ScriptedAnalyst::default())).await.unwrap();
    for (one, two) in finished.records.iter().zip(&again.records) {
        assert_eq!(one.meta.payload_sha256, two.meta.payload_sha256);
    }
}

#[tokio::test]
async fn a_stored_stage_is_never_asked_for_again() {
    let world = World::new();
    let failure = world.run(ScriptedAnalyst::with(Trouble::Fails(LlmErrorCode::LlmError))).await.unwrap_err();
    assert_eq!((failure.code, failure.stage), (FailureCode::LlmError, Some(Stage::GeneralTranslation)));
    assert!(failure.can_retry);
    assert!((failure.usage.cost_usd - 0.5).abs() < 1e-9, "what the failure cost is not forgotten");

    let analyst = Arc::new(ScriptedAnalyst::default());
    world.run_with(analyst.clone(), 0.5, &|_| {}, &CancellationToken::new()).await.unwrap();
    assert_eq!(*analyst.asked.lock().unwrap(), [Stage::GeneralTranslation, Stage::BrandContextualization]);
    // 1.00 less two stored stages of 0.25 and the 0.50 that were lost leaves nothing, and never less.
    assert_eq!(*analyst.budgets.lock().unwrap(), [Some(0.0), Some(0.0)]);

    let nobody = Arc::new(ScriptedAnalyst::default());
    world.run(nobody.clone()).await.unwrap();
    assert!(nobody.asked.lock().unwrap().is_empty(), "a finished run asks nothing");
}

#[tokio::test]
async fn an_unknown_cost_stops_the_run() {
    let world = World::new();
    let failure = world.run(ScriptedAnalyst::with(Trouble::CostIsUnknown)).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.stage),
        (FailureCode::LlmCostLimit, Some(Stage::BrandContextualization))
    );
    assert_eq!(world.store.stages.lock().unwrap().len(), 3, "the paid answer is kept");
    let nobody = Arc::new(ScriptedAnalyst::default());
    assert_eq!(world.run(nobody.clone()).await.unwrap_err().code, FailureCode::LlmCostLimit);
    assert!(nobody.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_stage_is_run_again() {
    let world = World::new();
    world.run(Arc::new(ScriptedAnalyst::default())).await.unwrap();
    world.store.stages.lock().unwrap().remove(&Stage::SignalAmplification);
    let analyst = Arc::new(ScriptedAnalyst::default());
    let finished = world.run(analyst.clone()).await.unwrap();
    assert_eq!(*analyst.asked.lock().unwrap(), [Stage::SignalAmplification]);
    let warnings = &finished.records[1].meta.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("run again")), "{warnings:?}");
}

#[tokio::test]
async fn cancellation_ends_a_stage_in_flight() {
    let world = World::new();
    let cancel = CancellationToken::new();
    let cancel_at_stage_3 = |event: StageEvent| {
        if matches!(event, StageEvent::Started { stage: Stage::GeneralTranslation }) {
            cancel.cancel();
        }
    };
    let analyst = ScriptedAnalyst::with(Trouble::Hangs);
    let failure = world.run_with(analyst, 0.0, &cancel_at_stage_3, &cancel).await.unwrap_err();
    assert_eq!((failure.code, failure.stage), (FailureCode::Cancelled, Some(Stage::GeneralTranslation)));
    assert_eq!(world.store.stages.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_failed_store_ends_the_run() {
    let mut world = World::new();
    world.store = Arc::new(MemoryStore { is_full: true, ..MemoryStore::default() });
    let failure = world.run(Arc::new(ScriptedAnalyst::default())).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.stage),
        (FailureCode::StorageUnavailable, Some(Stage::InputProcessing))
    );
    assert!(
        failure.message.contains("/full/run.json") && failure.message.contains("os error 28"),
        "{failure}"
    );
}

/// An analyst that does not know the document's language.
#[derive(Debug)]
struct Monoglot;

#[async_trait]
impl Analyst for Monoglot {
    async fn answer(
        &self,
        _: Stage,
        _: &StageInput<'_>,
        _: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        Err(AnalystError::UnknownLanguage("German".to_owned()))
    }
}

#[tokio::test]
async fn an_unknown_language_leaves_the_models_failure() {
    let model = ScriptedAnalyst::with(Trouble::Fails(LlmErrorCode::LlmRateLimit));
    let failure =
        World::new().run(Arc::new(FallbackAnalyst::new(model, Arc::new(Monoglot)))).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::LlmRateLimit);
    assert!(failure.message.contains("written in German"), "{failure}");
}

#[tokio::test]
async fn an_unknown_language_is_refused_by_name() {
    let failure = World::new().run(Arc::new(Monoglot)).await.unwrap_err();
    assert_eq!((failure.code, failure.can_retry), (FailureCode::DocumentUnsupported, true));
    assert!(
        failure.message.contains("German") && failure.message.contains("OPENROUTER_API_KEY"),
        "{failure}"
    );
}

#[tokio::test]
async fn the_fallback_answers_when_models_are_down() {
    for (code, is_down) in [
        (LlmErrorCode::LlmError, true),
        (LlmErrorCode::LlmTimeout, true),
        (LlmErrorCode::LlmRateLimit, true),
        (LlmErrorCode::LlmCredits, true),
        (LlmErrorCode::LlmAuth, false),
        (LlmErrorCode::LlmInvalidOutput, false),
        (LlmErrorCode::LlmTruncated, false),
        (LlmErrorCode::LlmRefused, false),
        (LlmErrorCode::LlmCostLimit, false),
    ] {
        let fallback = Arc::new(ScriptedAnalyst::default());
        let both = FallbackAnalyst::new(ScriptedAnalyst::with(Trouble::Fails(code)), fallback.clone());
        let result = World::new().run(Arc::new(both)).await;
        assert_eq!(result.is_ok(), is_down, "{code:?}");
        if let Ok(finished) = result {
            assert_eq!(*fallback.asked.lock().unwrap(), [Stage::GeneralTranslation]);
            let meta = &finished.records[2].meta;
            assert!(meta.warnings[0].contains("No model could be reached"), "{:?}", meta.warnings);
            assert!(
                (meta.usage.cost_usd - 0.75).abs() < 1e-9,
                "the failed attempts are counted: {:?}",
                meta.usage
            );
            assert_eq!(meta.attempts, 5);
        }
    }
}

/// The first request of each call fails and costs money; the second is answered.
#[derive(Debug, Default)]
struct Stutters {
    requests: AtomicU32,
    budgets: Mutex<Vec<Option<f64>>>,
}

#[async_trait]
impl Analyst for Stutters {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        _: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        self.budgets.lock().unwrap().push(input.spend_limit_usd);
        let mut usage = Usage::default();
        for _ in 0..2 {
            if !input.lease.unwrap().is_held().await {
                return Err(AnalystError::Llm(LlmError {
                    code: LlmErrorCode::Cancelled,
                    message: String::new(),
                    disposition: Disposition::Fail,
                    usage,
                    attempts: 1,
                }));
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            usage.cost_usd += 0.05;
        }
        let mut answer = answer(stage);
        answer.provenance.usage = usage;
        Ok(answer)
    }
}

#[tokio::test]
async fn an_unsure_lease_delays_the_next_request() {
    let world = World::new();
    *world.store.is_held.lock().unwrap() = [true, false].into();
    let analyst = Arc::new(Stutters::default());
    let finished = world.run(analyst.clone()).await.unwrap();
    // Before each stage, and once more in the first.
    assert_eq!(world.store.waits.load(Ordering::Relaxed), 5);
    assert_eq!(analyst.requests.load(Ordering::Relaxed), 9);
    let spent = finished.records[0].meta.usage.cost_usd;
    assert!((spent - 0.15).abs() < 1e-9, "the request before counts: {spent}");
    let second_budget = analyst.budgets.lock().unwrap()[1].unwrap();
    assert!((second_budget - 0.95).abs() < 1e-9, "{second_budget}");
}
