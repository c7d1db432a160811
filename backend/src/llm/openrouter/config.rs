//! The settings of the client.

use std::time::Duration;

use secrecy::SecretString;

use super::super::{
    connections::ConnectionsConfig, gate::GateConfig, ladder::StructuredOutputSetting,
    resilience::RetryConfig, routing::Routing,
};

/// OpenRouter's public address.
pub const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";

/// The settings of the client.
#[derive(Debug, Clone)]
pub struct OpenRouterConfig {
    /// `OPENROUTER_BASE_URL`: OpenRouter, or any endpoint with its wire format; http or https.
    pub base_url: String,
    /// `OPENROUTER_API_KEY`.
    pub api_key: SecretString,
    /// `LLM_MODEL`.
    pub model: String,
    /// `LLM_FALLBACK_MODELS`, in order of preference.
    pub fallback_models: Vec<String>,
    /// `LLM_STRUCTURED_OUTPUT`
    pub structured_output: StructuredOutputSetting,
    /// `LLM_PROMPT_CACHE`: whether blocks that later requests repeat are marked for the provider's cache.
    pub prompt_cache: bool,
    /// The permitted providers, their prices, and the amount of reasoning.
    pub routing: Routing,
    /// `LLM_TIMEOUT_SECONDS`: the time limit of a whole call, with retries and waits.
    pub total_timeout: Duration,
    /// The longest silence before the headers, and between two pieces of the answer.
    pub idle_timeout: Duration,
    /// Sent as `HTTP-Referer`. OpenRouter distinguishes applications by it.
    pub http_referer: Option<String>,
    /// Sent as `X-OpenRouter-Title`.
    pub title: Option<String>,
    /// The most bytes of an answer that are read. The longest real one has about 100 kB, or 30 times that as
    /// a stream.
    pub response_bytes_max: usize,
    pub retry: RetryConfig,
    pub gate: GateConfig,
    pub connections: ConnectionsConfig,
    /// Seeds the jitter. Each process needs another seed, or replicas would retry in step.
    pub jitter_seed: u64,
}

impl OpenRouterConfig {
    /// The defaults with this key and model.
    #[must_use]
    pub fn new(api_key: SecretString, model: impl Into<String>) -> Self {
        Self {
            base_url: DEFAULT_BASE_URL.to_owned(),
            api_key,
            model: model.into(),
            fallback_models: Vec::new(),
            structured_output: StructuredOutputSetting::Auto,
            prompt_cache: true,
            routing: Routing::default(),
            total_timeout: Duration::from_secs(180),
            idle_timeout: Duration::from_secs(60),
            http_referer: None,
            title: None,
            response_bytes_max: 8 * 1024 * 1024,
            retry: RetryConfig::default(),
            gate: GateConfig::default(),
            connections: ConnectionsConfig::default(),
            jitter_seed: 0,
        }
    }
}
