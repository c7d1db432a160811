//! The histograms: how long each thing takes for which somebody waits, and how many tokens a call takes.

use std::time::Duration;

use prometheus_client::{
    metrics::{family::Family, histogram::Histogram},
    registry::Registry,
};

use super::labels::{
    DatabaseLabels, FileLabels, HttpServerLabels, ModelLabels, ResultLabels, RouteLabels, StageTimeLabels,
    StatusLabels, TokenLabels,
};
use crate::telemetry::names::{self, Metric};

/// Upper bounds in seconds: from a health check to a request at its limit of 30 s.
const LATENCY: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// OpenTelemetry's advice for `http.server.request.duration`.
const HTTP_SERVER: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// OpenTelemetry's advice for `db.client.operation.duration`.
const STORAGE: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// OpenTelemetry's advice for `gen_ai.client.operation.duration`, and on to the limit of a call, 180 s.
const MODEL: [f64; 16] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 120.0, 180.0];

/// Powers of four from 4^0 to 4^13: OpenTelemetry's advice for `gen_ai.client.token.usage`.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// From a small text to a scan of many pages.
const DOCUMENT: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 180.0, 600.0];

/// From a run by the built-in analyst to one that waits for hours for its model.
const RUN: [f64; 16] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10_800.0, 43_200.0,
];

type Timed<L> = Family<L, Histogram, fn() -> Histogram>;

/// All histograms.
#[derive(Debug)]
pub(super) struct Waits {
    pub(super) http: Timed<RouteLabels>,
    pub(super) http_server: Timed<HttpServerLabels>,
    pub(super) database: Timed<DatabaseLabels>,
    pub(super) connection: Histogram,
    pub(super) files: Timed<FileLabels>,
    pub(super) model: Timed<ModelLabels>,
    pub(super) tokens: Timed<TokenLabels>,
    pub(super) document_fetch: Timed<ResultLabels>,
    pub(super) document_read: Timed<ResultLabels>,
    pub(super) webhook: Timed<ResultLabels>,
    pub(super) run: Timed<StatusLabels>,
    pub(super) queue: Histogram,
    pub(super) first_stage: Histogram,
    pub(super) stage: Timed<StageTimeLabels>,
}

impl Waits {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let waits = Self {
            http: Family::new_with_constructor(|| Histogram::new(LATENCY)),
            http_server: Family::new_with_constructor(|| Histogram::new(HTTP_SERVER)),
            database: Family::new_with_constructor(|| Histogram::new(STORAGE)),
            connection: Histogram::new(STORAGE),
            files: Family::new_with_constructor(|| Histogram::new(STORAGE)),
            model: Family::new_with_constructor(|| Histogram::new(MODEL)),
            tokens: Family::new_with_constructor(|| Histogram::new(TOKENS)),
            document_fetch: Family::new_with_constructor(|| Histogram::new(DOCUMENT)),
            document_read: Family::new_with_constructor(|| Histogram::new(DOCUMENT)),
            webhook: Family::new_with_constructor(|| Histogram::new(LATENCY)),
            run: Family::new_with_constructor(|| Histogram::new(RUN)),
            queue: Histogram::new(RUN),
            first_stage: Histogram::new(RUN),
            stage: Family::new_with_constructor(|| Histogram::new(RUN)),
        };
        add(registry, &names::HTTP_REQUEST_DURATION, &waits.http);
        add(registry, &names::HTTP_SERVER_DURATION, &waits.http_server);
        add(registry, &names::DB_DURATION, &waits.database);
        add(registry, &names::DB_WAIT, &waits.connection);
        add(registry, &names::FILE_DURATION, &waits.files);
        add(registry, &names::GEN_AI_DURATION, &waits.model);
        add(registry, &names::GEN_AI_TOKENS, &waits.tokens);
        add(registry, &names::DOCUMENT_FETCH_DURATION, &waits.document_fetch);
        add(registry, &names::DOCUMENT_READ_DURATION, &waits.document_read);
        add(registry, &names::WEBHOOK_DURATION, &waits.webhook);
        add(registry, &names::RUN_DURATION, &waits.run);
        add(registry, &names::QUEUE_WAIT, &waits.queue);
        add(registry, &names::FIRST_STAGE, &waits.first_stage);
        add(registry, &names::STAGE_DURATION, &waits.stage);
        waits
    }
}

fn add(registry: &mut Registry, metric: &Metric, one: &(impl prometheus_client::registry::Metric + Clone)) {
    registry.register(metric.name, metric.help, one.clone());
}

/// Adds one duration to a histogram with labels.
pub(super) fn observe<L>(timed: &Timed<L>, labels: &L, took: Duration)
where
    L: Clone + std::hash::Hash + Eq,
{
    timed.get_or_create(labels).observe(took.as_secs_f64());
}
