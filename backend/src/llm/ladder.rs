//! How a model is held to the schema: strictly, by JSON mode, or by the prompt alone.
//!
//! An endpoint that refuses the stricter way is asked in the next one. A step removes only `response_format` and
//! `require_parameters`; what keeps a document from a provider or a price from rising stays in every request.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pipeline::llm::StructuredOutput;
use tokio::time::Instant;

use super::fault::Upstream;

/// How long a lower level is kept for a model: long enough that refusals cost nothing, short enough that a repaired
/// endpoint is used well again.
const REMEMBERED_FOR: Duration = Duration::from_secs(3_600);
/// The most models that are remembered; a process asks a handful.
const MODELS_MAX: usize = 256;

/// `LLM_STRUCTURED_OUTPUT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StructuredOutputSetting {
    /// The strictest way that the endpoint takes.
    #[default]
    Auto,
    /// This way only.
    Only(StructuredOutput),
}

impl FromStr for StructuredOutputSetting {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "auto" => Self::Auto,
            "strict" => Self::Only(StructuredOutput::Strict),
            "json" => Self::Only(StructuredOutput::Json),
            "text" => Self::Only(StructuredOutput::Text),
            _ => return Err(()),
        })
    }
}

/// One rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) structured_output: StructuredOutput,
    /// Whether only providers are asked that know every parameter: others would ignore the schema.
    pub(super) requires_parameters: bool,
    /// Whether the limit is named `max_completion_tokens`: OpenAI's own endpoint refuses the older name for new models.
    pub(super) limits_completion: bool,
}

impl Level {
    const fn of(structured_output: StructuredOutput) -> Self {
        Self {
            structured_output,
            requires_parameters: !matches!(structured_output, StructuredOutput::Text),
            limits_completion: false,
        }
    }
}

/// The levels that models have been found to need.
#[derive(Debug)]
pub(super) struct Ladder {
    setting: StructuredOutputSetting,
    known: Mutex<HashMap<String, (Level, Instant)>>,
}

impl Ladder {
    pub(super) fn new(setting: StructuredOutputSetting) -> Self {
        Self { setting, known: Mutex::default() }
    }

    /// The level at which a model is asked first.
    pub(super) fn level(&self, model: &str) -> Level {
        let mut known = self.lock();
        known.retain(|_, (_, until)| *until > Instant::now());
        known.get(model).map_or_else(|| self.top(), |(level, _)| *level)
    }

    /// The next level after this refusal; none where the refusal is about something else, or nothing is left to remove.
    pub(super) fn below(&self, level: Level, refusal: &Upstream) -> Option<Level> {
        match objection(refusal)? {
            Objection::Routing if level.requires_parameters => {
                Some(Level { requires_parameters: false, ..level })
            }
            Objection::Routing => None,
            Objection::LimitName => {
                (!level.limits_completion).then_some(Level { limits_completion: true, ..level })
            }
            Objection::Schema => match (self.setting, level.structured_output) {
                (StructuredOutputSetting::Only(_), _) | (_, StructuredOutput::Text) => None,
                (_, StructuredOutput::Strict) => {
                    Some(Level { structured_output: StructuredOutput::Json, ..level })
                }
                (_, StructuredOutput::Json) => Some(Level {
                    limits_completion: level.limits_completion,
                    ..Level::of(StructuredOutput::Text)
                }),
            },
        }
    }

    /// The model has answered at this level.
    pub(super) fn remember(&self, model: &str, level: Level) {
        let mut known = self.lock();
        if level == self.top() || known.contains_key(model) {
            return;
        }
        if known.len() >= MODELS_MAX {
            known.clear();
        }
        known.insert(model.to_owned(), (level, Instant::now() + REMEMBERED_FOR));
    }

