//! The result of a question: an answer with its provenance, or an error with the next step.

use super::prompt;
use crate::{
    analyst::{Answer, Provenance},
    llm::{Completion, Disposition, LlmError, LlmErrorCode, Usage},
    run::Stage,
    stages::StageOutput,
};

pub(super) fn answer(
    stage: Stage,
    output: StageOutput,
    completion: Completion,
    mut warnings: Vec<String>,
) -> Answer {
    if completion.finish_reason.as_deref() != Some("stop") {
        warnings.push(match &completion.finish_reason {
            Some(reason) => format!(
                "The model's endpoint ended the answer for a reason that is not known here ({reason})."
            ),
            None => "The model's endpoint did not say why the answer ended.".to_owned(),
        });
    }
    let is_first_choice = completion.is_finished && completion.finish_reason.as_deref() == Some("stop");
    Answer {
        output,
        provenance: Provenance {
            provider: provider_label(completion.provider),
            model: completion.model,
            prompt_version: prompt::version(stage).to_owned(),
            usage: completion.usage,
            attempts: completion.attempts,
            structured_output: Some(completion.structured_output),
            reuse: None,
        },
        warnings,
        is_first_choice,
    }
}

/// The provider's name as the endpoint gives it. An endpoint must not use the name of the built-in analyst.
fn provider_label(named: Option<String>) -> String {
    match named {
        Some(name) if name.eq_ignore_ascii_case("extractive") => format!("endpoint:{name}"),
        Some(name) if !name.trim().is_empty() => name,
        _ => "not stated".to_owned(),
    }
}

pub(super) fn unknown_cost(reply: &Completion) -> LlmError {
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

pub(super) fn invalid_output(
    stage: Stage,
    model: &str,
    violations: &[String],
    usage: Usage,
    attempts: u32,
) -> LlmError {
    /// How many violations a message shows. A violation may quote the model's answer, and a person needs only
    /// the first few.
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
