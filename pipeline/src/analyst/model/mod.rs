//! The analyst that asks a language model.
//!
//! It writes the prompt ([`prompt`]), fits the document to the model ([`context_window`]), keeps untrusted text apart from
//! the task ([`untrusted_text`]), finds the answer in the reply ([`reading`], [`scan`]) and judges it ([`parse`]). Retries,
//! deadlines and money are the [`LlmClient`]'s business; the one thing asked again here is an answer that breaks the
//! schema, once.

mod context_window;
mod parse;
mod prompt;
mod reading;
mod scan;
#[cfg(test)]
mod tests;
mod untrusted_text;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use parse::parse_answer;
use prompt::Prompt;

use super::{Analyst, AnalystError, Answer, Provenance, StageInput};
use crate::{
    llm::{
        Completion, CompletionRequest, Disposition, LlmClient, LlmError, LlmErrorCode, Oddities, ReplyParts,
        RequestSource, Usage,
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
        // An answer that is complete but too short is kept, in case the next one is no better.
        let (violations, kept) = match self.judge(&question, &first) {
            Ok(output) => match too_few(&output, input)? {
                None => return Ok(answer(stage, output, first, warnings)),
                Some(violation) => (vec![violation], Some(output)),
            },
            Err(violations) => (violations, None),
        };
        tracing::debug!(event = "model_answer_rejected", run = %input.run, %stage, violations = violations.len(), "answer refused; asking once more");
        let second = match (&kept, input.spend_limit_usd.is_some() && first.usage.cost_is_unknown) {
            (None, true) => return Err(unknown_cost(&first).into()),
            (Some(_), true) => None,
            (_, false) => Some(self.ask_again(stage, input, &first, &violations, cancel).await),
        };
        match (second, kept) {
            (Some(Ok(Again { reply, outcome: Ok(output), warnings })), kept) => {
                let items = |output: &StageOutput| output.item_count();
                let output = kept.filter(|kept| items(kept) > items(&output)).unwrap_or(output);
                let warnings = warnings.into_iter().chain(too_few(&output, input)?).collect();
                Ok(answer(stage, output, reply, warnings))
            }
            (second, Some(output)) => {
                // The second call is paid, too, whatever came of it.
                let mut reply = first;
                if let Some(Ok(Again { reply: again, .. })) = second {
                    (reply.usage, reply.attempts) = (again.usage, again.attempts);
                } else if let Some(Err(AnalystError::Llm(error))) = second {
                    (reply.usage, reply.attempts) = (error.usage, error.attempts);
                }
                let warnings = warnings.into_iter().chain(violations).collect();
                Ok(answer(stage, output, reply, warnings))
            }
            (Some(Ok(Again { reply, outcome: Err(violations), .. })), None) => {
                Err(invalid_output(stage, &reply.model, &violations, reply.usage, reply.attempts).into())
            }
            (Some(Err(error)), None) => Err(error),
            (None, None) => Err(AnalystError::Internal("no answer was asked for".to_owned())),
        }
    }
}

/// The reply to the second question. Its usage and attempts include those of the first.
struct Again {
    reply: Completion,
    outcome: Result<StageOutput, Vec<String>>,
    warnings: Vec<String>,
}

impl ModelAnalyst {
    /// Asks once more, with the refused answer and the violations.
    async fn ask_again(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        first: &Completion,
        violations: &[String],
        cancel: &CancellationToken,
    ) -> Result<Again, AnalystError> {
        let refused = Refused { answer: said(&first.parts), violations };
        let (question, warnings) = Question::new(self, stage, input, Some(refused))?;
        let limit_usd = input.spend_limit_usd.map(|limit| (limit - first.usage.cost_usd).max(0.0));
        let second = self.client.complete(&question, limit_usd, cancel).await;
        let mut reply = second.map_err(|mut error| {
            error.usage += first.usage;
            error.attempts += first.attempts;
            error
        })?;
        reply.usage += first.usage;
        reply.attempts += first.attempts;
        let outcome = self.judge(&question, &reply);
        Ok(Again { reply, outcome, warnings })
    }
}

/// A violation that no schema states: fewer opportunities than the lessons of the document carry.
fn too_few(output: &StageOutput, input: &StageInput<'_>) -> Result<Option<String>, AnalystError> {
    match output {
        StageOutput::BrandContextualization(output) => {
            Ok(output.too_few(input.earlier.outputs()?.lessons().len()))
        }
        _ => Ok(None),
    }
}

