//! The states of this process, measured for each request for its metrics, and the whole text.

use std::{collections::BTreeMap, fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};
use storage::{
    WaitReason,
    files::{DurabilityForecast, MirrorLag},
};

use super::{
    counted::COUNTED,
    labels::{ModeLabels, ReasonLabels, StateLabels},
};
use crate::telemetry::names::{self, Metric};

/// The content type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The state at the time of a request.
#[derive(Debug, Clone)]
pub struct Measured {
    pub version: &'static str,
    pub git_sha: String,
    pub configured_mode: &'static str,
    pub effective_mode: &'static str,
    pub runs_in_flight: usize,
    /// Active runs without progress.
    pub runs_stalled: usize,
    /// None while unknown.
    pub unsynced_runs: Option<usize>,
    pub unsynced_stages: Option<usize>,
    pub oldest_unsynced_seconds: Option<u64>,
    /// The runs and stages that a redeploy now would lose. None while unknown.
    pub forecast: Option<DurabilityForecast>,
    pub queue_depth: Option<usize>,
    /// Waiting runs by reason.
    pub waiting_runs: Option<BTreeMap<WaitReason, usize>>,
    /// Why the model is not asked now.
    pub model_pause: Option<WaitReason>,
    /// Runs whose row and files differ.
    pub conflicts: Option<usize>,
    /// Ended runs of these files whose row is gone; None without a database.
    pub missing_rows: Option<usize>,
    /// None without a database.
    pub is_database_breaker_open: Option<bool>,
    /// None without a database.
    pub pool: Option<PoolState>,
    /// Whether the last file write failed.
    pub is_file_alarm: bool,
    /// The parts of runs that the database has, and that the files get a moment later.
    pub mirror: MirrorLag,
    /// None while unknown.
    pub database_clock_ahead_ms: Option<i64>,
}

/// The connections of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    pub active: u32,
    pub idle: u32,
    /// Callers that wait for a connection.
    pub waiting: u32,
    /// The most connections.
    pub size: u32,
}

/// The metrics that are counted when an event happens, in the same format.
///
/// # Errors
///
/// Formatting fails, which a `String` never causes.
pub fn counted() -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, &COUNTED.registry)?;
    Ok(text)
}

/// All metrics in the OpenMetrics text format.
///
/// # Errors
///
/// Formatting fails, which a `String` never causes.
pub fn render(measured: &Measured) -> Result<String, fmt::Error> {
    let mut states = States(Registry::default());
    let build = Info::new([("version", measured.version.to_owned()), ("git_sha", measured.git_sha.clone())]);
    states.0.register(names::BUILD.name, names::BUILD.help, build);
    states.runs(measured);
    states.sides(measured);
    states.stores(measured);
    let mut text = counted()?;
    encode_registry(&mut text, &states.0)?;
    encode_eof(&mut text)?;
    Ok(text)
}

/// The gauges of one request.
struct States(Registry);

impl States {
    fn set(&mut self, metric: &Metric, value: usize) {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        self.0.register(metric.name, metric.help, gauge);
    }

    /// An unknown value is left out: zero would say that all is well.
    fn set_known(&mut self, metric: &Metric, value: Option<usize>) {
        if let Some(value) = value {
            self.set(metric, value);
        }
    }

    /// The queue and the runs under way.
    fn runs(&mut self, measured: &Measured) {
        self.set(&names::RUNS_IN_FLIGHT, measured.runs_in_flight);
        self.set(&names::RUNS_STALLED, measured.runs_stalled);
        self.set_known(&names::QUEUE_DEPTH, measured.queue_depth);
        if let Some(waiting) = &measured.waiting_runs {
            let runs: Family<ReasonLabels, Gauge> = Family::default();
            for reason in WaitReason::ALL {
                let count = waiting.get(&reason).copied().unwrap_or(0);
                let labels = ReasonLabels { reason: reason.as_str() };
                runs.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            self.0.register(names::RUNS_WAITING.name, names::RUNS_WAITING.help, runs);
        }
        let paused: Family<ReasonLabels, Gauge> = Family::default();
        for reason in WaitReason::ALL.into_iter().filter(|reason| reason.code().is_some()) {
            let labels = ReasonLabels { reason: reason.as_str() };
            paused.get_or_create(&labels).set(i64::from(measured.model_pause == Some(reason)));
        }
        self.0.register(names::MODEL_PAUSED.name, names::MODEL_PAUSED.help, paused);
    }

    /// How far the two sides of the runs are apart.
    fn sides(&mut self, measured: &Measured) {
        self.set_known(&names::UNSYNCED_RUNS, measured.unsynced_runs);
        self.set_known(&names::UNSYNCED_STAGES, measured.unsynced_stages);
        let seconds = measured.oldest_unsynced_seconds;
        self.set_known(
            &names::OLDEST_UNSYNCED,
            seconds.map(|seconds| usize::try_from(seconds).unwrap_or(usize::MAX)),
        );
        if let Some(forecast) = &measured.forecast {
            self.set(&names::EPHEMERAL_OPEN_RUNS, forecast.open_runs);
            self.set(&names::EPHEMERAL_ENDED_RUNS, forecast.ended_runs);
            self.set(&names::EPHEMERAL_STAGES, forecast.stages);
        }
        self.set_known(&names::SYNC_CONFLICTS, measured.conflicts);
        self.set_known(&names::MISSING_ROWS, measured.missing_rows);
        self.set(&names::MIRROR_RECORDS, measured.mirror.records);
        self.set(&names::MIRROR_BYTES, measured.mirror.bytes);
        let age: Gauge<f64, AtomicU64> = Gauge::default();
        age.set(measured.mirror.age.as_secs_f64());
        self.0.register(names::MIRROR_AGE.name, names::MIRROR_AGE.help, age);
    }

    /// The mode, the database and the files.
    fn stores(&mut self, measured: &Measured) {
        let mode: Family<ModeLabels, Gauge> = Family::default();
        let labels = ModeLabels { configured: measured.configured_mode, effective: measured.effective_mode };
        mode.get_or_create(&labels).set(1);
        self.0.register(names::STORAGE_MODE.name, names::STORAGE_MODE.help, mode);
        self.set_known(&names::DATABASE_BREAKER_OPEN, measured.is_database_breaker_open.map(usize::from));
        self.set(&names::FILE_WRITE_FAILING, usize::from(measured.is_file_alarm));
        if let Some(PoolState { active, idle, waiting, size }) = measured.pool {
            let connections: Family<StateLabels, Gauge> = Family::default();
            for (state, count) in [("active", active), ("idle", idle)] {
                connections.get_or_create(&StateLabels { state }).set(i64::from(count));
            }
            self.0.register(names::POOL_CONNECTIONS.name, names::POOL_CONNECTIONS.help, connections);
            for (metric, count) in [(&names::POOL_WAITING, waiting), (&names::POOL_SIZE, size)] {
                self.set(metric, usize::try_from(count).unwrap_or(usize::MAX));
            }
        }
        if let Some(ahead_ms) = measured.database_clock_ahead_ms {
            let ahead: Gauge = Gauge::default();
            ahead.set(ahead_ms);
            self.0.register(names::DATABASE_CLOCK_AHEAD.name, names::DATABASE_CLOCK_AHEAD.help, ahead);
        }
    }
}

#[cfg(test)]
mod tests;
