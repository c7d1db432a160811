//! The analyst that asks a language model.
//!
//! It writes the prompt ([`prompt`]), fits the document to the model ([`fit`]), keeps untrusted text apart from
//! the task ([`fence`]) and judges what comes back ([`parse`]). Retries, deadlines and money are the
//! [`LlmClient`]'s business; the one thing asked again here is an answer that breaks the schema, once.

mod fence;
mod fit;
mod parse;
mod prompt;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use parse::parse_answer;
use prompt::Prompt;

use super::{Analyst, AnalystError, Answer, Provenance, StageInput};
use crate::{
    llm::{
        Completion, CompletionRequest, Disposition, LlmClient, LlmError, LlmErrorCode, RequestSource, Usage,
    },
    run::Stage,
    stages::{StageOutput, schema},
};

/// How much a model is sent and may answer. Tokens are estimated at four characters each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOptions {
    /// The document's share of the prompt. A longer document is sent in part, and the answer says so.
    pub document_tokens_max: usize,
    /// The share of a brand's research notes.
    pub notes_tokens_max: usize,
    /// The longest answer; beyond it the model is cut off, which fails the stage.
    pub output_tokens_max: u32,
}

impl Default for ModelOptions {
    /// For models with a context of 200,000 tokens; the longest answers that satisfy a schema have about
    /// 12,000 tokens.
    fn default() -> Self {
        Self { document_tokens_max: 120_000, notes_tokens_max: 20_000, output_tokens_max: 16_000 }
    }
}

/// Answers stages by asking a model.
#[derive(Debug)]
pub struct ModelAnalyst {
    client: Arc<dyn LlmClient>,
    options: ModelOptions,
}

impl ModelAnalyst {
    #[must_use]
    pub fn new(client: Arc<dyn LlmClient>, options: ModelOptions) -> Self {
        Self { client, options }
    }
}

#[async_trait]
impl Analyst for ModelAnalyst {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        let (question, warnings) = Question::new(self, stage, input, None)?;
        let first = self.client.complete(&question, input.spend_limit_usd, cancel).await?;
        let violations = match judge(stage, &first) {
            Ok(output) => return Ok(answer(stage, output, first, warnings)),
            Err(violations) => violations,
        };
        tracing::debug!(run = %input.run, %stage, violations = violations.len(), "answer refused; asking once more");

        let (question, warnings) = Question::new(self, stage, input, Some((&first.text, &violations)))?;
        let limit_usd = input.spend_limit_usd.map(|limit| (limit - first.usage.cost_usd).max(0.0));
        let second = self.client.complete(&question, limit_usd, cancel).await;
        let mut second = second.map_err(|mut error| {
            error.usage += first.usage;
            error.attempts += first.attempts;
            error
        })?;
        second.usage += first.usage;
        second.attempts += first.attempts;
        match judge(stage, &second) {
            Ok(output) => Ok(answer(stage, output, second, warnings)),
            Err(violations) => {
                Err(invalid_output(stage, &second.model, &violations, second.usage, second.attempts).into())
            }
        }
    }
}

/// What is asked of the model. The request is made when it is sent.
struct Question<'a> {
    options: &'a ModelOptions,
    stage: Stage,
    input: &'a StageInput<'a>,
    /// The answer that was refused, and why.
    refused: Option<(&'a str, &'a [String])>,
    /// The prompt, until it is sent for the first time.
    prompt: Mutex<Option<Prompt>>,
}

impl<'a> Question<'a> {
    /// The question, and what a reader of its answer should know.
    fn new(
        analyst: &'a ModelAnalyst,
        stage: Stage,
        input: &'a StageInput<'a>,
        refused: Option<(&'a str, &'a [String])>,
    ) -> Result<(Self, Vec<String>), AnalystError> {
        let question = Self { options: &analyst.options, stage, input, refused, prompt: Mutex::default() };
        let mut prompt = question.prompt()?;
        let warnings = std::mem::take(&mut prompt.warnings);
        Ok((Self { prompt: Mutex::new(Some(prompt)), ..question }, warnings))
    }

    fn prompt(&self) -> Result<Prompt, AnalystError> {
        let mut prompt = prompt::build(self.stage, self.input, self.options)?;
        if let Some((answer, violations)) = self.refused {
            prompt.add_refusal(answer, violations);
        }
        Ok(prompt)
    }
}

impl RequestSource for Question<'_> {
    fn request(&self) -> Result<CompletionRequest, LlmError> {
        let first = self.prompt.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Prompt { system, blocks, .. } = match first {
            Some(prompt) => prompt,
            None => self.prompt().map_err(|error| LlmError {
                code: LlmErrorCode::LlmError,
                message: format!("the request could not be made again: {error}"),
                disposition: Disposition::Fail,
                usage: Usage::default(),
                attempts: 0,
            })?,
        };
        let schema = schema::of(self.stage);
        Ok(CompletionRequest {
            run: self.input.run.clone(),
            stage: self.stage,
            system,
            blocks,
            schema_name: schema.name.to_owned(),
            schema: schema.json.clone(),
            output_tokens_max: self.options.output_tokens_max,
        })
    }
}

fn judge(stage: Stage, completion: &Completion) -> Result<StageOutput, Vec<String>> {
    parse::judge(stage, &completion.text, completion.is_finished())
}

fn answer(stage: Stage, output: StageOutput, completion: Completion, mut warnings: Vec<String>) -> Answer {
    if !completion.is_finished() {
        warnings.push(match &completion.finish_reason {
            Some(reason) => format!(
                "The model's endpoint ended the answer for a reason that is not known here ({reason})."
            ),
            None => "The model's endpoint did not say why the answer ended.".to_owned(),
        });
    }
    Answer {
        output,
        provenance: Provenance {
            provider: provider_label(completion.provider),
            model: completion.model,
            prompt_version: prompt::version(stage).to_owned(),
            usage: completion.usage,
            attempts: completion.attempts,
        },
        warnings,
    }
}

/// The provider's name as the endpoint gives it. The label of the built-in analyst is not the endpoint's to
/// give.
fn provider_label(named: Option<String>) -> String {
    match named {
        Some(name) if name.eq_ignore_ascii_case("extractive") => format!("endpoint:{name}"),
        Some(name) if !name.trim().is_empty() => name,
        _ => "not stated".to_owned(),
    }
}

fn invalid_output(stage: Stage, model: &str, violations: &[String], usage: Usage, attempts: u32) -> LlmError {
    /// The model's answer may be quoted in a violation; a person needs the first few.
    const SHOWN_MAX: usize = 3;
    let shown = violations.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    LlmError {
        code: LlmErrorCode::LlmInvalidOutput,
        message: format!(
            "{model} answered {stage} twice, and neither answer satisfies the schema ({shown}); retry the run, or choose \
             another model with LLM_MODEL"
        ),
        disposition: Disposition::Retry { after: None },
        usage,
        attempts,
    }
}