    fn top(&self) -> Level {
        Level::of(match self.setting {
            StructuredOutputSetting::Auto => StructuredOutput::Strict,
            StructuredOutputSetting::Only(only) => only,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Level, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason for which an endpoint refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Objection {
    /// The schema, or structured output at all.
    Schema,
    /// OpenRouter's member `provider`, which other endpoints do not know.
    Routing,
    /// The name `max_tokens`.
    LimitName,
}

/// Words of OpenAI, Anthropic, Google, OpenRouter, vLLM, llama.cpp and others for structured output.
const SCHEMA_WORDS: [&str; 19] = [
    "response format",
    "responseformat",
    "response schema",
    "responseschema",
    "json schema",
    "schema",
    "structured output",
    "json mode",
    "json object",
    "json output",
    "output config",
    "output format",
    "response mime type",
    "grammar",
    "guided json",
    "guided decoding",
    "constrained decoding",
    "additionalproperties",
    "support json",
];
/// These name another fault, whatever other words stand beside them.
const OTHER_FAULTS: [&str; 6] =
    ["context length", "context window", "prompt is too long", "too many tokens", "data policy", "max price"];

fn objection(refusal: &Upstream) -> Option<Objection> {
    let parameter = refusal.parameter.as_deref().unwrap_or_default();
    let said = format!("{} {parameter}", refusal.message).to_lowercase().replace(['_', '-'], " ");
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&OTHER_FAULTS) {
        return None;
    }
    let is_unknown_member =
        says(&["unrecognized", "unknown", "unexpected", "extra input", "not permitted", "unsupported"]);
    let names_routing = says(&["require parameters"])
        || said.split(|c: char| !c.is_alphanumeric()).any(|word| word == "provider");
    match refusal.status {
        Some(400 | 422) if says(&["max completion tokens"]) => Some(Objection::LimitName),
        Some(400 | 405 | 415 | 422 | 500 | 501) if says(&SCHEMA_WORDS) => Some(Objection::Schema),
        Some(400 | 422) if names_routing && is_unknown_member => Some(Objection::Routing),
        Some(400 | 404 | 422 | 503) if says(&["no endpoint", "no provider"]) && says(&["parameter"]) => {
            Some(Objection::Schema)
        }
        Some(404) if says(&SCHEMA_WORDS) => Some(Objection::Schema),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, message: &str) -> Upstream {
        Upstream { status: Some(status), message: message.to_owned(), ..Upstream::default() }
    }

    #[test]
    fn refusals_of_the_schema_are_told_from_others() {
        for (status, message) in [
            (
                400,
                "Invalid schema for response_format 'x': In context=('properties',), schema must have a 'type' key.",
            ),
            (400, "output_config.format.schema: For 'array' type, property 'maxItems' is not supported"),
            (
                400,
                "Invalid JSON payload received. Unknown name \"additionalProperties\" at 'generation_config'",
            ),
            (400, "This model does not support response_format"),
            (400, "'json_schema' is not supported by this model"),
            (404, "No endpoints found that can handle the requested parameters."),
            (404, "No endpoints found that support the parameters"),
            (422, "Structured outputs are not available"),
            (500, "Failed to compile grammar"),
        ] {
            assert_eq!(objection(&refusal(status, message)), Some(Objection::Schema), "{message}");
        }
        for (status, message) in [
            (400, "as scripted"),
            (400, "This model's maximum context length is 8192 tokens, with the schema you sent 9000"),
            (404, "No endpoints found matching your data policy"),
            (404, "No endpoints found for acme/one."),
            (401, "Invalid API key for the schema"),
            (429, "schema"),
        ] {
            assert_eq!(objection(&refusal(status, message)), None, "{message}");
        }
        let by_parameter =
            Upstream { parameter: Some("response_format".to_owned()), ..refusal(400, "Bad request") };
        assert_eq!(objection(&by_parameter), Some(Objection::Schema));
        let by_location = Upstream {
            parameter: Some("body.provider".to_owned()),
            ..refusal(422, "Extra inputs are not permitted")
        };
        assert_eq!(objection(&by_location), Some(Objection::Routing));
        let routing = refusal(400, "Unrecognized request argument supplied: provider");
        assert_eq!(objection(&routing), Some(Objection::Routing));
        let limit = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.";
        assert_eq!(objection(&refusal(400, limit)), Some(Objection::LimitName));
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_goes_down_and_is_kept_for_an_hour() {
        let ladder = Ladder::new(StructuredOutputSetting::Auto);
        let no_schema = refusal(400, "response_format is not supported");
        let strict = ladder.level("a/b");
        let json = ladder.below(strict, &no_schema).unwrap();
        let text = ladder.below(json, &no_schema).unwrap();
        assert_eq!(strict, Level::of(StructuredOutput::Strict));
        assert_eq!(json, Level::of(StructuredOutput::Json));
        assert_eq!(text, Level::of(StructuredOutput::Text));
        assert_eq!(ladder.below(text, &no_schema), None);

        ladder.remember("a/b", text);
        assert_eq!(ladder.level("a/b"), text);
        assert_eq!(ladder.level("other"), strict, "each model has its own");
        tokio::time::advance(REMEMBERED_FOR).await;
        assert_eq!(ladder.level("a/b"), strict);
    }

    #[test]
    fn a_setting_keeps_its_level() {
        let ladder = Ladder::new("strict".parse().unwrap());
        let level = ladder.level("a/b");
        assert_eq!(ladder.below(level, &refusal(400, "bad schema")), None);
        let unknown = refusal(400, "Unknown parameter: 'provider'");
        let without = ladder.below(level, &unknown).unwrap();
        assert_eq!(without, Level { requires_parameters: false, ..level });
        assert_eq!(ladder.below(without, &unknown), None);
    }
}
