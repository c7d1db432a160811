//! The metrics that are counted when an event happens, in one set for the whole process.

use std::sync::{LazyLock, atomic::AtomicU64};

use pipeline::failure::FailureCode;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    labels::{
        CallLabels, EndLabels, KindLabels, RequestLabels, ResultLabels, SeverityLabels, StageLabels,
        VerdictLabels,
    },
    waits::Waits,
};
use crate::telemetry::names::{self, Metric};

/// The set.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) registry: Registry,
    pub(super) waits: Waits,
    pub(super) http_requests: Family<RequestLabels, Counter>,
    pub(super) runs_accepted: Counter,
    pub(super) runs_ended: Family<EndLabels, Counter>,
    pub(super) idempotency_hits: Family<ResultLabels, Counter>,
    pub(super) calls: Family<CallLabels, Counter>,
    pub(super) stages_stored: Family<StageLabels, Counter>,
    pub(super) database_writes: Family<ResultLabels, Counter>,
    pub(super) pool_exhausted: Counter,
    pub(super) webhooks: Family<ResultLabels, Counter>,
    pub(super) file_write_failures: Counter,
    pub(super) stages_reconciled: Counter,
    pub(super) runs_expired: Counter,
    pub(super) llm_cost_usd: Counter<f64, AtomicU64>,
    pub(super) model_oddities: Family<KindLabels, Counter>,
    pub(super) event_streams: Gauge,
    pub(super) connections: Family<ResultLabels, Counter>,
    pub(super) failed_keys: Family<ResultLabels, Counter>,
    pub(super) answer_look_ups: Family<ResultLabels, Counter>,
    pub(super) answer_waits: Counter,
    pub(super) alerts_firing: Family<SeverityLabels, Gauge>,
    pub(super) deployment_verdict: Family<VerdictLabels, Gauge>,
    pub(super) trace_exports: Family<ResultLabels, Counter>,
    pub(super) log_lines_left_out: Counter,
}

pub(super) static COUNTED: LazyLock<Counted> = LazyLock::new(Counted::new);

impl Counted {
    fn new() -> Self {
        let mut registry = Registry::default();
        let waits = Waits::new(&mut registry);
        let mut counted = Self {
            registry,
            waits,
            http_requests: Family::default(),
            runs_accepted: Counter::default(),
            runs_ended: Family::default(),
            idempotency_hits: Family::default(),
            calls: Family::default(),
            stages_stored: Family::default(),
            database_writes: Family::default(),
            pool_exhausted: Counter::default(),
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
            alerts_firing: Family::default(),
            deployment_verdict: Family::default(),
            trace_exports: Family::default(),
            log_lines_left_out: Counter::default(),
        };
        counted.register();
        counted.begin_at_zero();
        counted
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        add(registry, &names::HTTP_REQUESTS, &self.http_requests);
        add(registry, &names::RUNS_ACCEPTED, &self.runs_accepted);
        add(registry, &names::RUNS_ENDED, &self.runs_ended);
        add(registry, &names::IDEMPOTENCY_HITS, &self.idempotency_hits);
        add(registry, &names::CALLS, &self.calls);
        add(registry, &names::STAGES_STORED, &self.stages_stored);
        add(registry, &names::DATABASE_WRITES, &self.database_writes);
        add(registry, &names::POOL_EXHAUSTED, &self.pool_exhausted);
        add(registry, &names::WEBHOOKS, &self.webhooks);
        add(registry, &names::FILE_WRITE_FAILURES, &self.file_write_failures);
        add(registry, &names::RUNS_EXPIRED, &self.runs_expired);
        add(registry, &names::STAGES_RECONCILED, &self.stages_reconciled);
        add(registry, &names::LLM_COST, &self.llm_cost_usd);
        add(registry, &names::MODEL_ODDITIES, &self.model_oddities);
        add(registry, &names::EVENT_STREAMS, &self.event_streams);
        add(registry, &names::HTTP_CONNECTIONS, &self.connections);
        add(registry, &names::FAILED_KEYS, &self.failed_keys);
        add(registry, &names::ANSWER_LOOK_UPS, &self.answer_look_ups);
        add(registry, &names::ANSWER_WAITS, &self.answer_waits);
        add(registry, &names::ALERTS_FIRING, &self.alerts_firing);
        add(registry, &names::DEPLOYMENT_VERDICT, &self.deployment_verdict);
        add(registry, &names::TRACE_EXPORTS, &self.trace_exports);
        add(registry, &names::LOG_LINES_LEFT_OUT, &self.log_lines_left_out);
    }

    /// Shows what has never happened as zero: a rule over an absent series never fires, and an increase from absent to one is
    /// no increase.
    fn begin_at_zero(&self) {
        for (family, results) in [
            (&self.idempotency_hits, ["repeated", "mismatch"].as_slice()),
            (&self.database_writes, &["ok", "failed"]),
            (&self.webhooks, &["delivered", "retried", "gave_up"]),
            (&self.answer_look_ups, &["hit", "miss"]),
            (&self.trace_exports, &["ok", "failed"]),
            (&self.failed_keys, &["wrong", "limited", "blocked"]),
        ] {
            for result in results {
                drop(family.get_or_create(&ResultLabels { result }));
            }
        }
        for severity in ["critical", "warning", "info"] {
            drop(self.alerts_firing.get_or_create(&SeverityLabels { severity }));
        }
        for status in ["COMPLETED", "CANCELLED"] {
            drop(self.runs_ended.get_or_create(&EndLabels { status, code: "NONE" }));
        }
        for code in FailureCode::ALL.map(FailureCode::as_str) {
            drop(self.runs_ended.get_or_create(&EndLabels { status: "FAILED", code }));
        }
    }
}

fn add(registry: &mut Registry, metric: &Metric, one: &(impl prometheus_client::registry::Metric + Clone)) {
    registry.register(metric.name, metric.help, one.clone());
}
