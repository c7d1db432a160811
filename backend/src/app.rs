//! The one place that wires concrete types.

use std::{path::PathBuf, sync::Arc};

use pipeline::{
    analyst::{
        Analyst,
        extractive::ExtractiveAnalyst,
        fallback::WithLastResort,
        model::{ModelAnalyst, ModelOptions},
    },
    clock::Clock,
    engine::Engine,
};

use crate::{
    brands::BrandFolder,
    clock::SystemClock,
    config::{AnalystChoice, AnalystConfig, Config},
    documents::fetch::{Deadlines, Fetcher, FetcherError},
    llm::{OpenRouter, OpenRouterConfig, OpenRouterError},
    storage::files::FileStore,
};

/// Where runs are kept under the base directory.
const OUTPUT_DIR: &str = "data/test-outputs";

/// Everything a run needs, wired.
#[derive(Debug, Clone)]
pub struct App {
    pub brands: BrandFolder,
    pub fetcher: Fetcher,
    pub store: FileStore,
    pub engine: Engine,
    pub clock: Arc<dyn Clock>,
    /// Who will answer, for people.
    pub analyst_name: String,
}

/// Why the parts do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    #[error(
        "the model analyst needs OPENROUTER_API_KEY; set it, or use --analyst extractive, which needs no key"
    )]
    NoKey,
    #[error(transparent)]
    Fetcher(#[from] FetcherError),
    #[error(transparent)]
    Client(#[from] OpenRouterError),
}

/// What the caller may set over the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub output_dir: Option<PathBuf>,
    pub analyst: Option<AnalystChoice>,
}

impl App {
    /// Wires the parts as the configuration says.
    pub fn new(config: Config, overrides: Overrides) -> Result<Self, WiringError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let root = overrides.output_dir.unwrap_or_else(|| config.process.base_dir.join(OUTPUT_DIR));
        let store = FileStore::new(root, clock.clone());
        let choice = overrides.analyst.unwrap_or(config.analyst.choice);
        let cost_limit_usd = config.analyst.cost_per_run_usd_max;
        let (analyst, analyst_name) = analyst(choice, config.analyst, &clock)?;
        Ok(Self {
            brands: BrandFolder::new(&config.process.base_dir),
            fetcher: Fetcher::new(config.documents, Deadlines::default())?,
            engine: Engine { analyst, store: Arc::new(store.clone()), clock: clock.clone(), cost_limit_usd },
            store,
            clock,
            analyst_name,
        })
    }
}

fn analyst(
    choice: AnalystChoice,
    config: AnalystConfig,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<dyn Analyst>, String), WiringError> {
    let extractive = || Arc::new(ExtractiveAnalyst::new());
    let key = match (choice, config.api_key) {
        (AnalystChoice::Extractive, _) | (AnalystChoice::Auto, None) => {
            return Ok((extractive(), "built-in extractive analyst".to_owned()));
        }
        (AnalystChoice::Model, None) => return Err(WiringError::NoKey),
        (AnalystChoice::Auto | AnalystChoice::Model, Some(key)) => key,
    };
    let name = format!("model {}", config.model);
    let settings = OpenRouterConfig {
        base_url: config.base_url,
        fallback_models: config.fallback_models,
        total_timeout: config.timeout,
        title: Some("innovation-pipeline".to_owned()),
        jitter_seed: uuid::Uuid::new_v4().as_u64_pair().0,
        ..OpenRouterConfig::new(key, config.model)
    };
    let client = Arc::new(OpenRouter::new(settings, clock.clone())?);
    let model: Arc<dyn Analyst> = Arc::new(ModelAnalyst::new(client, ModelOptions::default()));
    if config.offline_fallback {
        return Ok((Arc::new(WithLastResort::new(model, extractive())), name));
    }
    Ok((model, name))
}
