//! The limits of the worker, and the services that it uses.

use std::{sync::Arc, time::Duration};

use pipeline::{clock::Clock, engine::Engine};

use super::download::Downloads;
use crate::{
    access::SpendMeter,
    answer_cache::AnswerCacheService,
    brands::BrandFolder,
    documents::{fetch::Fetcher, readers::Readers},
    flags::FlagSource,
    llm::gate::Gate,
};
use storage::Lease;

/// The limits of the worker.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    pub lease: Lease,
    /// The most runs at the same time.
    pub concurrent_runs_max: usize,
    /// How long a run may be executed. Waiting for storage does not count.
    pub run_deadline: Duration,
    /// A run without progress for longer than this is reported.
    pub stall_after: Duration,
    /// How long a run may wait for a model that is away, over all its attempts.
    pub outage_deadline: Duration,
}

/// The services that a run needs besides its stores.
#[derive(Debug, Clone)]
pub struct WorkerDeps {
    pub engine: Engine,
    /// Executes the runs of golden paths, by the built-in extractive analyst: they cost nothing.
    pub sample_engine: Engine,
    pub fetcher: Fetcher,
    pub downloads: Downloads,
    pub readers: Readers,
    pub brands: BrandFolder,
    pub clock: Arc<dyn Clock>,
    /// Counts what the runs of a principal cost.
    pub spend: Arc<SpendMeter>,
    /// The model's answers that runs share.
    pub answers: AnswerCacheService,
    /// The gate in front of the model. None with the extractive analyst.
    pub gate: Option<Arc<Gate>>,
    /// Operators pause the claims of all workers by a flag.
    pub flags: FlagSource,
}
