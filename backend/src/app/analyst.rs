//! The analyst: a model, or the extractive one.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pipeline::{
    analyst::{
        Analyst,
        cached::CachedAnalyst,
        extractive::ExtractiveAnalyst,
        fallback::FallbackAnalyst,
        model::{FenceSecret, ModelAnalyst, ModelOptions},
    },
    answers::AnswerSettings,
    clock::Clock,
};
use secrecy::ExposeSecret as _;

use super::error::WiringError;
use crate::{
    bounded_analyst::{self, BoundedAnalyst},
    config::{AnalystChoice, AnalystConfig},
    llm::{
        OpenRouter, OpenRouterConfig, connections::ConnectionsConfig, deadline::WithDeadline, gate::Gate,
        openrouter::RetryConfig,
    },
};

/// The wired analyst.
pub(super) struct Answering {
    pub(super) analyst: Arc<dyn Analyst>,
    /// For people.
    pub(super) name: String,
    /// None with the extractive analyst.
    pub(super) gate: Option<Arc<Gate>>,
}

/// The built-in analyst, which needs no model.
pub(super) fn extractive() -> Arc<BoundedAnalyst> {
    Arc::new(BoundedAnalyst::new(Arc::new(ExtractiveAnalyst::new()), bounded_analyst::STAGE_LIMIT))
}

pub(super) fn answering(
    choice: AnalystChoice,
    config: AnalystConfig,
    extra_ca_file: Option<PathBuf>,
    stage_deadline: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<Answering, WiringError> {
    let options = ModelOptions::default();
    let answer_settings = answer_settings(&config, &options);
    let key = match (choice, config.api_key) {
        (AnalystChoice::Extractive, _) | (AnalystChoice::Auto, None) => {
            let name = "built-in extractive analyst".to_owned();
            return Ok(Answering { analyst: extractive(), name, gate: None });
        }
        (AnalystChoice::Model, None) => return Err(WiringError::NoKey),
        (AnalystChoice::Auto | AnalystChoice::Model, Some(key)) => key,
    };
    let name = format!("model {}", config.model);
    let settings = OpenRouterConfig {
        base_url: config.base_url,
        fallback_models: config.fallback_models,
        structured_output: config.structured_output,
        prompt_cache: config.prompt_cache,
        routing: config.routing,
        total_timeout: config.timeout,
        title: Some("innovation-pipeline".to_owned()),
        connections: ConnectionsConfig { extra_ca_file, ..ConnectionsConfig::default() },
        retry: RetryConfig { model_wait_max: config.model_wait_max, ..RetryConfig::default() },
        jitter_seed: uuid::Uuid::new_v4().as_u64_pair().0,
        ..OpenRouterConfig::new(key, config.model)
    };
    let client = Arc::new(OpenRouter::new(settings, clock.clone())?);
    let fence_secret = match config.fence_secret {
        Some(secret) => FenceSecret::new(secret.expose_secret().as_bytes()),
        None => {
            FenceSecret::new([*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()].concat())
        }
    };
    let options = ModelOptions { fence_secret, ..options };
    let model = Arc::new(ModelAnalyst::new(client.clone(), options));
    let model = Arc::new(WithDeadline::new(model, stage_deadline));
    // In front of the deadline: a wait for another run's answer is not the model's time. Behind the fallback: an answer of the
    // extractive analyst never enters the cache.
    let model: Arc<dyn Analyst> = Arc::new(CachedAnalyst::new(model, answer_settings));
    let analyst =
        if config.offline_fallback { Arc::new(FallbackAnalyst::new(model, extractive())) } else { model };
    Ok(Answering { analyst, name, gate: Some(client.gate().clone()) })
}

/// The settings that the model's answers depend on. Keys, time limits and secrets are not among them.
fn answer_settings(config: &AnalystConfig, options: &ModelOptions) -> AnswerSettings {
    let models = std::iter::once(&config.model).chain(&config.fallback_models);
    let count = |tokens: usize| u64::try_from(tokens).unwrap_or(u64::MAX);
    AnswerSettings {
        analyst: "model".to_owned(),
        endpoint: config.base_url.clone(),
        models: models.cloned().collect(),
        structured_output: format!("{:?}", config.structured_output),
        routing: format!("{:?}", config.routing),
        limits: [
            count(options.document_tokens_max),
            count(options.notes_tokens_max),
            u64::from(options.output_tokens_max),
        ],
    }
}
