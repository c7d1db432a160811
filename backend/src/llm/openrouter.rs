//! The client.
//!
//! * `config`: its settings.
//! * `call`: the question of one call.
//! * `attempt`: one attempt of a call.
//! * `exchange`: one HTTP request.

mod attempt;
mod call;
mod config;
pub(super) mod error;
mod exchange;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foundation::resilience::Jitter;
use pipeline::{
    clock::Clock,
    llm::{Completion, LlmClient, LlmError, LlmErrorCode, Oddities, RequestSource},
    run::RunId,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::call::Call;
pub use self::config::{DEFAULT_BASE_URL, OpenRouterConfig};
pub use self::error::OpenRouterError;
use super::{
    connections::Connections,
    error_messages::Explain,
    gate::Gate,
    ladder::Ladder,
    oddities::OddityLog,
    prices::PriceList,
    redact::Redactor,
    resilience::{Answered, Resilience, Success},
    routing::Routing,
};

pub use super::resilience::RetryConfig;
use crate::telemetry::{
    metrics::{self, Operation},
    traces::{self, Asked, ModelCall},
};

/// A model behind OpenRouter or a compatible endpoint. The process has one, so that all runs share the
/// gate and the connections.
#[derive(Debug)]
pub struct OpenRouter {
    connections: Connections,
    completions: Url,
    authorization: HeaderValue,
    model: String,
    fallback_models: Vec<String>,
    routing: Routing,
    ladder: Ladder,
    prices: PriceList,
    oddities: OddityLog,
    idle_timeout: Duration,
    response_bytes_max: usize,
    resilience: Resilience,
    redactor: Redactor,
    clock: Arc<dyn Clock>,
}

impl OpenRouter {
    /// Creates a client without opening a connection. The clock serves the gate, values that are
    /// remembered for a while, and waits that the endpoint states as dates.
    ///
    /// # Errors
    ///
    /// [`OpenRouterError`] names the setting that is unusable.
    pub fn new(config: OpenRouterConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenRouterError> {
        let completions = endpoint(&config.base_url, "chat/completions")?;
        let authorization = authorization(&config.api_key)?;
        let headers = identity_headers(&config)?;
        let connections = Connections::new(config.connections, &completions, headers)?;
        let gate = Arc::new(Gate::new(config.gate, config.model.clone(), clock.clone()));
        Ok(Self {
            connections,
            completions,
            prices: PriceList::new(
                endpoint(&config.base_url, "models")?,
                authorization.clone(),
                clock.clone(),
            ),
            authorization,
            model: config.model,
            fallback_models: config.fallback_models,
            routing: config.routing,
            ladder: Ladder::new(config.structured_output, config.prompt_cache, clock.clone()),
            oddities: OddityLog::default(),
            idle_timeout: config.idle_timeout,
            response_bytes_max: config.response_bytes_max,
            resilience: Resilience {
                retry: config.retry,
                gate,
                jitter: Jitter::seeded(config.jitter_seed),
                total_timeout: config.total_timeout,
            },
            redactor: Redactor::new(config.api_key),
            clock,
        })
    }

    /// The gate in front of the endpoint.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.resilience.gate
    }
}

#[async_trait]
impl LlmClient for OpenRouter {
    async fn complete(
        &self,
        source: &dyn RequestSource,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
    ) -> Result<Completion, LlmError> {
        let mut call = Call::new(source)?;
        let (began, span) = (self.clock.monotonic(), self.begin_span(&call));
        call.trace = span.ids();
        let result = self.complete_call(&mut call, spend_limit_usd, cancel).await;
        self.note_call(span, began, &result);
        result
    }

    fn note_oddities(&self, run: &RunId, oddities: Oddities) {
        self.oddities.note(run, oddities);
    }
}

impl OpenRouter {
    /// Makes a call, and one more with a higher limit if the answer was cut off at this program's own.
    async fn complete_call(
        &self,
        call: &mut Call<'_>,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
    ) -> Result<Completion, LlmError> {
        let first = self.ask(call, spend_limit_usd, cancel).await;
        let Err(cut_off) = first else { return first };
        let cost_is_known = spend_limit_usd.is_none() || !cut_off.usage.cost_is_unknown;
        if cut_off.code != LlmErrorCode::LlmTruncated
            || !call.has_used_up_its_limit(&cut_off.usage)
            || !cost_is_known
        {
            return Err(cut_off);
        }
        call.output_tokens_max = call.output_tokens_max.saturating_mul(2);
        let left_usd = spend_limit_usd.map(|limit| (limit - cut_off.usage.cost_usd).max(0.0));
        match self.ask(call, left_usd, cancel).await {
            Ok(mut completion) => {
                completion.usage += cut_off.usage;
                completion.attempts += cut_off.attempts;
                Ok(completion)
            }
            // The endpoint may not support such a high limit. Then the real fault is that the answer is too
            // long.
            Err(error) => {
                let mut told =
                    if error.code == LlmErrorCode::LlmError { cut_off.clone() } else { error.clone() };
                told.usage = cut_off.usage;
                told.usage += error.usage;
                told.attempts = cut_off.attempts + error.attempts;
                Err(told)
            }
        }
    }

    fn begin_span(&self, call: &Call<'_>) -> ModelCall {
        traces::begin_model_call(&Asked {
            provider: provider_name(&self.completions),
            model: &self.model,
            host: self.completions.host_str().unwrap_or_default(),
            port: self.completions.port_or_known_default(),
            run: call.run.as_str(),
            output_tokens_max: call.output_tokens_max,
        })
    }

    /// Notes how a call ended, in its span and in the metrics.
    fn note_call(&self, span: ModelCall, began: Duration, result: &Result<Completion, LlmError>) {
        let took = self.clock.monotonic().saturating_sub(began);
        let provider = provider_name(&self.completions);
        let (error, attempts, usage) = match result {
            Ok(completion) => ("", completion.attempts, &completion.usage),
            Err(error) => (code_name(error.code), error.attempts, &error.usage),
        };
        metrics::model_called(provider, &self.model, error, took, usage);
        // A call of a run that was cancelled says nothing about the model.
        if !matches!(result, Err(error) if error.code == LlmErrorCode::Cancelled) {
            metrics::call_ended(Operation::ModelCall, attempts, result.is_ok());
        }
        match result {
            Ok(completion) => span.answered(completion),
            Err(_) => span.failed(error, attempts, usage),
        }
    }

    /// Makes one call with its retries.
    async fn ask(
        &self,
        call: &Call<'_>,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
    ) -> Result<Completion, LlmError> {
        let explain = Explain {
            redactor: &self.redactor,
            routing: &self.routing,
            model: &self.model,
            output_tokens_max: call.output_tokens_max,
        };
        let Success { answered, usage, attempts } = self
            .resilience
            .call(&explain, spend_limit_usd, cancel, |deadline| self.attempt(call, deadline))
            .await?;
        let Answered { reply, structured_output } = answered;
        if !reply.oddities.is_empty() {
            self.oddities.note(&call.run, reply.oddities);
        }
        Ok(Completion {
            parts: reply.parts,
            model: reply.model.map_or_else(|| self.model.clone(), |name| self.redactor.clean(&name)),
            provider: reply.provider.map(|name| self.redactor.clean(&name)),
            generation_id: reply.generation_id.map(|id| self.redactor.clean(&id)),
            usage,
            attempts,
            finish_reason: reply.finish_reason.map(|word| self.redactor.clean(&word)),
            is_finished: reply.is_finished,
            structured_output,
        })
    }
}

/// The endpoint's name by the conventions of GenAI. Others than the well-known ones speak OpenRouter's wire format.
fn provider_name(endpoint: &Url) -> &'static str {
    match endpoint.host_str() {
        Some("api.openai.com") => "openai",
        Some("api.mistral.ai") => "mistral_ai",
        Some("api.groq.com") => "groq",
        Some("api.deepseek.com") => "deepseek",
        _ => "openrouter",
    }
}

