//! Defines every metric by name.
//!
//! Events are counted in one process-wide set, to which the functions below add. States (active runs, the
//! breaker) are measured for each request by [`Measured`]. Labels come from closed sets: a route's template,
//! never its path.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{LazyLock, atomic::AtomicU64},
    time::Duration,
};

use pipeline::run::Stage;
use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use storage::{
    WaitReason,
    files::{DurabilityForecast, MirrorLag},
    observer::{StorageObserver, StoreName},
};

/// The content type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PREFIX: &str = "innovation";

/// Upper bounds in seconds: from a health check to a request at its limit of 30 s.
const LATENCY_BUCKETS_SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    status: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: u8,
    provider: String,
    store: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModeLabels {
    configured: &'static str,
    effective: &'static str,
}

/// The metrics that are counted when an event happens.
#[derive(Debug)]
struct Counted {
    registry: Registry,
    http_requests: Family<RequestLabels, Counter>,
    http_request_duration: Family<RouteLabels, Histogram, fn() -> Histogram>,
    runs_accepted: Counter,
    runs_ended: Family<EndLabels, Counter>,
    stages_stored: Family<StageLabels, Counter>,
    database_writes: Family<ResultLabels, Counter>,
    webhooks: Family<ResultLabels, Counter>,
    file_write_failures: Counter,
    stages_reconciled: Counter,
    runs_expired: Counter,
    llm_cost_usd: Counter<f64, AtomicU64>,
    model_oddities: Family<KindLabels, Counter>,
    event_streams: Gauge,
    connections: Family<ResultLabels, Counter>,
    failed_keys: Family<ResultLabels, Counter>,
    answer_look_ups: Family<ResultLabels, Counter>,
    answer_waits: Counter,
}

static COUNTED: LazyLock<Counted> = LazyLock::new(Counted::new);

impl Counted {
    fn new() -> Self {
        let mut counted = Self {
            registry: Registry::with_prefix(PREFIX),
            http_requests: Family::default(),
            http_request_duration: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS_SECONDS)),
            runs_accepted: Counter::default(),
            runs_ended: Family::default(),
            stages_stored: Family::default(),
            database_writes: Family::default(),
            webhooks: Family::default(),
            file_write_failures: Counter::default(),
            stages_reconciled: Counter::default(),
            runs_expired: Counter::default(),
            llm_cost_usd: Counter::default(),
            model_oddities: Family::default(),
            event_streams: Gauge::default(),
            connections: Family::default(),
            failed_keys: Family::default(),
            answer_look_ups: Family::default(),
            answer_waits: Counter::default(),
        };
        let registry = &mut counted.registry;
        registry.register("http_requests", "Answered requests", counted.http_requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "From a request's headers to its answer's",
            counted.http_request_duration.clone(),
        );
        registry.register(
            "runs_accepted",
            "Runs accepted, without repetitions",
            counted.runs_accepted.clone(),
        );
        registry.register(
            "runs_ended",
            "Runs ended, by status and error code (none: NONE)",
            counted.runs_ended.clone(),
        );
        registry.register(
            "stages_stored",
            "Stage outputs stored, by provider and store",
            counted.stages_stored.clone(),
        );
        registry.register("database_writes", "Writes to the database", counted.database_writes.clone());
        registry.register("webhooks", "Webhooks by outcome", counted.webhooks.clone());
        registry.register(
            "file_write_failures",
            "Writes to files that failed after their retries",
            counted.file_write_failures.clone(),
        );
        registry.register(
            "runs_expired",
            "Runs whose files expired and were removed",
            counted.runs_expired.clone(),
        );
        registry.register(
            "stages_reconciled",
            "Stage outputs that the reconciler wrote to the database and proved",
            counted.stages_reconciled.clone(),
        );
        registry.register("llm_cost_usd", "US dollars spent on model calls", counted.llm_cost_usd.clone());
        registry.register(
            "model_reply_oddities",
            "Deviations from the wire format that were tolerated in replies of models, by kind",
            counted.model_oddities.clone(),
        );
        registry.register("event_streams", "Open event streams", counted.event_streams.clone());
        registry.register(
            "http_connections",
            "New connections by how the limits of connections let them in",
            counted.connections.clone(),
        );
        registry.register("failed_keys", "Wrong keys by how they were answered", counted.failed_keys.clone());
        registry.register(
            "answer_cache_look_ups",
            "Questions to the answer cache, by result: hit, miss, overdue, off",
            counted.answer_look_ups.clone(),
        );
        registry.register(
            "answer_cache_waits",
            "Questions whose run waited for the answer of another run",
            counted.answer_waits.clone(),
        );
        counted
    }
}

