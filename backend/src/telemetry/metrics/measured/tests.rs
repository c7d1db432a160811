use std::time::Duration;

use pipeline::{
    failure::FailureCode,
    llm::Usage,
    run::{RunStatus, Stage},
};
use storage::observer::StoreName;

use super::{
    super::{
        Operation, call_ended, database_written, file_write_failed, llm_cost, model_called, model_oddity,
        request_answered, run_accepted, run_ended, stage_stored, store_called,
    },
    *,
};

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
        pool: Some(PoolState { active: 2, idle: 1, waiting: 4, size: 10 }),
        is_file_alarm: false,
        mirror: MirrorLag::default(),
        database_clock_ahead_ms: Some(-1_500),
    }
}

#[test]
fn counters_and_gauges_render_in_one_text() {
    run_accepted();
    run_ended(RunStatus::Failed, Some(FailureCode::LlmCredits), Duration::from_secs(3));
    run_ended(RunStatus::Completed, None, Duration::from_secs(2));
    stage_stored(Stage::InputProcessing, "extractive", StoreName::File);
    database_written(false);
    file_write_failed();
    store_called(StoreName::File, "store_stage", Duration::from_millis(2), None);
    let usage = Usage { prompt_tokens: 1000, completion_tokens: 60, ..Usage::default() };
    model_called("openrouter", "a/b", "", Duration::from_secs(100), &usage);
    call_ended(Operation::ModelCall, 3, true);
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
        "http_server_request_duration_seconds_bucket{le=\"0.005\",http_request_method=\"GET\",http_route=\"/health\",http_response_status_code=\"200\"} 1",
        "innovation_file_operation_duration_seconds_bucket{le=\"0.005\",operation=\"store_stage\",error_type=\"\"} 1",
        "gen_ai_client_operation_duration_seconds_bucket{le=\"120.0\",gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openrouter\",gen_ai_request_model=\"a/b\",error_type=\"\"} 1",
        "gen_ai_client_token_usage_bucket{le=\"64.0\",gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openrouter\",gen_ai_request_model=\"a/b\",gen_ai_token_type=\"output\"} 1",
        "innovation_calls_total{operation=\"model_call\",result=\"after_retry\"} 1",
        "innovation_run_duration_seconds_sum{status=\"FAILED\"} 3.0",
        "innovation_database_pool_connections{state=\"active\"} 2",
        "innovation_database_pool_waiting 4",
        "innovation_alerts_firing{severity=\"critical\"} 0",
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
