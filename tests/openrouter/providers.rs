//! Whole runs, with default settings, against the rules of each provider, endpoints without structured output, models
//! that do not keep to bounds, and everything that may surround an answer.

use std::process::Output;

use serde_json::Value;

use super::*;
use crate::support::{
    Run, STAGE_FILES, assert_ok,
    openrouter::{Bound, Endpoint, Model, Noise, Provider, UsageForm, Violates},
    sample, stderr,
};

/// A run of the binary against the double.
struct Case {
    fake_model: FakeModel,
    run: Run,
}

impl Case {
    fn new(options: Options) -> Self {
        Self { fake_model: FakeModel::start(options), run: Run::new() }
    }

    fn with(provider: Provider) -> Self {
        Self::new(Options { provider, ..Options::default() })
    }

    fn run(&self, variables: &[(&str, &str)]) -> Output {
        let mut command = self.run.command(&sample("spotted-innovation.md"), "lactalis-canada", &["--json"]);
        command.env("OPENROUTER_API_KEY", KEY).env("OPENROUTER_BASE_URL", self.fake_model.base_url());
        command.envs(variables.iter().copied()).output().unwrap()
    }

    fn completes(&self, variables: &[(&str, &str)]) {
        assert_ok(&self.run(variables));
        assert_eq!(self.run.json(STAGE_FILES[0])["meta"]["grounding"]["share"], 1.0);
    }

    /// The run's error code.
    fn fails(&self, variables: &[(&str, &str)]) -> String {
        let output = self.run(variables);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        told["error"]["code"].as_str().unwrap().to_owned()
    }

    /// The kinds of `response_format` that were asked for, in order.
    fn formats(&self) -> Vec<String> {
        let format = |request: &crate::support::openrouter::Recorded| {
            request.body["response_format"]["type"].as_str().unwrap_or("none").to_owned()
        };
        self.fake_model.requests().iter().map(format).collect()
    }

    fn refused(&self) -> usize {
        self.fake_model.calls() - self.fake_model.paid()
    }
}

#[test]
fn a_run_completes_within_each_strict_mode() {
    for (provider, model) in [
        (Provider::OpenAi, "openai/gpt-5-mini"),
        (Provider::Anthropic, "anthropic/claude-sonnet-4.5"),
        (Provider::Google, "google/gemini-2.5-flash"),
    ] {
        let case = Case::with(provider);
        case.completes(&[("LLM_MODEL", model)]);
        assert_eq!((case.fake_model.paid(), case.refused()), (4, 0), "{provider:?}");
        assert_eq!(case.formats(), ["json_schema"; 4]);
        for file in STAGE_FILES {
            assert_eq!(case.run.json(file)["meta"]["warnings"], serde_json::json!([]), "{provider:?} {file}");
        }
    }
}

#[test]
fn a_run_completes_where_schemas_are_not_taken() {
    for (provider, last) in [
        (Provider::OlderGoogle, "json_object"),
        (Provider::JsonModeOnly, "json_object"),
        (Provider::TextOnly, "none"),
        (Provider::NoParameters, ""),
    ] {
        let case = Case::with(provider);
        case.completes(&[]);
        let formats = case.formats();
        assert!(last.is_empty() || formats.last().unwrap() == last, "{provider:?}: {formats:?}");
        // Each step down is found once, and remembered for the stages after it.
        assert!(
            case.fake_model.paid() == 4 && (1..=2).contains(&case.refused()),
            "{provider:?}: {formats:?}"
        );
    }
}

#[test]
fn a_run_completes_where_the_format_is_ignored() {
    let case = Case::with(Provider::Ignoring);
    case.completes(&[]);
    assert_eq!((case.fake_model.paid(), case.refused()), (4, 0));
}

#[test]
fn the_format_is_asked_for_as_configured() {
    for (setting, format) in [("strict", "json_schema"), ("json", "json_object"), ("text", "none")] {
        let case = Case::with(Provider::Lenient);
        case.completes(&[("LLM_STRUCTURED_OUTPUT", setting)]);
        assert_eq!(case.formats(), [format; 4]);
    }
    let case = Case::with(Provider::TextOnly);
    case.fails(&[("LLM_STRUCTURED_OUTPUT", "strict")]);
    assert_eq!(case.formats(), ["json_schema"], "a set format is not left");
}

#[test]
fn a_step_down_keeps_every_other_constraint() {
    for provider in [Provider::JsonModeOnly, Provider::TextOnly, Provider::NoParameters] {
        let case = Case::with(provider);
        case.completes(&[]);
        let constraints = |body: &Value| {
            let mut kept = body["provider"].as_object().cloned().unwrap_or_default();
            kept.remove("require_parameters");
            kept
        };
        let requests = case.fake_model.requests();
        for request in &requests {
            assert_eq!(constraints(&request.body), constraints(&requests[0].body), "{provider:?}");
            assert_eq!(request.body["max_tokens"], requests[0].body["max_tokens"]);
        }
    }
}

