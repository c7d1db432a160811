//! The figures of a call to the model.

use std::time::Duration;

use pipeline::llm::Usage;

use super::{
    counted::COUNTED,
    labels::{ModelLabels, TokenLabels},
    waits::observe,
};

/// The one operation that this service asks of models.
const OPERATION: &str = "chat";

/// Notes how long a call took, and its tokens if they were counted. `error_type` is empty for an answer.
pub fn model_called(
    provider: &'static str,
    model: &str,
    error_type: &'static str,
    took: Duration,
    usage: &Usage,
) {
    let labels = ModelLabels {
        gen_ai_operation_name: OPERATION,
        gen_ai_provider_name: provider,
        gen_ai_request_model: model.to_owned(),
        error_type,
    };
    observe(&COUNTED.waits.model, &labels, took);
    for (gen_ai_token_type, count) in [("input", usage.prompt_tokens), ("output", usage.completion_tokens)] {
        if count > 0 {
            let labels = TokenLabels {
                gen_ai_operation_name: OPERATION,
                gen_ai_provider_name: provider,
                gen_ai_request_model: model.to_owned(),
                gen_ai_token_type,
            };
            #[expect(clippy::cast_precision_loss, reason = "a count of tokens")]
            COUNTED.waits.tokens.get_or_create(&labels).observe(count as f64);
        }
    }
}
