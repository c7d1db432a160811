//! One question to a model: its request, and the judgement of a reply to it.

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;

use super::{
    options::ModelOptions,
    parse,
    prompt::{self, Prompt},
    reading,
};
use crate::{
    analyst::{AnalystError, StageInput},
    llm::{
        CompletionRequest, Disposition, LlmError, LlmErrorCode, Oddities, ReplyParts, RequestSource, Usage,
    },
    run::Stage,
    stages::{StageOutput, schema},
};

/// A refused answer, with its violations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused<'a> {
    pub(super) answer: &'a str,
    pub(super) violations: &'a [String],
}

/// One question to the model. The request is made when it is sent.
pub(super) struct Question<'a> {
    options: &'a ModelOptions,
    stage: Stage,
    pub(super) input: &'a StageInput<'a>,
    refused: Option<Refused<'a>>,
    /// Whether untrusted text in the prompt may hold an object that looks like an answer.
    holds_answer_keys: bool,
    /// The prompt, until it is sent for the first time.
    prompt: Mutex<Option<Prompt>>,
}

impl<'a> Question<'a> {
    /// The question, and the warnings for its answer.
    pub(super) fn new(
        options: &'a ModelOptions,
        stage: Stage,
        input: &'a StageInput<'a>,
        refused: Option<Refused<'a>>,
    ) -> Result<(Self, Vec<String>), AnalystError> {
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
            prompt.add_refusal(self.options, answer, violations);
        }
        Ok(prompt)
    }

    pub(super) fn judge(
        &self,
        parts: &ReplyParts,
        is_finished: bool,
    ) -> Result<(StageOutput, Oddities), Vec<String>> {
        parse::judge(self.stage, parts, is_finished, &|answer| self.stands_in_prompt(answer))
    }

    /// Whether untrusted text in the prompt holds this answer, in any spelling. A model that repeats it has
    /// not answered, and a document could smuggle in an answer.
    fn stands_in_prompt(&self, answer: &Value) -> bool {
        // Both sides are compared in one spelling of keys, numbers and white space.
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

#[async_trait]
impl RequestSource for Question<'_> {
    fn request(&self) -> Result<CompletionRequest, LlmError> {
        let first = self.prompt.lock().take();
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

    async fn may_be_sent(&self) -> bool {
        match self.input.lease {
            Some(lease) => lease.is_held().await,
            None => true,
        }
    }

    fn is_answered_by(&self, parts: &ReplyParts, is_finished: bool) -> bool {
        self.judge(parts, is_finished).is_ok()
    }
}
