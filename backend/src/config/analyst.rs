//! The analyst's settings: which analyst answers, and how the model's endpoint is reached.

use std::{str::FromStr, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::{network::is_private_host, process::Environment, reader::Reader};
use crate::llm::{DataCollection, ReasoningEffort, Routing, StructuredOutputSetting};

/// The model, unless `LLM_MODEL` names another.
const DEFAULT_MODEL: &str = "anthropic/claude-sonnet-4.5";

/// The endpoint, unless `OPENROUTER_BASE_URL` names another.
const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";

/// The longest wait for the model while a run keeps its place in a worker.
const SERVICE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The choice of analyst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AnalystChoice {
    /// The model if there is a key, else the extractive analyst.
    Auto,
    Extractive,
    Model,
}

impl FromStr for AnalystChoice {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "extractive" => Ok(Self::Extractive),
            "model" => Ok(Self::Model),
            _ => Err(()),
        }
    }
}

/// The analyst's settings.
#[derive(Debug, Clone)]
pub struct AnalystConfig {
    pub choice: AnalystChoice,
    pub api_key: Option<SecretString>,
    pub base_url: String,
    pub model: String,
    pub fallback_models: Vec<String>,
    /// How the model is made to follow the schema.
    pub structured_output: StructuredOutputSetting,
    /// Whether the provider should cache what several requests share.
    pub prompt_cache: bool,
    /// The permitted providers, their prices, and the amount of reasoning.
    pub routing: Routing,
    /// The total time limit of one call, retries included.
    pub timeout: Duration,
    /// How long a run may wait for a model that is away.
    pub outage_deadline: Duration,
    /// The longest wait within a call. The service lets a run wait in the queue instead.
    pub model_wait_max: Duration,
    /// The most US dollars that one run may cost.
    pub cost_per_run_usd_max: Option<f64>,
    /// Whether the extractive analyst may answer when no model works.
    pub offline_fallback: bool,
    /// The key of the markers around untrusted text in prompts. Without one, each process has its own.
    pub fence_secret: Option<SecretString>,
}

impl AnalystConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment) -> Self {
        let choice =
            reader.value("ANALYST", AnalystChoice::Auto, "must be auto, extractive or model", "auto");
        let api_key = reader.text("OPENROUTER_API_KEY").map(SecretString::from);
        let base_url =
            reader.text("OPENROUTER_BASE_URL").unwrap_or(DEFAULT_BASE_URL).trim_end_matches('/').to_owned();
        if !Url::parse(&base_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            reader.problem("OPENROUTER_BASE_URL", "must be an http or https address", DEFAULT_BASE_URL);
        }
        if choice != AnalystChoice::Extractive {
            check_encrypted(reader, &base_url, environment);
        }
        let model = reader.text("LLM_MODEL").unwrap_or(DEFAULT_MODEL).to_owned();
        let fallback_models = reader.list("LLM_FALLBACK_MODELS");
        let structured_output = reader.value(
            "LLM_STRUCTURED_OUTPUT",
            StructuredOutputSetting::Auto,
            "must be auto, strict, json or text",
            "auto",
        );
        let routing = routing(reader);
        let is_openrouter = Url::parse(&base_url)
            .is_ok_and(|url| url.host_str().is_some_and(|host| host.ends_with("openrouter.ai")));
        if routing.is_constrained() && !is_openrouter {
            reader.warning(
                "privacy, providers and prices (LLM_ZERO_DATA_RETENTION, LLM_DATA_COLLECTION, LLM_PROVIDER_…, LLM_MAX_PRICE_…) \
                 are constraints in OpenRouter's format; another endpoint at OPENROUTER_BASE_URL may ignore them: check there"
                    .to_owned(),
            );
        }
        let seconds: u64 =
            reader.value("LLM_TIMEOUT_SECONDS", 180, "must be a whole number of seconds, 1 to 3600", "180");
        if !(1..=3600).contains(&seconds) {
            reader.problem("LLM_TIMEOUT_SECONDS", "must be a whole number of seconds, 1 to 3600", "180");
        }
        let what = "must be a whole number of seconds, 1 to 604800";
        let outage_deadline = reader.number("LLM_OUTAGE_DEADLINE_SECONDS", 7_200, 1..=604_800, what, "7200");
        let cost: Option<f64> = reader.text("LLM_MAX_COST_PER_RUN_USD").map(|text| {
            text.parse::<f64>().ok().filter(|usd| usd.is_finite() && *usd > 0.0).unwrap_or(f64::NAN)
        });
        if cost.is_some_and(f64::is_nan) {
            reader.problem("LLM_MAX_COST_PER_RUN_USD", "must be an amount in US dollars above 0", "0.50");
        }
        let offline_fallback = reader.switch("LLM_OFFLINE_FALLBACK", false);
        let fence_secret = reader.text("FENCE_SECRET").map(SecretString::from);
        Self {
            choice,
            api_key,
            base_url,
            model,
            fallback_models,
            structured_output,
            prompt_cache: reader.switch("LLM_PROMPT_CACHE", true),
            routing,
            timeout: Duration::from_secs(seconds),
            outage_deadline: Duration::from_secs(outage_deadline),
            model_wait_max: SERVICE_WAIT_MAX,
            cost_per_run_usd_max: cost,
            offline_fallback,
            fence_secret,
        }
    }
}

