//! The ladder of structured output: strict schema, JSON mode, or the prompt alone.
//!
//! If an endpoint refuses a level, the client tries the next one. A step down removes only `response_format`
//! and `require_parameters`. The constraints on providers and prices stay in every request.

use std::{collections::HashMap, str::FromStr, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use pipeline::{clock::Clock, llm::StructuredOutput};

use super::fault::Upstream;

/// How long a lower level is remembered for a model. It is long enough that refusals cost nothing. It is
/// short enough to return soon to the strict level of a repaired endpoint.
const REMEMBERED_FOR: Duration = Duration::from_secs(3_600);
/// The most remembered models. A process uses only a few.
const MODELS_MAX: usize = 256;

/// `LLM_STRUCTURED_OUTPUT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StructuredOutputSetting {
    /// The strictest level that the endpoint accepts.
    #[default]
    Auto,
    /// This level only.
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

/// One level of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) structured_output: StructuredOutput,
    /// Whether only providers that support every parameter may answer. Others would ignore the schema.
    pub(super) requires_parameters: bool,
    /// Whether the limit is called `max_completion_tokens`. OpenAI's own endpoint refuses the older name for
    /// new models.
    pub(super) limits_completion: bool,
    /// The most output tokens that the endpoint permits, if it has stated a limit.
    pub(super) output_tokens_max: Option<u32>,
    /// Whether to request the usage of a stream.
    pub(super) asks_for_usage: bool,
    /// Whether to mark what the provider should cache, where the model knows such marks.
    pub(super) marks_cache: bool,
    /// Whether to name the trace and the session of a traced call.
    pub(super) names_trace: bool,
}

impl Level {
    pub(super) const fn of(structured_output: StructuredOutput) -> Self {
        Self {
            structured_output,
            requires_parameters: !matches!(structured_output, StructuredOutput::Text),
            limits_completion: false,
            output_tokens_max: None,
            asks_for_usage: true,
            marks_cache: true,
            names_trace: true,
        }
    }
}

/// The levels that the models are known to need.
#[derive(Debug)]
pub(super) struct Ladder {
    setting: StructuredOutputSetting,
    /// `LLM_PROMPT_CACHE`
    marks_cache: bool,
    clock: Arc<dyn Clock>,
    /// Each until this reading of the monotonic clock.
    known: Mutex<HashMap<String, (Level, Duration)>>,
}

impl Ladder {
    pub(super) fn new(setting: StructuredOutputSetting, marks_cache: bool, clock: Arc<dyn Clock>) -> Self {
        Self { setting, marks_cache, clock, known: Mutex::default() }
    }

    /// The first level to try with a model.
    pub(super) fn level(&self, model: &str) -> Level {
        let mut known = self.lock();
        let now = self.clock.monotonic();
        known.retain(|_, (_, until)| *until > now);
        known.get(model).map_or_else(|| self.top(), |(level, _)| *level)
    }

    /// The next level after this refusal. None if the refusal has another reason, or if nothing is left to
    /// remove.
    pub(super) fn below(&self, level: Level, refusal: &Upstream) -> Option<Level> {
        let next = match objection(refusal)? {
            Objection::Routing => Level { requires_parameters: false, ..level },
            Objection::LimitName => Level { limits_completion: true, ..level },
            Objection::UsageOption => Level { asks_for_usage: false, ..level },
            Objection::CacheMark => Level { marks_cache: false, ..level },
            Objection::TraceMembers => Level { names_trace: false, ..level },
            Objection::LimitValue(most) => Level { output_tokens_max: Some(most), ..level },
            Objection::Schema => match (self.setting, level.structured_output) {
                (StructuredOutputSetting::Only(_), _) | (_, StructuredOutput::Text) => return None,
                (_, StructuredOutput::Strict) => Level { structured_output: StructuredOutput::Json, ..level },
                (_, StructuredOutput::Json) => {
                    Level { structured_output: StructuredOutput::Text, requires_parameters: false, ..level }
                }
            },
        };
        // Accept a limit once only. An endpoint that names another limit each time would cause an endless
        // loop.
        let moves_limit =
            level.output_tokens_max.is_some() && next.output_tokens_max != level.output_tokens_max;
        (next != level && !moves_limit).then_some(next)
    }

    /// Remembers that the model answered at this level.
    pub(super) fn remember(&self, model: &str, level: Level) {
        let mut known = self.lock();
        let is_known = known.get(model).is_some_and(|(known, _)| *known == level);
        if is_known || level == self.top() {
            return;
        }
        if known.len() >= MODELS_MAX {
            known.clear();
        }
        known.insert(model.to_owned(), (level, self.clock.monotonic() + REMEMBERED_FOR));
    }

    fn top(&self) -> Level {
        let level = Level::of(match self.setting {
            StructuredOutputSetting::Auto => StructuredOutput::Strict,
            StructuredOutputSetting::Only(only) => only,
        });
        Level { marks_cache: self.marks_cache, ..level }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Level, Duration)>> {
        self.known.lock()
    }
}