/// The code of an error in metrics and traces, in the words of the API's error codes.
const fn code_name(code: LlmErrorCode) -> &'static str {
    match code {
        LlmErrorCode::LlmRateLimit => "LLM_RATE_LIMIT",
        LlmErrorCode::LlmCredits => "LLM_CREDITS",
        LlmErrorCode::LlmCostLimit => "LLM_COST_LIMIT",
        LlmErrorCode::LlmAuth => "LLM_AUTH",
        LlmErrorCode::LlmTimeout => "LLM_TIMEOUT",
        LlmErrorCode::LlmInvalidOutput => "LLM_INVALID_OUTPUT",
        LlmErrorCode::LlmTruncated => "LLM_TRUNCATED",
        LlmErrorCode::LlmRefused => "LLM_REFUSED",
        LlmErrorCode::LlmError => "LLM_ERROR",
        LlmErrorCode::Cancelled => "CANCELLED",
    }
}

/// The address of one of the endpoint's resources.
fn endpoint(base: &str, resource: &str) -> Result<Url, OpenRouterError> {
    let url = format!("{}/{resource}", base.trim().trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|_| OpenRouterError::BaseUrl)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(OpenRouterError::BaseUrl)
    }
}

fn authorization(key: &SecretString) -> Result<HeaderValue, OpenRouterError> {
    let key = key.expose_secret();
    if key.trim().is_empty() {
        return Err(OpenRouterError::ApiKey);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| OpenRouterError::ApiKey)?;
    value.set_sensitive(true);
    Ok(value)
}

fn identity_headers(config: &OpenRouterConfig) -> Result<HeaderMap, OpenRouterError> {
    let mut headers = HeaderMap::new();
    let named = [("http-referer", &config.http_referer), ("x-openrouter-title", &config.title)];
    for (name, value) in named {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value).map_err(|_| OpenRouterError::Header(name))?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(headers)
}