/// Counts an answered request. `route` is the template (`/status/{run_id}`).
pub fn request_answered(method: &'static str, route: &str, status: u16, took: Duration) {
    let labels = RequestLabels { method, route: route.to_owned(), status };
    COUNTED.http_requests.get_or_create(&labels).inc();
    let labels = RouteLabels { route: route.to_owned() };
    COUNTED.http_request_duration.get_or_create(&labels).observe(took.as_secs_f64());
}

/// Counts a run that was accepted for the first time.
pub fn run_accepted() {
    COUNTED.runs_accepted.inc();
}

/// Counts an ended run. `code` is the code of its error, if it has one.
pub fn run_ended(status: pipeline::run::RunStatus, code: Option<pipeline::failure::FailureCode>) {
    use pipeline::run::RunStatus;
    let status = match status {
        RunStatus::Processing => "PROCESSING",
        RunStatus::Completed => "COMPLETED",
        RunStatus::Failed => "FAILED",
        RunStatus::Cancelled => "CANCELLED",
    };
    let code = code.map_or("NONE", pipeline::failure::FailureCode::as_str);
    COUNTED.runs_ended.get_or_create(&EndLabels { status, code }).inc();
}

/// Counts a webhook by its result.
pub fn webhook(result: &'static str) {
    COUNTED.webhooks.get_or_create(&ResultLabels { result }).inc();
}

/// Counts the figures that the storage reports.
#[derive(Debug, Clone, Copy, Default)]
pub struct StorageMetrics;

impl StorageObserver for StorageMetrics {
    fn database_write(&self, is_ok: bool) {
        let result = if is_ok { "ok" } else { "failed" };
        COUNTED.database_writes.get_or_create(&ResultLabels { result }).inc();
    }

    fn stage_stored(&self, stage: Stage, provider: &str, store: StoreName) {
        let labels =
            StageLabels { stage: stage.number(), provider: provider.to_owned(), store: store.as_str() };
        COUNTED.stages_stored.get_or_create(&labels).inc();
    }

    fn file_write_failed(&self) {
        COUNTED.file_write_failures.inc();
    }

