//! Takes the answer that an earlier run of the same owner has paid for, and keeps new answers for later runs.
//!
//! It stands in front of the model alone: an answer of the extractive fallback never passes here.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Analyst, AnalystError, Answer, Provenance, StageInput,
    model::{ModelAnalyst, parse_answer},
};
use crate::{
    answers::{AnswerContent, AnswerKey, AnswerSettings, CachedAnswer, LookUp},
    llm::Usage,
    run::Stage,
};

/// Asks the model only if no earlier run has asked the same question.
#[derive(Debug)]
pub struct CachedAnalyst {
    model: Arc<dyn Analyst>,
    settings: AnswerSettings,
}

/// Why an answer is not usable from the cache.
#[derive(Debug, thiserror::Error)]
enum ContentError {
    #[error("the answer breaks the schema: {0}")]
    Schema(String),
    #[error("the answer changes when it is written and read again")]
    Changed,
    #[error("the answer cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl CachedAnalyst {
    /// The settings are those of `model`.
    #[must_use]
    pub fn new(model: Arc<dyn Analyst>, settings: AnswerSettings) -> Self {
        Self { model, settings }
    }
}

#[async_trait]
impl Analyst for CachedAnalyst {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        let Some(answers) = input.answers else { return self.model.answer(stage, input, cancel).await };
        let prompt = ModelAnalyst::prompt_version(stage);
        let key = AnswerKey::new(stage, input.document, input.earlier, input.brand, prompt, &self.settings)?;
        let lead = match answers.look_up(stage, &key).await {
            LookUp::Hit(cached) => match read(stage, prompt, cached) {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::warn!(event = "cached_answer_unusable", run = %input.run, %stage, %error, "a cached answer is not usable; asking the model");
                    answers.reject(stage, &key).await;
                    None
                }
            },
            LookUp::Lead(lead) => Some(lead),
            LookUp::Off => None,
        };
        let answer = self.model.answer(stage, input, cancel).await?;
        if let Some(lead) = lead.filter(|_| answer.is_first_choice && self.is_first_model(&answer)) {
            match content(&answer) {
                Ok(content) => lead.keep(content),
                Err(error) => {
                    tracing::debug!(event = "answer_not_cached", run = %input.run, %stage, %error, "the answer is not kept")
                }
            }
        }
        Ok(answer)
    }
}

impl CachedAnalyst {
    /// Whether the first of several models has answered. An endpoint may add a date or a variant to its name. If only one model
    /// may answer, its name does not matter.
    fn is_first_model(&self, answer: &Answer) -> bool {
        let Some((first, others)) = self.settings.models.split_first() else { return false };
        let model = answer.provenance.model.as_str();
        let is_named = |name: &String| {
            let rest = model.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | '@')))
        };
        others.is_empty() || (is_named(first) && !others.iter().any(|other| other == model))
    }
}

/// Takes an answer before its references and quotes are checked. It must be read back as it is.
fn content(answer: &Answer) -> Result<AnswerContent, ContentError> {
    let mut json = serde_json::to_value(&answer.output)?;
    drop_empty_ids(&mut json);
    let read = parse_answer(answer.output.stage(), &json.to_string())
        .map_err(|violations| ContentError::Schema(violations.join("; ")))?;
    if read != answer.output {
        return Err(ContentError::Changed);
    }
    let Provenance { provider, model, prompt_version, structured_output, .. } = &answer.provenance;
    Ok(AnswerContent {
        answer: json,
        provider: provider.clone(),
        model: model.clone(),
        prompt_version: prompt_version.clone(),
        structured_output: *structured_output,
        warnings: answer.warnings.clone(),
    })
}

/// Reads an answer as if the model had just given it. It costs nothing.
fn read(stage: Stage, prompt: &str, cached: CachedAnswer) -> Result<Answer, ContentError> {
    let CachedAnswer { content, origin } = cached;
    if content.prompt_version != prompt {
        return Err(ContentError::Changed);
    }
    let output = parse_answer(stage, &content.answer.to_string())
        .map_err(|violations| ContentError::Schema(violations.join("; ")))?;
    Ok(Answer {
        output,
        provenance: Provenance {
            provider: content.provider,
            model: content.model,
            prompt_version: content.prompt_version,
            usage: Usage::default(),
            attempts: 0,
            structured_output: content.structured_output,
            reuse: Some(origin),
        },
        warnings: content.warnings,
        is_first_choice: false,
    })
}

/// Removes ids that the pipeline has not given yet. A model may not write them.
fn drop_empty_ids(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("id").is_some_and(|id| id == "") {
                fields.remove("id");
            }
            fields.values_mut().for_each(drop_empty_ids);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty_ids),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
