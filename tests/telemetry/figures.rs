//! The figures of a real service: in `/metrics`, and in the log once a period.

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::support::{
    openrouter::Reply,
    postgres::Stop,
    receiver::Receiver,
    service::{Service, TestEnv, refuses_for_good},
    wait::eventually,
};

async fn metrics(service: &Service) -> String {
    let (status, text) = service.get("/metrics").await.unwrap();
    assert_eq!(status, 200);
    text.as_str().unwrap().to_owned()
}

/// The sum of all samples that begin so.
fn value(text: &str, start: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(start));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[tokio::test]
async fn a_run_leaves_its_figures() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[("LOG_FIGURES_SECONDS", "1"), ("LOG_SAMPLE_PERCENT", "0")]).await;
    service.submit(&env.request("run-1")).await;
    service.submit(&env.request("run-1")).await;
    let other = json!({"blob_url": env.blob.url("sample/trend-report.pdf")});
    let mut mismatch = env.request("run-1");
    mismatch["blob_url"] = other["blob_url"].clone();
    assert_eq!(service.post(&mismatch).await.unwrap().0, 409);
    service.ended("run-1").await;
    let text = metrics(&service).await;
    for (start, wanted) in [
        ("innovation_runs_ended_total{status=\"COMPLETED\",code=\"NONE\"}", 1.0),
        ("innovation_idempotency_hits_total{result=\"repeated\"}", 1.0),
        ("innovation_idempotency_hits_total{result=\"mismatch\"}", 1.0),
        ("innovation_run_duration_seconds_count{status=\"COMPLETED\"}", 1.0),
        ("innovation_queue_wait_seconds_count", 1.0),
        ("innovation_time_to_first_stage_seconds_count", 1.0),
        ("innovation_stage_duration_seconds_count", 4.0),
        ("gen_ai_client_operation_duration_seconds_count", 4.0),
        ("gen_ai_client_token_usage_count", 8.0),
        ("innovation_document_fetch_duration_seconds_count{result=\"ok\"}", 1.0),
        ("innovation_document_read_duration_seconds_count{result=\"ok\"}", 1.0),
        ("innovation_calls_total{operation=\"model_call\",result=\"first_attempt\"}", 4.0),
        ("innovation_calls_total{operation=\"stage_write\",result=\"first_attempt\"}", 4.0),
        (
            "http_server_request_duration_seconds_count{http_request_method=\"POST\",http_route=\"/run\",http_response_status_code=\"202\"}",
            2.0,
        ),
        ("innovation_alerts_firing{severity=\"critical\"}", 0.0),
    ] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}\n{text}");
        assert!((value(&text, start) - wanted).abs() < 1e-9, "{start} is {}", value(&text, start));
    }
    for operation in ["accept", "store_stage", "finish"] {
        let start = format!(
            "db_client_operation_duration_seconds_count{{db_system_name=\"postgresql\",db_operation_name=\"{operation}\",error_type=\"\"}}"
        );
        assert!(value(&text, &start) >= 1.0, "{operation}\n{text}");
    }
    assert!(value(&text, "innovation_database_pool_connections{state=\"idle\"}") >= 1.0, "{text}");
    assert!(value(&text, "innovation_database_pool_size") >= 1.0);
    let is_of_the_run = |line: &&Value| line["runs_completed"] == 1;
    let lines = || service.events("figures");
    let line =
        crate::support::wait::eventually("figures", async || lines().iter().find(is_of_the_run).cloned())
            .await;
    assert_eq!(line["mode"], "DUAL_WRITE", "{line}");
    // The stages may have been paid in an earlier period.
    assert!(lines().iter().any(|line| line["cost_usd"].as_f64().unwrap() > 0.0));
    assert!(line["pool_idle"].is_u64() && line["queue_depth"] == 0, "{line}");
    // Sampling leaves out routine lines only.
    assert!(service.events("stage_stored").is_empty() && !service.events("run_ended").is_empty());
    let answered = service.events("request_answered");
    assert!(
        answered.iter().all(|line| line["status"] == 409 || line["duration_ms"].as_u64() >= Some(1_000)),
        "{answered:?}"
    );
    assert!(answered.iter().any(|line| line["status"] == 409));
}

#[tokio::test]
async fn trouble_shows_in_the_figures() {
    let mut env = TestEnv::with_database().await;
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let service = env
        .serve(&[
            ("FRONTEND_WEBHOOK_URL", &url),
            ("DATABASE_POOL_SIZE", "2"),
            ("DATABASE_ACQUIRE_TIMEOUT_MS", "200"),
        ])
        .await;
    let reaches = async |start: &str, least: f64| {
        eventually(&format!("{start} of {least}"), async || value(&metrics(&service).await, start) >= least)
            .await;
    };
    let busy = json!({"error": {"code": 503, "message": "as scripted"}});
    env.model.script([Reply::Status { status: 503, headers: Vec::new(), body: busy }]);
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    reaches("innovation_calls_total{operation=\"model_call\",result=\"after_retry\"}", 1.0).await;
    reaches("innovation_webhooks_total{result=\"delivered\"}", 1.0).await;
    reaches("innovation_webhook_delivery_duration_seconds_count", 1.0).await;
    reaches("innovation_file_operation_duration_seconds_count", 1.0).await;
    reaches("innovation_llm_cost_usd_total", 0.04).await;

    env.model.script([refuses_for_good()]);
    let mut refused = env.request("run-2");
    refused["cache"] = "off".into();
    service.submit(&refused).await;
    assert_eq!(service.ended("run-2").await["status"], "failed");
    reaches("innovation_calls_total{operation=\"model_call\",result=\"permanent_failure\"}", 1.0).await;

    // Somebody locks the table, and the statements that wait for it hold all connections.
    let mut lock = PgConnection::connect(&env.database_url()).await.unwrap();
    sqlx::raw_sql(r#"BEGIN; LOCK TABLE "PipelineRun""#).execute(&mut lock).await.unwrap();
    tokio::select! {
        () = reaches("innovation_database_pool_exhausted_total", 1.0) => {}
        never = service.load("/status/run-1", &[]) => never,
    }
    lock.close().await.unwrap();

    env.postgres().stop(Stop::Immediate);
    service.submit(&env.request("run-3")).await;
    assert_eq!(service.ended("run-3").await["status"], "complete");
    reaches("innovation_unsynced_stages", 1.0).await;
    reaches("innovation_oldest_unsynced_seconds", 1.0).await;
}