    fn stages_reconciled(&self, count: usize) {
        COUNTED.stages_reconciled.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// Counts a new connection by how the limits of connections let it in.
pub fn connection_admitted(result: &'static str) {
    COUNTED.connections.get_or_create(&ResultLabels { result }).inc();
}

/// Counts a wrong key by how it was answered.
pub fn key_failed(result: &'static str) {
    COUNTED.failed_keys.get_or_create(&ResultLabels { result }).inc();
}

/// The result of a question to the answer cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerLookUp {
    Hit,
    /// The run asks the model, and others may wait for it.
    Miss,
    /// Another run has asked for too long.
    Overdue,
    /// The request allows no reuse.
    Off,
}

/// Counts a question to the answer cache.
pub fn answer_looked_up(result: AnswerLookUp) {
    let result = match result {
        AnswerLookUp::Hit => "hit",
        AnswerLookUp::Miss => "miss",
        AnswerLookUp::Overdue => "overdue",
        AnswerLookUp::Off => "off",
    };
    COUNTED.answer_look_ups.get_or_create(&ResultLabels { result }).inc();
}

/// Counts a run that waits for another run's answer.
pub fn answer_awaited() {
    COUNTED.answer_waits.inc();
}

/// Counts an opened event stream.
pub fn event_stream_opened() {
    COUNTED.event_streams.inc();
}

/// Counts a closed event stream, whichever end closed it.
pub fn event_stream_closed() {
    COUNTED.event_streams.dec();
}

/// Counts a run whose files expired.
pub fn run_expired() {
    COUNTED.runs_expired.inc();
}

/// Adds the costs of model calls. Invalid amounts are ignored.
pub fn llm_cost(usd: f64) {
    if usd.is_finite() && usd > 0.0 {
        COUNTED.llm_cost_usd.inc_by(usd);
    }
}

/// Counts a tolerated deviation of a model's reply from the wire format.
pub fn model_oddity(kind: &'static str) {
    COUNTED.model_oddities.get_or_create(&KindLabels { kind }).inc();
}

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
    /// Whether the last file write failed.
    pub is_file_alarm: bool,
    /// The parts of runs that the database has, and that the files get a moment later.
    pub mirror: MirrorLag,
    /// None while unknown.
    pub database_clock_ahead_ms: Option<i64>,
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

/// The lag of the files behind the database in this process.
fn register_mirror(registry: &mut Registry, lag: MirrorLag) {
    let help = "Stages and ends that the database has and the files of this process do not have yet";
    for (name, help, value) in [
        ("mirror_records", help, lag.records),
        ("mirror_bytes", "The memory of these stages and ends", lag.bytes),
    ] {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    let age: Gauge<f64, AtomicU64> = Gauge::default();
    age.set(lag.age.as_secs_f64());
    registry.register("mirror_age_seconds", "How long the oldest of them has waited for the files", age);
}

/// All metrics in the OpenMetrics text format.
///
/// # Errors
///
/// Formatting fails, which a `String` never causes.
pub fn render(measured: &Measured) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    let gauge = |value: usize| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge
    };
    let build = Info::new([("version", measured.version.to_owned()), ("git_sha", measured.git_sha.clone())]);
    registry.register("build", "The version and the commit of the process", build);
    let mode: Family<ModeLabels, Gauge> = Family::default();
    let labels = ModeLabels { configured: measured.configured_mode, effective: measured.effective_mode };
    mode.get_or_create(&labels).set(1);
    registry.register("storage_mode", "The storage mode: configured and effective", mode);
    registry.register("runs_in_flight", "Runs that this process executes", gauge(measured.runs_in_flight));
    registry.register("runs_stalled", "Active runs without progress", gauge(measured.runs_stalled));
    if let Some(runs) = measured.unsynced_runs {
        registry.register("unsynced_runs", "Ended runs of which the database lacks a part", gauge(runs));
    }
    if let Some(stages) = measured.unsynced_stages {
        registry.register("unsynced_stages", "Stages that the database lacks", gauge(stages));
    }
    if let Some(seconds) = measured.oldest_unsynced_seconds {
        let gauge = gauge(usize::try_from(seconds).unwrap_or(usize::MAX));
        registry.register(
            "oldest_unsynced_seconds",
            "How long the oldest part that the database lacks has waited",
            gauge,
        );
    }
    if let Some(forecast) = &measured.forecast {
        for (name, help, value) in [
            ("ephemeral_only_open_runs", "Open runs that only an ephemeral disk has", forecast.open_runs),
            ("ephemeral_only_ended_runs", "Ended runs that only an ephemeral disk has", forecast.ended_runs),
            ("ephemeral_only_stages", "Stages that only an ephemeral disk has", forecast.stages),
        ] {
            registry.register(name, help, gauge(value));
        }
    }
    if let Some(depth) = measured.queue_depth {
        registry.register("queue_depth", "Accepted runs that wait for a worker", gauge(depth));
    }
    if let Some(waiting) = &measured.waiting_runs {
        let runs: Family<ReasonLabels, Gauge> = Family::default();
        for reason in WaitReason::ALL {
            let count = waiting.get(&reason).copied().unwrap_or(0);
            let labels = ReasonLabels { reason: reason.as_str() };
            runs.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register("runs_waiting", "Runs that wait in the queue after an attempt, by reason", runs);
    }
    let paused: Family<ReasonLabels, Gauge> = Family::default();
    for reason in WaitReason::ALL.into_iter().filter(|reason| reason.code().is_some()) {
        let labels = ReasonLabels { reason: reason.as_str() };
        paused.get_or_create(&labels).set(i64::from(measured.model_pause == Some(reason)));
    }
    registry.register("model_paused", "1 while this process does not ask the model, by reason", paused);
    if let Some(conflicts) = measured.conflicts {
        registry.register("sync_conflicts", "Runs whose row and files differ", gauge(conflicts));
    }
    if let Some(missing) = measured.missing_rows {
        registry.register("missing_rows", "Ended runs whose row is gone", gauge(missing));
    }
    if let Some(is_open) = measured.is_database_breaker_open {
        let gauge = gauge(usize::from(is_open));
        registry.register("database_breaker_open", "1 while the database breaker is open", gauge);
    }
    let alarm = gauge(usize::from(measured.is_file_alarm));
    registry.register("file_write_failing", "1 while the last file write failed", alarm);
    register_mirror(&mut registry, measured.mirror);
    if let Some(ahead_ms) = measured.database_clock_ahead_ms {
        let ahead: Gauge = Gauge::default();
        ahead.set(ahead_ms);
        let help = "How far the database's clock is ahead of this process's, in milliseconds";
        registry.register("database_clock_ahead_ms", help, ahead);
    }
    let mut text = String::new();
    encode_registry(&mut text, &COUNTED.registry)?;
    encode_registry(&mut text, &registry)?;
    encode_eof(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use pipeline::{
        failure::FailureCode,
        run::{RunStatus, Stage},
    };

    use super::*;

    fn measured() -> Measured {
        Measured {
            version: "1.2.3",
            git_sha: "abc".to_owned(),
            configured_mode: "DUAL_WRITE",
            effective_mode: "FILE_ONLY",
            runs_in_flight: 3,
            runs_stalled: 0,
            unsynced_runs: Some(2),
            unsynced_stages: Some(5),
            oldest_unsynced_seconds: Some(61),
            forecast: Some(DurabilityForecast {
                open_runs: 1,
                ended_runs: 2,
                stages: 7,
                ..DurabilityForecast::default()
            }),
            queue_depth: None,
            waiting_runs: Some(BTreeMap::from([(WaitReason::LlmRateLimit, 4)])),
            model_pause: Some(WaitReason::LlmCredits),
            conflicts: Some(1),
            missing_rows: Some(2),
            is_database_breaker_open: Some(true),
            is_file_alarm: false,
            mirror: MirrorLag::default(),
            database_clock_ahead_ms: Some(-1_500),
        }
    }

    #[test]
    fn counters_and_gauges_render_in_one_text() {
        run_accepted();
        run_ended(RunStatus::Failed, Some(FailureCode::LlmCredits));
        run_ended(RunStatus::Completed, None);
        StorageMetrics.stage_stored(Stage::InputProcessing, "extractive", StoreName::File);
        StorageMetrics.database_write(false);
        StorageMetrics.file_write_failed();
        llm_cost(0.25);
        llm_cost(f64::NAN);
        model_oddity("think_block");
        request_answered("GET", "/health", 200, Duration::from_millis(3));
        let text = render(&measured()).unwrap();
        for line in [
            "innovation_runs_accepted_total 1",
            "innovation_runs_ended_total{status=\"FAILED\",code=\"LLM_CREDITS\"} 1",
            "innovation_runs_ended_total{status=\"COMPLETED\",code=\"NONE\"} 1",
            "innovation_stages_stored_total{stage=\"1\",provider=\"extractive\",store=\"file\"} 1",
            "innovation_database_writes_total{result=\"failed\"} 1",
            "innovation_file_write_failures_total 1",
            "innovation_llm_cost_usd_total 0.25",
            "innovation_model_reply_oddities_total{kind=\"think_block\"} 1",
            "innovation_http_requests_total{method=\"GET\",route=\"/health\",status=\"200\"} 1",
            "innovation_http_request_duration_seconds_bucket{le=\"0.005\",route=\"/health\"} 1",
            "innovation_build_info{version=\"1.2.3\",git_sha=\"abc\"} 1",
            "innovation_storage_mode{configured=\"DUAL_WRITE\",effective=\"FILE_ONLY\"} 1",
            "innovation_runs_in_flight 3",
            "innovation_ephemeral_only_open_runs 1",
            "innovation_ephemeral_only_ended_runs 2",
            "innovation_ephemeral_only_stages 7",
            "innovation_unsynced_runs 2",
            "innovation_unsynced_stages 5",
            "innovation_oldest_unsynced_seconds 61",
            "innovation_database_breaker_open 1",
            "innovation_sync_conflicts 1",
            "innovation_missing_rows 2",
            "innovation_database_clock_ahead_ms -1500",
            "innovation_runs_waiting{reason=\"LLM_RATE_LIMIT\"} 4",
            "innovation_runs_waiting{reason=\"LLM_AUTH\"} 0",
            "innovation_model_paused{reason=\"LLM_CREDITS\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("queue_depth"), "an unknown value is omitted");
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    }
}
