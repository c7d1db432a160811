//! The probable cost of a retry.

use pipeline::run::RunStatus;
use storage::RunFilter;

use super::{
    finder::RunFinder,
    query::{RunView, StageStatus},
};

/// How many complete runs the estimate looks at.
const LOOKED_AT: usize = 20;

/// The work of a retry, and its probable cost. Stored stages are never asked for again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryCost {
    /// The stages that will be asked for.
    pub stages_left: usize,
    /// US dollars. None if neither this run nor complete ones tell.
    pub usd: Option<f64>,
    /// How many complete runs it is the mean of. 0 if it is made of this run's own stages.
    pub of_runs: usize,
}

impl RunFinder {
    /// Estimates the cost of a retry: by the newest complete runs, or else by the run's own stages.
    pub async fn retry_cost(&self, view: &RunView) -> RetryCost {
        let all = view.stages.len().max(1);
        let stored = view.stages.iter().filter(|stage| stage.status == StageStatus::Complete).count();
        let stages_left = view.stages.len() - stored;
        let filter =
            RunFilter { status: Some(RunStatus::Completed), limit: LOOKED_AT, ..RunFilter::default() };
        let known: Vec<f64> = match self.find(&filter).await {
            Ok(sought) => sought.runs.iter().filter_map(|run| run.cost_usd).collect(),
            Err(_) => Vec::new(),
        };
        #[expect(clippy::cast_precision_loss, reason = "four stages, twenty runs")]
        let (share, of_stored, number) =
            (stages_left as f64 / all as f64, stages_left as f64 / stored.max(1) as f64, known.len() as f64);
        let usd = if !known.is_empty() {
            Some(known.iter().sum::<f64>() / number * share)
        } else {
            (stored > 0).then_some(view.cost_usd * of_stored)
        };
        RetryCost { stages_left, usd, of_runs: known.len() }
    }
}