#[test]
fn a_constraint_is_sent_and_named_on_failure() {
    let endpoint =
        Endpoint { slug: Some("acme"), keeps_no_data: false, trains_on_data: true, ..Endpoint::default() };
    for (variable, value, member) in [
        ("LLM_ZERO_DATA_RETENTION", "true", "zdr"),
        ("LLM_DATA_COLLECTION", "deny", "data_collection"),
        ("LLM_PROVIDER_ONLY", "nobody", "only"),
        ("LLM_MAX_PRICE_PROMPT_USD", "0", "max_price"),
    ] {
        for provider in [Provider::Lenient, Provider::TextOnly] {
            let case = Case::new(Options { provider, endpoint: endpoint.clone(), ..Options::default() });
            let output = case.run(&[(variable, value)]);
            let told: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(told["error"]["code"], "LLM_ERROR", "{variable}");
            assert!(told["error"]["message"].as_str().unwrap().contains(variable), "{told}");
            assert_eq!(case.fake_model.paid(), 0, "{variable}: nobody else is asked");
            let requests = case.fake_model.requests();
            assert!(
                requests.iter().all(|request| request.body["provider"].get(member).is_some()),
                "{variable}"
            );
        }
    }
    let case = Case::with(Provider::Lenient);
    case.completes(&[("LLM_REASONING_EFFORT", "low"), ("LLM_PROVIDER_ORDER", "a,b")]);
    let body = &case.fake_model.requests()[0].body;
    assert_eq!(body["reasoning"], serde_json::json!({"effort": "low"}));
    assert_eq!(body["provider"]["order"], serde_json::json!(["a", "b"]));
}

#[test]
fn the_record_says_how_the_model_was_held() {
    for (provider, level) in
        [(Provider::Lenient, "strict"), (Provider::JsonModeOnly, "json"), (Provider::TextOnly, "text")]
    {
        let case = Case::with(provider);
        case.completes(&[]);
        for file in STAGE_FILES {
            assert_eq!(case.run.json(file)["meta"]["structured_output"], level, "{provider:?} {file}");
        }
    }
}

#[test]
fn a_broken_bound_is_requested_again_with_path() {
    for bound in [Bound::TooManyItems, Bound::NoItems, Bound::TooLong, Bound::Empty] {
        let case = Case::new(Options { violates: Violates::OnceEachStage(bound), ..Options::default() });
        case.completes(&[]);
        assert_eq!(case.fake_model.paid(), 8, "{bound:?}");
        let again = case.fake_model.requests()[1].body["messages"].to_string();
        assert!(again.contains("/inspirations"), "{bound:?}");

        let case = Case::new(Options { violates: Violates::Always(bound), ..Options::default() });
        assert_eq!(case.fails(&[]), "LLM_INVALID_OUTPUT");
        assert_eq!(case.fake_model.paid(), 2, "{bound:?}");
    }
}

#[test]
fn a_run_completes_amid_all_noise_at_once() {
    for streams in [true, false] {
        let case = Case::new(Options { streams, noise: Noise::ALL.to_vec(), ..Options::default() });
        case.completes(&[]);
        assert_eq!(case.fake_model.paid(), 4, "streamed: {streams}");
    }
}

#[tokio::test]
async fn no_single_noise_costs_an_attempt() {
    let mut wrong = Vec::new();
    for noise in Noise::ALL {
        for streams in [true, false] {
            let fake_model = FakeModel::start(Options { streams, noise: vec![noise], ..Options::default() });
            let quiet = FakeModel::start(Options { streams, ..Options::default() });
            let expected = ask(config(&quiet)).await.unwrap().parts.content;
            match ask(config(&fake_model)).await {
                Ok(completion) if completion.parts.content == expected && completion.attempts == 1 => {}
                other => wrong.push((noise, streams, other.map(|completion| completion.attempts))),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_answer_is_found_in_each_wrapping() {
    for wrapping in [
        Wrapping::LeadingNewlines,
        Wrapping::CodeFence,
        Wrapping::AfterProse,
        Wrapping::ByteOrderMark,
        Wrapping::AfterDraft,
        Wrapping::InReasoning,
        Wrapping::InToolCall,
    ] {
        for streams in [true, false] {
            let case = Case::new(Options { streams, ..Options::default() });
            case.fake_model.script(vec![Reply::Answer(wrapping); 4]);
            case.completes(&[]);
            assert_eq!(case.fake_model.paid(), 4, "{wrapping:?}");
        }
    }
}

/// Prices at which the first call uses the limit up.
fn dear() -> Vec<Model> {
    vec![Model::priced("anthropic/claude-sonnet-4.5", "0.01", "0.02")]
}

#[test]
fn a_cost_limit_holds_for_every_usage_form() {
    for usage in UsageForm::ALL {
        let case = Case::new(Options { usage, cost_usd: 0.6, models: dear(), ..Options::default() });
        let code = case.fails(&[("LLM_MAX_COST_PER_RUN_USD", "0.50")]);
        assert!(["LLM_COST_LIMIT", "LLM_CREDITS"].contains(&code.as_str()), "{usage:?}: {code}");
        assert!(case.fake_model.paid() <= 1, "{usage:?}");
    }
}

#[test]
fn an_unknown_cost_stops_a_limited_run() {
    for usage in [UsageForm::OpenAi, UsageForm::Anthropic, UsageForm::Absent] {
        let case = Case::new(Options { usage, models: Vec::new(), ..Options::default() });
        case.fails(&[("LLM_MAX_COST_PER_RUN_USD", "0.50")]);
        assert!(case.fake_model.paid() <= 1, "{usage:?}");
        // Without a limit nothing is stopped.
        case.completes(&[]);
    }
}

#[test]
fn a_missing_cost_is_estimated_from_prices() {
    for usage in [UsageForm::OpenAi, UsageForm::Anthropic] {
        let case = Case::new(Options { usage, models: dear(), ..Options::default() });
        case.completes(&[]);
        let cost = case.run.json(STAGE_FILES[0])["meta"]["usage"]["cost_usd"].as_f64();
        assert!(cost.is_some_and(|cost| cost > 1.0), "{usage:?}: {cost:?}");
    }
}