/// Documents and the key travel to the model's endpoint. A model on the developer's own network may do without TLS.
fn check_encrypted(reader: &mut Reader, base_url: &str, environment: Environment) {
    let Ok(url) = Url::parse(base_url) else { return };
    let is_private = url.host_str().is_some_and(is_private_host);
    if url.scheme() != "http" || environment == Environment::Development && is_private {
        return;
    }
    let what = if environment.is_strict() {
        "must be https in staging and production: documents and the key would be readable"
    } else {
        "must be https for a host outside a private network: documents and the key would be readable"
    };
    reader.problem("OPENROUTER_BASE_URL", what, DEFAULT_BASE_URL);
}

/// The operator's constraints on providers.
fn routing(reader: &mut Reader) -> Routing {
    let reasoning_effort = reader.text("LLM_REASONING_EFFORT").map(str::parse::<ReasoningEffort>);
    if let Some(Err(())) = reasoning_effort {
        let choices = "must be none, minimal, low, medium, high or xhigh";
        reader.problem("LLM_REASONING_EFFORT", choices, "low");
    }
    let data_collection = reader.text("LLM_DATA_COLLECTION").map(str::parse::<DataCollection>);
    if let Some(Err(())) = data_collection {
        reader.problem("LLM_DATA_COLLECTION", "must be allow or deny", "deny");
    }
    Routing {
        reasoning_effort: reasoning_effort.and_then(Result::ok),
        zero_data_retention: reader.switch("LLM_ZERO_DATA_RETENTION", false),
        data_collection: data_collection.and_then(Result::ok),
        only: reader.list("LLM_PROVIDER_ONLY"),
        ignore: reader.list("LLM_PROVIDER_IGNORE"),
        order: reader.list("LLM_PROVIDER_ORDER"),
        price_prompt_usd_max: price(reader, "LLM_MAX_PRICE_PROMPT_USD"),
        price_completion_usd_max: price(reader, "LLM_MAX_PRICE_COMPLETION_USD"),
    }
}

/// US dollars per million tokens.
fn price(reader: &mut Reader, variable: &'static str) -> Option<f64> {
    let text = reader.text(variable)?;
    let usd = text.parse::<f64>().ok().filter(|usd| usd.is_finite() && *usd >= 0.0);
    if usd.is_none() {
        reader.problem(variable, "must be an amount in US dollars for a million tokens", "3");
    }
    usd
}
