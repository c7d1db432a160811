//! Who answers: the choice of analyst, and how the model's endpoint is reached.

use std::{str::FromStr, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::Reader;

/// The model that is asked unless `LLM_MODEL` names another.
const DEFAULT_MODEL: &str = "anthropic/claude-sonnet-4.5";

/// The endpoint that is asked unless `OPENROUTER_BASE_URL` names another.
const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";

/// Which analyst answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AnalystChoice {
    /// The model when there is a key, else the extractive one.
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

/// How stages are answered.
#[derive(Debug, Clone)]
pub struct AnalystConfig {
    pub choice: AnalystChoice,
    pub api_key: Option<SecretString>,
    pub base_url: String,
    pub model: String,
    pub fallback_models: Vec<String>,
    /// One call's total deadline, retries included.
    pub timeout: Duration,
    /// What one run may cost, in US dollars.
    pub cost_per_run_usd_max: Option<f64>,
    /// Whether the extractive analyst may answer when every model is down.
    pub offline_fallback: bool,
}

impl AnalystConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let choice =
            reader.value("ANALYST", AnalystChoice::Auto, "must be auto, extractive or model", "auto");
        let api_key = reader.text("OPENROUTER_API_KEY").map(SecretString::from);
        let base_url =
            reader.text("OPENROUTER_BASE_URL").unwrap_or(DEFAULT_BASE_URL).trim_end_matches('/').to_owned();
        if !Url::parse(&base_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            reader.problem("OPENROUTER_BASE_URL", "must be an http or https address", DEFAULT_BASE_URL);
        }
        let model = reader.text("LLM_MODEL").unwrap_or(DEFAULT_MODEL).to_owned();
        let fallback_models = reader.list("LLM_FALLBACK_MODELS");
        let seconds: u64 =
            reader.value("LLM_TIMEOUT_SECONDS", 180, "must be a whole number of seconds, 1 to 3600", "180");
        if !(1..=3600).contains(&seconds) {
            reader.problem("LLM_TIMEOUT_SECONDS", "must be a whole number of seconds, 1 to 3600", "180");
        }
        let cost: Option<f64> = reader.text("LLM_MAX_COST_PER_RUN_USD").map(|text| {
            text.parse::<f64>().ok().filter(|usd| usd.is_finite() && *usd > 0.0).unwrap_or(f64::NAN)
        });
        if cost.is_some_and(f64::is_nan) {
            reader.problem("LLM_MAX_COST_PER_RUN_USD", "must be an amount in US dollars above 0", "0.50");
        }
        let offline_fallback = reader.switch("LLM_OFFLINE_FALLBACK", false);
        Self {
            choice,
            api_key,
            base_url,
            model,
            fallback_models,
            timeout: Duration::from_secs(seconds),
            cost_per_run_usd_max: cost,
            offline_fallback,
        }
    }
}
