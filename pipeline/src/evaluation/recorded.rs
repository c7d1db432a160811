//! Runs the stages of one case, and keeps or replays the analyst's answers.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    analyst::{Analyst, AnalystError, Answer, Provenance, StageInput, model::parse_answer},
    brand::BrandProfile,
    document::CompressedDocument,
    engine::{Engine, Job},
    failure::RunFailure,
    llm::Usage,
    record::StageRecord,
    run::{RunId, Stage},
    store::{RunStore, StoreError, WriteMode},
};

/// An analyst that gives recorded answers, in the words of the model that gave them.
#[derive(Debug, Default)]
pub struct RecordedAnswers {
    answers: BTreeMap<u8, String>,
}

impl RecordedAnswers {
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = (Stage, String)>) -> Self {
        Self { answers: answers.into_iter().map(|(stage, text)| (stage.number(), text)).collect() }
    }
}

#[async_trait]
impl Analyst for RecordedAnswers {
    async fn answer(
        &self,
        stage: Stage,
        _: &StageInput<'_>,
        _: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        let missing = || AnalystError::Internal(format!("no answer of {stage} is recorded"));
        let text = self.answers.get(&stage.number()).ok_or_else(missing)?;
        let output = parse_answer(stage, text).map_err(|problems| {
            AnalystError::Internal(format!(
                "the recorded answer of {stage} breaks the schema: {}",
                problems.join("; ")
            ))
        })?;
        let provenance = Provenance {
            provider: "recorded".to_owned(),
            model: "recorded".to_owned(),
            prompt_version: String::new(),
            usage: Usage::default(),
            attempts: 1,
            structured_output: None,
            reuse: None,
        };
        Ok(Answer { output, provenance, warnings: Vec::new(), is_first_choice: false })
    }
}

/// Asks another analyst, and keeps its answers as JSON.
#[derive(Debug)]
pub struct RecordingAnalyst {
    analyst: Arc<dyn Analyst>,
    answers: Mutex<Vec<(Stage, String)>>,
}

impl RecordingAnalyst {
    #[must_use]
    pub fn new(analyst: Arc<dyn Analyst>) -> Self {
        Self { analyst, answers: Mutex::default() }
    }

    /// The answers so far, in order.
    #[must_use]
    pub fn answers(&self) -> Vec<(Stage, String)> {
        self.answers.lock().clone()
    }
}

#[async_trait]
impl Analyst for RecordingAnalyst {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        let answer = self.analyst.answer(stage, input, cancel).await?;
        let json = serde_json::to_value(&answer.output)
            .map(without_ids)
            .and_then(|value| serde_json::to_string_pretty(&value))
            .map_err(|error| AnalystError::Internal(format!("the answer is no JSON: {error}")))?;
        self.answers.lock().push((stage, json));
        Ok(answer)
    }
}

/// An answer as an analyst gives it: the pipeline gives the ids of items.
fn without_ids(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.remove("id");
            fields.values_mut().for_each(|field| *field = without_ids(field.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_ids(item.take())),
        _ => {}
    }
    value
}

/// Gives the stages that are known, and keeps nothing.
#[derive(Debug)]
struct NoStore {
    known: Vec<StageRecord>,
}

#[async_trait]
impl RunStore for NoStore {
    async fn load_stages(&self) -> Result<Vec<StageRecord>, StoreError> {
        Ok(self.known.clone())
    }

    fn write_mode(&self) -> WriteMode {
        WriteMode { mode: "EVALUATION".to_owned(), flags_revision: 0 }
    }

    async fn store_stage(&self, record: StageRecord) -> Result<StageRecord, StoreError> {
        Ok(record)
    }
}

/// Runs the stages that are not known, and stores nothing. Stages 1 to 3 do not read the brand, so a second brand may
/// start with the records of the first.
///
/// # Errors
///
/// As [`Engine::run`].
pub async fn run_stages(
    engine: &Engine,
    document: &CompressedDocument,
    brand: &BrandProfile,
    known: &[StageRecord],
    cancel: &CancellationToken,
) -> Result<Vec<StageRecord>, RunFailure> {
    let run = RunId::from_uuid(uuid::Uuid::nil());
    let known = known.iter().filter(|record| record.meta.stage != Stage::BrandContextualization);
    let store = NoStore { known: known.cloned().collect() };
    let job = Job { run: &run, store: &store, document, brand, answers: None, lost_usd: 0.0 };
    engine.run(job, &|_| {}, cancel).await.map(|finished| finished.records)
}