impl ModelAnalyst {
    /// The answer in a reply; tells the client what had to be tolerated to read it.
    fn judge(&self, question: &Question<'_>, completion: &Completion) -> Result<StageOutput, Vec<String>> {
        let (output, oddities) = question.judge(&completion.parts, completion.is_finished)?;
        if !oddities.is_empty() {
            self.client.note_oddities(question.input.run, oddities);
        }
        Ok(output)
    }
}

/// The part of a reply that was most likely meant as the answer.
fn said(parts: &ReplyParts) -> &str {
    let texts = [Some(&parts.content), parts.tool_calls.first(), Some(&parts.reasoning)];
    texts.into_iter().flatten().find(|text| !text.trim().is_empty()).map_or("", String::as_str)
}

/// An answer that was refused, and why.
#[derive(Debug, Clone, Copy)]
struct Refused<'a> {
    answer: &'a str,
    violations: &'a [String],
}

/// One question to the model. The request is made when it is sent.
struct Question<'a> {
    options: &'a ModelOptions,
    stage: Stage,
    input: &'a StageInput<'a>,
    refused: Option<Refused<'a>>,
    /// Whether other people's text in the prompt may hold an object that looks like an answer.
    holds_answer_keys: bool,
    /// The prompt, until it is sent for the first time.
    prompt: Mutex<Option<Prompt>>,
}

impl<'a> Question<'a> {
    /// The question, and what a reader of its answer should know.
    fn new(
        analyst: &'a ModelAnalyst,
        stage: Stage,
        input: &'a StageInput<'a>,
        refused: Option<Refused<'a>>,
    ) -> Result<(Self, Vec<String>), AnalystError> {
        let options = &analyst.options;
        let question =
            Self { options, stage, input, refused, holds_answer_keys: false, prompt: Mutex::default() };
        let mut prompt = question.prompt()?;
        let warnings = std::mem::take(&mut prompt.warnings);
        let holds_answer_keys = prompt.holds_answer_keys;
        Ok((Self { prompt: Mutex::new(Some(prompt)), holds_answer_keys, ..question }, warnings))
    }

    fn prompt(&self) -> Result<Prompt, AnalystError> {
        let mut prompt = prompt::build(self.stage, self.input, self.options)?;
        if let Some(Refused { answer, violations }) = self.refused {
            prompt.add_refusal(answer, violations);
        }
        Ok(prompt)
    }

    fn judge(&self, parts: &ReplyParts, is_finished: bool) -> Result<(StageOutput, Oddities), Vec<String>> {
        parse::judge(self.stage, parts, is_finished, &|answer| self.stands_in_prompt(answer))
    }

    /// Whether other people's text in the prompt holds this answer, however it is written: a model that repeats it has not
    /// answered, and a document could smuggle in an answer of its own.
    fn stands_in_prompt(&self, answer: &Value) -> bool {
        // What is compared has one spelling of keys, numbers and white space.
        let spelled = |value: Value| {
            let output =
                StageOutput::from_json(self.stage, value).and_then(|output| serde_json::to_string(&output));
            output.map(|text| text.replace("\\n", " ").split_whitespace().collect::<String>()).ok()
        };
        let Some(prompt) =
            self.holds_answer_keys.then(|| prompt::build(self.stage, self.input, self.options))
        else {
            return false;
        };
        let (Ok(prompt), Some(answer)) = (prompt, spelled(answer.clone())) else { return false };
        let schema = schema::of(self.stage);
        let mut theirs = prompt.blocks.iter().flat_map(|block| reading::answers_in(schema, &block.text));
        theirs.any(|value| spelled(value).as_ref() == Some(&answer))
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
            schema: schema.sent.clone(),
            output_tokens_max: self.options.output_tokens_max,
        })
    }

    fn is_answered_by(&self, parts: &ReplyParts, is_finished: bool) -> bool {
        self.judge(parts, is_finished).is_ok()
    }
}

fn answer(stage: Stage, output: StageOutput, completion: Completion, mut warnings: Vec<String>) -> Answer {
    if completion.finish_reason.as_deref() != Some("stop") {
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
            structured_output: Some(completion.structured_output),
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

fn unknown_cost(reply: &Completion) -> LlmError {
    LlmError {
        code: LlmErrorCode::LlmCostLimit,
        message: format!(
            "{} broke the schema, and its endpoint does not state what the answer cost, so that \
             LLM_MAX_COST_PER_RUN_USD cannot be kept; unset the limit, or use an endpoint that states costs or prices",
            reply.model
        ),
        disposition: Disposition::Fail,
        usage: reply.usage,
        attempts: reply.attempts,
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
