use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::*;
use crate::{
    analyst::model::ModelOptions,
    answers::{AnswerCache, AnswerLead},
    brand::{BrandId, BrandProfile},
    clock::Timestamp,
    document::{CompressedDocument, Document, Page},
    llm::Completion,
    prior_outputs::PriorOutputs,
    record::Reuse,
    run::RunId,
    stages::{Outputs, StageOutput},
    testing::{ScriptedLlm, completion, example_answer},
};

type Kept = Arc<Mutex<HashMap<AnswerKey, CachedAnswer>>>;

#[derive(Debug, Default)]
struct Memory {
    kept: Kept,
}

#[derive(Debug)]
struct Lead {
    kept: Kept,
    key: AnswerKey,
}

#[async_trait]
impl AnswerCache for Memory {
    async fn look_up(&self, _: Stage, key: &AnswerKey) -> LookUp {
        match self.kept.lock().get(key) {
            Some(found) => LookUp::Hit(found.clone()),
            None => LookUp::Lead(Box::new(Lead { kept: self.kept.clone(), key: key.clone() })),
        }
    }

    async fn reject(&self, _: Stage, key: &AnswerKey) {
        self.kept.lock().remove(key);
    }
}

impl AnswerLead for Lead {
    fn keep(self: Box<Self>, content: AnswerContent) {
        let origin = Reuse { reused_from: RunId::parse("first").unwrap(), answered_at: Timestamp::default() };
        self.kept.lock().insert(self.key, CachedAnswer { content, origin });
    }
}

struct Asking {
    llm: Arc<ScriptedLlm>,
    analyst: CachedAnalyst,
    cache: Memory,
}

impl Asking {
    fn new(models: &[&str], replies: impl IntoIterator<Item = Completion>) -> Self {
        let llm = Arc::new(ScriptedLlm::new(replies.into_iter().map(Ok)));
        let model = Arc::new(ModelAnalyst::new(llm.clone(), ModelOptions::default()));
        let settings = AnswerSettings {
            analyst: "model".to_owned(),
            endpoint: String::new(),
            models: models.iter().map(|&name| name.to_owned()).collect(),
            structured_output: String::new(),
            routing: String::new(),
            limits: [0; 3],
        };
        Self { llm, analyst: CachedAnalyst::new(model, settings), cache: Memory::default() }
    }

    async fn ask(&self, stage: Stage, run: &str) -> Answer {
        let yaml = include_str!("../../../../data/brand-profiles/decathlon.yaml");
        let mut earlier = Outputs::default();
        for before in Stage::ALL.into_iter().filter(|before| *before < stage) {
            earlier.insert(StageOutput::from_json(before, example_answer(before)).unwrap());
        }
        let pages =
            vec![Page { number: 1, text: "Shoppers bring the bottle back.".to_owned(), ..Page::default() }];
        let input = StageInput {
            run: &RunId::parse(run).unwrap(),
            document: &CompressedDocument::new(Document { pages, ..Document::default() }).unwrap(),
            brand: &BrandProfile::from_yaml(BrandId::parse("decathlon").unwrap(), yaml, None).unwrap(),
            earlier: &PriorOutputs::new(earlier).unwrap(),
            spend_limit_usd: None,
            lease: None,
            answers: Some(&self.cache),
        };
        self.analyst.answer(stage, &input, &CancellationToken::new()).await.unwrap()
    }

    fn calls(&self) -> usize {
        self.llm.calls().len()
    }
}

fn reply(stage: Stage) -> Completion {
    completion(example_answer(stage).to_string())
}

#[tokio::test]
async fn a_second_run_reuses_each_stage() {
    for stage in Stage::ALL {
        let asking = Asking::new(&["test/model"], [reply(stage)]);
        let (first, second) = (asking.ask(stage, "first").await, asking.ask(stage, "second").await);
        assert_eq!(asking.calls(), 1, "{stage}");
        assert_eq!(second.output, first.output);
        assert_eq!((second.provenance.usage, second.provenance.attempts), (Usage::default(), 0));
        assert_eq!(second.provenance.reuse.unwrap().reused_from.as_str(), "first");
        assert_eq!(first.provenance.reuse, None);
    }
}

#[tokio::test]
async fn an_incomplete_answer_is_not_kept() {
    let stage = Stage::InputProcessing;
    for odd in [
        Completion { finish_reason: Some("odd".to_owned()), ..reply(stage) },
        Completion { finish_reason: None, ..reply(stage) },
        Completion { is_finished: false, ..reply(stage) },
    ] {
        let asking = Asking::new(&["test/model"], [odd, reply(stage)]);
        asking.ask(stage, "first").await;
        assert!(asking.cache.kept.lock().is_empty());
    }
}

#[tokio::test]
async fn a_fallback_models_answer_is_not_kept() {
    let stage = Stage::InputProcessing;
    for (answered, is_kept) in
        [("a/b", true), ("a/b-20260801", true), ("a/b:2", true), ("a/b-mini", false), ("c/d", false)]
    {
        let reply = Completion { model: answered.to_owned(), ..reply(stage) };
        let asking = Asking::new(&["a/b", "a/b-mini", "c/d"], [reply]);
        asking.ask(stage, "first").await;
        assert_eq!(!asking.cache.kept.lock().is_empty(), is_kept, "{answered}");
    }
}

#[tokio::test]
async fn a_damaged_or_older_answer_is_rejected() {
    let stage = Stage::InputProcessing;
    let damages: [fn(&mut AnswerContent); 3] = [
        |content| content.answer["inspirations"][0]["evidence"][0]["status"] = "verbatim".into(),
        |content| content.answer = serde_json::json!({"inspirations": []}),
        |content| content.prompt_version = "older".to_owned(),
    ];
    for damage in damages {
        let asking = Asking::new(&["test/model"], [reply(stage), reply(stage)]);
        asking.ask(stage, "first").await;
        asking.cache.kept.lock().values_mut().for_each(|kept| damage(&mut kept.content));
        let second = asking.ask(stage, "second").await;
        assert_eq!((asking.calls(), second.provenance.reuse), (2, None));
        assert!(asking.cache.kept.lock().is_empty(), "it was rejected");
    }
}
