//! The analyst that asks a language model.
//!
//! `prompt` writes the prompt, `context_window` fits the document to the model, and `untrusted_text`
//! separates untrusted text from the task. `reading` and `scan` find the answer in a reply, and `parse`
//! judges it. The [`LlmClient`] handles retries, deadlines and money. This analyst asks again only once, if
//! an answer breaks the schema.

mod answer;
mod context_window;
mod options;
mod parse;
mod prompt;
mod question;
mod reading;
mod scan;
#[cfg(test)]
mod tests;
mod untrusted_text;

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::{
    answer::{answer, invalid_output, unknown_cost},
    question::{Question, Refused},
};
pub use self::{
    options::{FenceSecret, ModelOptions},
    parse::parse_answer,
};
use super::{Analyst, AnalystError, Answer, StageInput};
use crate::{
    llm::{Completion, LlmClient, ReplyParts},
    run::Stage,
    stages::StageOutput,
};

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

    /// The hash of everything in a stage's prompt that does not depend on the run.
    #[must_use]
    pub fn prompt_version(stage: Stage) -> &'static str {
        prompt::version(stage)
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
        let (question, warnings) = Question::new(&self.options, stage, input, None)?;
        let first = self.client.complete(&question, input.spend_limit_usd, cancel).await?;
        // A valid answer with too few opportunities is kept, in case the next one is no better.
        let (violations, kept) = match self.judge(&question, &first) {
            Ok(output) => match too_few(&output, input)? {
                None => return Ok(answer(stage, output, first, warnings)),
                Some(violation) => (vec![violation], Some(output)),
            },
            Err(violations) => (violations, None),
        };
        tracing::debug!(
            event = "model_answer_rejected",
            run = %input.run,
            %stage,
            violations = violations.len(),
            "the model's answer breaks the schema; asking once more"
        );
        let second = match (&kept, input.spend_limit_usd.is_some() && first.usage.cost_is_unknown) {
            (None, true) => return Err(unknown_cost(&first).into()),
            (Some(_), true) => None,
            (_, false) => Some(self.ask_again(stage, input, &first, &violations, cancel).await),
        };
        match (second, kept) {
            (Some(Ok(Again { reply, outcome: Ok(output), warnings })), kept) => {
                let items = |output: &StageOutput| output.item_count();
                // An answer that one of two calls gave is the owner's, and no other run's.
                let is_repaired = kept.is_some();
                let output = kept.filter(|kept| items(kept) > items(&output)).unwrap_or(output);
                let warnings = warnings.into_iter().chain(too_few(&output, input)?).collect();
                let answer = answer(stage, output, reply, warnings);
                Ok(Answer { is_first_choice: answer.is_first_choice && !is_repaired, ..answer })
            }
            (second, Some(output)) => {
                // The second call costs money as well, also if it failed.
                let mut reply = first;
                if let Some(Ok(Again { reply: again, .. })) = second {
                    (reply.usage, reply.attempts) = (again.usage, again.attempts);
                } else if let Some(Err(AnalystError::Llm(error))) = second {
                    (reply.usage, reply.attempts) = (error.usage, error.attempts);
                }
                let warnings = warnings.into_iter().chain(violations).collect();
                Ok(Answer { is_first_choice: false, ..answer(stage, output, reply, warnings) })
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
        let (question, warnings) = Question::new(&self.options, stage, input, Some(refused))?;
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

/// A violation that no schema states: fewer opportunities than the lessons of the document allow.
fn too_few(output: &StageOutput, input: &StageInput<'_>) -> Result<Option<String>, AnalystError> {
    match output {
        StageOutput::BrandContextualization(output) => {
            Ok(output.too_few(input.earlier.outputs()?.lessons().len()))
        }
        _ => Ok(None),
    }
}

impl ModelAnalyst {
    /// Judges the answer in a reply, and tells the client about tolerated oddities.
    fn judge(&self, question: &Question<'_>, completion: &Completion) -> Result<StageOutput, Vec<String>> {
        let (output, oddities) = question.judge(&completion.parts, completion.is_finished)?;
        if !oddities.is_empty() {
            self.client.note_oddities(question.input.run, oddities);
        }
        Ok(output)
    }
}

/// The part of a reply that is most likely the answer.
fn said(parts: &ReplyParts) -> &str {
    let texts = [Some(&parts.content), parts.tool_calls.first(), Some(&parts.reasoning)];
    texts.into_iter().flatten().find(|text| !text.trim().is_empty()).map_or("", String::as_str)
}
