//! Old and new side by side: the runs of the last day by storage mode, and by the two sides of each flag that is on for a share.

use std::collections::BTreeMap;

use pipeline::clock::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use storage::{
    control_plane::{RunSample, RunSamples},
    optional_millis,
};

use super::log::DeploymentLog;
use crate::flags::{FlagSource, Reading, Source, Value as FlagValue};

/// The most runs that are compared. Their stages are read for the mode, so the question must stay small.
const RUNS_MAX: usize = 500;

/// Runs that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct RunGroup {
    pub runs: usize,
    pub completed: usize,
    pub failed: usize,
    /// Of the ended runs, from 0 to 1. None without one.
    pub error_share: Option<f64>,
    pub p50_seconds: Option<f64>,
    pub p95_seconds: Option<f64>,
    /// Of the completed runs: those whose row and files are known to be equal, because they were compared, or because dual
    /// write brought every stage to both. None without one.
    pub proof_ratio: Option<f64>,
}

/// A flag that is on for a share of the runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Canary {
    pub flag: String,
    /// From 1 to 99 percent.
    pub share: u8,
    /// When the flag got this share: earlier runs are on neither side.
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub since: Option<Timestamp>,
    /// Runs for which the flag is on.
    pub new: RunGroup,
    /// Runs for which it is off.
    pub old: RunGroup,
}

/// The comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct MigrationHealth {
    /// By the storage mode of a run's last stage.
    pub by_mode: BTreeMap<String, RunGroup>,
    pub canaries: Vec<Canary>,
    /// Whether the database is away, so that nothing is compared.
    pub is_database_missing: bool,
}

/// Compares the runs of the last day, 500 at most.
pub(super) async fn compare(log: &DeploymentLog, flags: &FlagSource) -> MigrationHealth {
    let Some(RunSamples { runs, flag_changes }) = log.run_samples(RUNS_MAX).await else {
        return MigrationHealth { is_database_missing: log.store.is_some(), ..MigrationHealth::default() };
    };
    let mut by_mode: BTreeMap<String, Vec<&RunSample>> = BTreeMap::new();
    for run in &runs {
        by_mode.entry(run.mode.clone().unwrap_or_else(|| "none".to_owned())).or_default().push(run);
    }
    let effective = flags.effective();
    let shared: Vec<(&Reading, u8)> = effective
        .readings
        .iter()
        .filter_map(|reading| match reading.value {
            FlagValue::Percentage(share @ 1..=99) => Some((reading, share)),
            _ => None,
        })
        .collect();
    let is_stored = |source| matches!(source, Source::Database | Source::Order);
    // A value that no table keeps begins with its deployment.
    let deployed_at = match shared.iter().all(|(reading, _)| is_stored(reading.source)) {
        true => None,
        false => log.list().await.deployments.first().map(|newest| newest.started_at),
    };
    let canaries = shared.into_iter().map(|(reading, share)| {
        let since = match is_stored(reading.source) {
            true => flag_changes.get(reading.flag.key).copied(),
            false => deployed_at,
        };
        let with_it = runs.iter().filter(|run| since.is_none_or(|since| run.started_at > Some(since)));
        let (new, old): (Vec<&RunSample>, Vec<&RunSample>) =
            with_it.partition(|run| reading.value.is_on_for(reading.flag.key, &run.id));
        let flag = reading.flag.key.to_owned();
        Canary { flag, share, since, new: group(&new), old: group(&old) }
    });
    MigrationHealth {
        canaries: canaries.collect(),
        by_mode: by_mode.into_iter().map(|(mode, runs)| (mode, group(&runs))).collect(),
        is_database_missing: false,
    }
}

fn group(runs: &[&RunSample]) -> RunGroup {
    let with = |status: &str| runs.iter().filter(|run| run.status == status).count();
    let (completed, failed) = (with("COMPLETED"), with("FAILED"));
    let proved = runs.iter().filter(|run| run.status == "COMPLETED" && run.is_equal).count();
    let completed_runs = runs.iter().filter(|run| run.status == "COMPLETED");
    let mut seconds: Vec<f64> = completed_runs.filter_map(|run| run.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    RunGroup {
        runs: runs.len(),
        completed,
        failed,
        error_share: share(failed, completed + failed),
        p50_seconds: quantile(&seconds, 50),
        p95_seconds: quantile(&seconds, 95),
        proof_ratio: share(proved, completed),
    }
}

/// The value below which this share of the sorted values lies, by the nearest rank.
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[expect(clippy::cast_precision_loss, reason = "counts of runs")]
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_counts_ended_runs_alone() {
        let run = |status: &str, seconds, is_equal| RunSample {
            id: "r".to_owned(),
            status: status.to_owned(),
            mode: None,
            started_at: None,
            seconds,
            is_equal,
            error_code: None,
        };
        let runs = [
            run("COMPLETED", Some(1.0), true),
            run("COMPLETED", Some(3.0), false),
            run("FAILED", Some(90.0), false),
            run("PROCESSING", None, false),
        ];
        let group = group(&runs.iter().collect::<Vec<_>>());
        assert_eq!((group.runs, group.completed, group.failed), (4, 2, 1));
        assert_eq!(
            (group.p50_seconds, group.p95_seconds, group.proof_ratio),
            (Some(1.0), Some(3.0), Some(0.5))
        );
        assert!((group.error_share.unwrap() - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(super::group(&[]), RunGroup::default());
    }
}
