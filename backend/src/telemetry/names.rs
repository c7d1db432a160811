//! Every metric: its name, its kind, its labels, and its help. No other file spells a name.
//!
//! Names of OpenTelemetry's conventions stand as they are, with Prometheus' units; all others begin with `innovation_`. A counter's
//! samples end in `_total`, which is not part of the name here. [docs/TELEMETRY.md](../../../docs/TELEMETRY.md) lists the same.

/// The route of all requests of golden paths. Baselines and objectives leave it out.
pub const GOLDEN_PATH_ROUTE: &str = "golden-path";

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

impl Kind {
    /// The word of the exposition format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// A metric of this service.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Metric =
                Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*

        /// All metrics.
        pub static ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    HTTP_REQUESTS: Counter "innovation_http_requests" ["method", "route", "status"]
        "Answered requests";
    HTTP_REQUEST_DURATION: Histogram "innovation_http_request_duration_seconds" ["route"]
        "From a request's headers to its answer's";
    HTTP_SERVER_DURATION: Histogram "http_server_request_duration_seconds"
        ["http_request_method", "http_route", "http_response_status_code"]
        "From a request's headers to its answer's; addresses outside of all routes share the route none";
    HTTP_CONNECTIONS: Counter "innovation_http_connections" ["result"]
        "New connections by result: admitted, evicted_another, reserved, refused";
    EVENT_STREAMS: Gauge "innovation_event_streams" []
        "Open event streams";
    FAILED_KEYS: Counter "innovation_failed_keys" ["result"]
        "Wrong keys by answer: wrong, limited, blocked";
    IDEMPOTENCY_HITS: Counter "innovation_idempotency_hits" ["result"]
        "Submissions of a run id or batch id that was accepted before: repeated (the same work) or mismatch (other work)";
    RUNS_ACCEPTED: Counter "innovation_runs_accepted" []
        "Runs accepted, without repetitions";
    RUNS_ENDED: Counter "innovation_runs_ended" ["status", "code"]
        "Runs ended, by status and error code (none: NONE)";
    RUNS_EXPIRED: Counter "innovation_runs_expired" []
        "Runs whose files expired and were removed";
    RUN_DURATION: Histogram "innovation_run_duration_seconds" ["status"]
        "From a run's acceptance to its end, waits included";
    QUEUE_WAIT: Histogram "innovation_queue_wait_seconds" []
        "From a run's acceptance to the begin of its first attempt";
    FIRST_STAGE: Histogram "innovation_time_to_first_stage_seconds" []
        "From a run's acceptance to its first stored stage";
    STAGE_DURATION: Histogram "innovation_stage_duration_seconds" ["stage", "analyst"]
        "From a stage's begin until a store has it, by analyst: model or extractive";
    STAGES_STORED: Counter "innovation_stages_stored" ["stage", "provider", "store"]
        "Stage outputs stored, by provider and store";
    STAGES_RECONCILED: Counter "innovation_stages_reconciled" []
        "Stage outputs that the reconciler wrote to the database and proved";
    CALLS: Counter "innovation_calls" ["operation", "result"]
        "Calls that may be retried, by how they ended: first_attempt, after_retry, permanent_failure";
    DATABASE_WRITES: Counter "innovation_database_writes" ["result"]
        "Writes to the database";
    DB_DURATION: Histogram "db_client_operation_duration_seconds"
        ["db_system_name", "db_operation_name", "error_type"]
        "One piece of work on a connection of the database, the wait for the connection included";
    DB_WAIT: Histogram "db_client_connection_wait_time_seconds" []
        "The wait for a connection of the pool";
    POOL_CONNECTIONS: Gauge "innovation_database_pool_connections" ["state"]
        "Open connections of the pool: active or idle";
    POOL_WAITING: Gauge "innovation_database_pool_waiting" []
        "Callers that wait for a connection of the pool";
    POOL_SIZE: Gauge "innovation_database_pool_size" []
        "The most connections that the pool opens";
    POOL_EXHAUSTED: Counter "innovation_database_pool_exhausted" []
        "Callers that got no connection of the pool in time";
    DATABASE_BREAKER_OPEN: Gauge "innovation_database_breaker_open" []
        "1 while the database breaker is open";
    DATABASE_CLOCK_AHEAD: Gauge "innovation_database_clock_ahead_ms" []
        "How far the database's clock is ahead of this process's, in milliseconds";
    FILE_DURATION: Histogram "innovation_file_operation_duration_seconds" ["operation", "error_type"]
        "One call to the file storage";
    FILE_WRITE_FAILURES: Counter "innovation_file_write_failures" []
        "Writes to files that failed after their retries";
    FILE_WRITE_FAILING: Gauge "innovation_file_write_failing" []
        "1 while the last file write failed";
    GEN_AI_DURATION: Histogram "gen_ai_client_operation_duration_seconds"
        ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "error_type"]
        "One call to the model, its retries included";
    GEN_AI_TOKENS: Histogram "gen_ai_client_token_usage"
        ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"]
        "Tokens of one call to the model: input or output";
    LLM_COST: Counter "innovation_llm_cost_usd" []
        "US dollars spent on model calls";
    MODEL_ODDITIES: Counter "innovation_model_reply_oddities" ["kind"]
        "Deviations from the wire format that were tolerated in replies of models, by kind";
    MODEL_PAUSED: Gauge "innovation_model_paused" ["reason"]
        "1 while this process does not ask the model, by reason";
    ANSWER_LOOK_UPS: Counter "innovation_answer_cache_look_ups" ["result"]
        "Questions to the answer cache, by result: hit, miss, overdue, off";
    ANSWER_WAITS: Counter "innovation_answer_cache_waits" []
        "Questions whose run waited for the answer of another run";
    DOCUMENT_FETCH_DURATION: Histogram "innovation_document_fetch_duration_seconds" ["result"]
        "The download of one document, its retries included";
    DOCUMENT_READ_DURATION: Histogram "innovation_document_read_duration_seconds" ["result"]
        "The reading of one document in the confined child, OCR and its turn included";
    WEBHOOKS: Counter "innovation_webhooks" ["result"]
        "Webhooks by outcome: delivered, retried, gone, superseded, too_large, gave_up";
    WEBHOOK_DURATION: Histogram "innovation_webhook_delivery_duration_seconds" ["result"]
        "One request to the receiver of webhooks";
    ALERTS_FIRING: Gauge "innovation_alerts_firing" ["severity"]
        "Alerts that fire now";
    DEPLOYMENT_VERDICT: Gauge "innovation_deployment_verdict" ["verdict"]
        "1 for the verdict over the deployment of this process, watching before that";
    TRACE_EXPORTS: Counter "innovation_trace_exports" ["result"]
        "Batches of spans that the collector took or did not take";
    LOG_LINES_LEFT_OUT: Counter "innovation_log_lines_left_out" []
        "Routine log lines that sampling has left out";
    BUILD: Info "innovation_build" ["version", "git_sha"]
        "The version and the commit of the process";
    STORAGE_MODE: Gauge "innovation_storage_mode" ["configured", "effective"]
        "The storage mode: configured and effective";
    RUNS_IN_FLIGHT: Gauge "innovation_runs_in_flight" []
        "Runs that this process executes";
    RUNS_STALLED: Gauge "innovation_runs_stalled" []
        "Active runs without progress";
    RUNS_WAITING: Gauge "innovation_runs_waiting" ["reason"]
        "Runs that wait in the queue after an attempt, by reason";
    QUEUE_DEPTH: Gauge "innovation_queue_depth" []
        "Accepted runs that wait for a worker";
    UNSYNCED_RUNS: Gauge "innovation_unsynced_runs" []
        "Ended runs of which the database lacks a part";
    UNSYNCED_STAGES: Gauge "innovation_unsynced_stages" []
        "Stages that the database lacks";
    OLDEST_UNSYNCED: Gauge "innovation_oldest_unsynced_seconds" []
        "How long the oldest part that the database lacks has waited";
    EPHEMERAL_OPEN_RUNS: Gauge "innovation_ephemeral_only_open_runs" []
        "Open runs that only an ephemeral disk has";
    EPHEMERAL_ENDED_RUNS: Gauge "innovation_ephemeral_only_ended_runs" []
        "Ended runs that only an ephemeral disk has";
    EPHEMERAL_STAGES: Gauge "innovation_ephemeral_only_stages" []
        "Stages that only an ephemeral disk has";
    SYNC_CONFLICTS: Gauge "innovation_sync_conflicts" []
        "Runs whose row and files differ";
    MISSING_ROWS: Gauge "innovation_missing_rows" []
        "Ended runs whose row is gone";
    MIRROR_RECORDS: Gauge "innovation_mirror_records" []
        "Stages and ends that the database has and the files of this process do not have yet";
    MIRROR_BYTES: Gauge "innovation_mirror_bytes" []
        "The memory of these stages and ends";
    MIRROR_AGE: Gauge "innovation_mirror_age_seconds" []
        "How long the oldest of them has waited for the files";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_end_in_no_suffix() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert!(!metric.help.is_empty(), "{}", metric.name);
            for suffix in ["_total", "_count", "_sum", "_bucket", "_info"] {
                assert!(!metric.name.ends_with(suffix), "{}", metric.name);
            }
        }
    }
}