/// Why an endpoint refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Objection {
    /// The schema, or structured output in general.
    Schema,
    /// OpenRouter's member `provider`, which other endpoints do not know.
    Routing,
    /// The name `max_tokens`.
    LimitName,
    /// More output tokens than this.
    LimitValue(u32),
    /// `stream_options`.
    UsageOption,
    /// `cache_control`, or content in parts, which only the marks need.
    CacheMark,
    /// OpenRouter's members `trace` and `session_id`, which other endpoints do not know.
    TraceMembers,
}

/// Words for structured output by OpenAI, Anthropic, Google, OpenRouter, vLLM, llama.cpp and others.
const SCHEMA_WORDS: [&str; 20] = [
    "failed to generate json",
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
/// How endpoints say that they take a message's content as one text only.
const WANTS_TEXT: [&str; 3] = ["must be a string", "should be a valid string", "expected a string"];
/// Words for another fault, whatever other words the message has.
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
    let names_trace =
        said.split(|c: char| !c.is_alphanumeric()).any(|word| word == "trace") || says(&["session id"]);
    let names_limit = says(&["max tokens", "max completion tokens", "max output tokens", "max new tokens"]);
    match refusal.status {
        Some(400 | 422) if says(&["stream options", "include usage"]) => Some(Objection::UsageOption),
        Some(400 | 422) if says(&["cache control"]) || (says(&["content"]) && says(&WANTS_TEXT)) => {
            Some(Objection::CacheMark)
        }
        Some(400 | 422)
            if names_limit && says(&["use 'max completion tokens'", "max completion tokens' instead"]) =>
        {
            Some(Objection::LimitName)
        }
        Some(400 | 422) if names_limit => largest_limit(&said).map(Objection::LimitValue),
        None | Some(400 | 405 | 415 | 422 | 500 | 501) if says(&SCHEMA_WORDS) => Some(Objection::Schema),
        Some(400 | 422) if names_routing && is_unknown_member => Some(Objection::Routing),
        Some(400 | 422) if names_trace && is_unknown_member => Some(Objection::TraceMembers),
        Some(400 | 404 | 422 | 503) if says(&["no endpoint", "no provider"]) && says(&["parameter"]) => {
            Some(Objection::Schema)
        }
        Some(404) if says(&SCHEMA_WORDS) => Some(Objection::Schema),
        _ => None,
    }
}

/// The largest number in a refusal that is below this program's own limit: "[1, 8192]", "at most 4096".
fn largest_limit(said: &str) -> Option<u32> {
    /// A stage's answer needs more than this.
    const LEAST: u32 = 512;
    /// Our own limit, which refusals repeat.
    const MOST: u32 = 16_000;
    let numbers = said.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u32>().ok());
    numbers.filter(|number| (LEAST..MOST).contains(number)).max()
}

#[cfg(test)]
mod tests {
    use foundation::clock::SystemClock;

    use super::*;

    fn refusal(status: u16, message: &str) -> Upstream {
        Upstream { status: Some(status), message: message.to_owned(), ..Upstream::default() }
    }

    #[test]
    fn schema_refusals_differ_from_others() {
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
        for message in [
            "Unrecognized request argument supplied: trace",
            "body.session_id: Extra inputs are not permitted",
        ] {
            assert_eq!(objection(&refusal(400, message)), Some(Objection::TraceMembers), "{message}");
        }
        let limit = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.";
        for (message, most) in [
            ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8_192),
            ("max_tokens is too large: 16000. This model supports at most 4096 completion tokens", 4_096),
        ] {
            assert_eq!(objection(&refusal(400, message)), Some(Objection::LimitValue(most)), "{message}");
        }
        assert_eq!(
            objection(&refusal(400, "Unknown parameter: stream_options")),
            Some(Objection::UsageOption)
        );
        assert_eq!(objection(&refusal(400, limit)), Some(Objection::LimitName));
        for message in [
            "messages.1.content.0.text.cache_control: Extra inputs are not permitted",
            "messages[1].content must be a string",
        ] {
            assert_eq!(objection(&refusal(400, message)), Some(Objection::CacheMark), "{message}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lowered_level_lasts_for_an_hour() {
        let ladder = Ladder::new(StructuredOutputSetting::Auto, true, Arc::new(SystemClock::default()));
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
        let ladder = Ladder::new("strict".parse().unwrap(), true, Arc::new(SystemClock::default()));
        let level = ladder.level("a/b");
        assert_eq!(ladder.below(level, &refusal(400, "bad schema")), None);
        let unknown = refusal(400, "Unknown parameter: 'provider'");
        let without = ladder.below(level, &unknown).unwrap();
        assert_eq!(without, Level { requires_parameters: false, ..level });
        assert_eq!(ladder.below(without, &unknown), None);
    }
}
