//! Runs wait for a model that is away: the real binary, a real PostgreSQL, and the double of the endpoint.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    openrouter::{Options, Reply},
    proxy::Proxy,
    service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, Service, TestEnv, env},
    wait::{eventually, wanted},
};

const RUNS: usize = 40;
/// The pauses of a refused account grow to a minute. So few runs all wait before the second one, also on a busy machine.
const ACCOUNT_RUNS: usize = 12;
/// Each call takes this long, so that the calls of one round overlap.
const LATENCY: Duration = Duration::from_millis(300);
/// More replies than all attempts of an outage.
const OUTAGE: usize = 5_000;

fn refusal(status: u16) -> Reply {
    let headers = if status == 429 { vec![("Retry-After", "2".to_owned())] } else { Vec::new() };
    Reply::Status { status, headers, body: json!({"error": {"code": status, "message": "as scripted"}}) }
}

async fn submit(env: &TestEnv, service: &Service, runs: usize) {
    for number in 0..runs {
        service.submit(&env.request(&format!("run-{number}"))).await;
    }
}

/// Waits until every run waits, and checks what clients and operators see of it.
async fn all_wait(service: &Service, runs: usize, code: &str) -> Duration {
    let started = Instant::now();
    for number in 0..runs {
        let status = service.wait_for(&format!("run-{number}"), |status| !status["waiting"].is_null()).await;
        assert_eq!((&status["status"], &status["waiting"]["reason"]), (&json!("running"), &json!(code)));
        assert!(status["waiting"]["since"].is_string() && status["waiting"]["until"].is_string(), "{status}");
    }
    let seen = started.elapsed();
    let deep = service.wait_for_path("/health/deep", |_, deep| deep["model_pause"]["reason"] == code).await;
    assert_ne!(deep["model_breaker"], "closed");
    let line = format!("innovation_model_paused{{reason=\"{code}\"}} 1");
    let metrics = service.call("GET", "/metrics").await.body;
    assert!(metrics.as_str().unwrap().lines().any(|found| found == line), "{metrics}");
    assert!(service.events("run_failed").is_empty());
    assert!(service.events("model_paused").iter().any(|line| line["level"] != "INFO"));
    seen
}

/// Waits until all runs are complete, and checks that nothing was paid twice.
async fn all_complete(env: &TestEnv, service: &Service, runs: usize) -> Duration {
    let started = Instant::now();
    for number in 0..runs {
        let status = service.ended(&format!("run-{number}")).await;
        assert_eq!(status["status"], "complete", "{status}");
        assert!(status["waiting"].is_null());
    }
    assert_eq!(answered(env).len(), 4 * runs, "one answer a stage; {:?}", asked_again(service));
    started.elapsed()
}

/// The stages that a service began more than once, and what it logged of leases: for a failure's message.
fn asked_again(service: &Service) -> Vec<String> {
    let mut began: Vec<String> = ["stage_started", "run_taken_over", "run_lost", "run_parked"]
        .into_iter()
        .flat_map(|name| service.events(name))
        .map(|line| format!("{} {} {}", line["event"], line["run_id"], line["stage"]))
        .collect();
    began.sort();
    let is_often = |one: &&[String]| one.len() > 1 || !one[0].contains("stage_started");
    began.chunk_by(|one, two| one == two).filter(is_often).map(|same| same[0].clone()).collect()
}

/// When the endpoint got the requests that it answered.
fn answered(env: &TestEnv) -> Vec<Instant> {
    let requests = env.model.requests();
    let mut all: Vec<Instant> = requests
        .into_iter()
        .filter(|request| matches!(request.reply, Reply::Answer(_)))
        .map(|request| request.at)
        .collect();
    all.sort();
    all
}

async fn attempts_are_not_raised(env: &TestEnv, runs: usize) {
    if env.postgres.is_some() {
        let sum = r#"SELECT sum("attempts")::text FROM "PipelineRun" WHERE "status" = 'PROCESSING'"#;
        env.wait_for_value(sum, "0").await;
    } else {
        for number in 0..runs {
            env.manifest_when(&format!("run-{number}"), |manifest| manifest["attempts"] == 0).await;
        }
    }
}

async fn outage_and_recovery(env: TestEnv, environment: &[(&str, &str)], status: u16, code: &str) {
    let service = env.serve(environment).await;
    let runs = if matches!(status, 401 | 402) { ACCOUNT_RUNS } else { RUNS };
    env.model.script(vec![refusal(status); OUTAGE]);
    submit(&env, &service, runs).await;
    let seen = all_wait(&service, runs, code).await;
    attempts_are_not_raised(&env, runs).await;
    env.model.clear_script();
    let recovered = all_complete(&env, &service, runs).await;
    println!("{status}: every run waits after {seen:?}; all complete {recovered:?} after the recovery");
    // One call, then two at once: the fourth belongs to the third round.
    let times = answered(&env);
    let after: Vec<Duration> = times.iter().map(|time| *time - times[0]).collect();
    assert!(after[1] >= LATENCY, "the probe is alone: {after:?}");
    assert!(after[3] >= 2 * LATENCY, "two calls follow: {after:?}");
    assert!(after[7] >= 3 * LATENCY, "then four: {after:?}");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_rate_limit_delays_runs() {
    outage_and_recovery(env(LATENCY).await, DUAL_WRITE, 429, "LLM_RATE_LIMIT").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_failing_model_delays_runs() {
    outage_and_recovery(env(LATENCY).await, DATABASE_ONLY, 503, "LLM_ERROR").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn missing_credits_delay_runs() {
    outage_and_recovery(env(LATENCY).await, DUAL_WRITE, 402, "LLM_CREDITS").await;
}

#[tokio::test]
async fn a_refused_key_delays_runs() {
    let env = TestEnv::with_model(Options { latency: LATENCY, ..Options::default() }).await;
    outage_and_recovery(env, FILE_ONLY, 401, "LLM_AUTH").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn refused_connections_delay_runs() {
    let env = env(LATENCY).await;
    let address = env.model.address();
    let mut proxy = Proxy::start(address).await;
    let url = proxy.url(&env.model.base_url());
    let service = env.serve(&[("OPENROUTER_BASE_URL", &url)]).await;
    proxy.refuse().await;
    submit(&env, &service, RUNS).await;
    all_wait(&service, RUNS, "LLM_ERROR").await;
    attempts_are_not_raised(&env, RUNS).await;
    proxy.mend().await;
    all_complete(&env, &service, RUNS).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_stage_stored_before_the_outage_stays() {
    let env = env(LATENCY).await;
    let service = env.serve(&[]).await;
    submit(&env, &service, 3).await;
    env.wait_for_value(r#"SELECT count("stage1Output")::text FROM "PipelineRun""#, "3").await;
    env.model.script(vec![refusal(503); OUTAGE]);
    for number in 0..3 {
        service.wait_for(&format!("run-{number}"), |status| !status["waiting"].is_null()).await;
    }
    env.model.clear_script();
    all_complete(&env, &service, 3).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_wait_outlives_a_killed_worker() {
    let mut environments = vec![env(LATENCY).await];
    environments.push(TestEnv::with_model(Options { latency: LATENCY, ..Options::default() }).await);
    for env in environments {
        let settings: Vec<_> = [("LEASE_SECONDS", "3")]
            .into_iter()
            .chain(if env.postgres.is_some() { DUAL_WRITE } else { FILE_ONLY }.iter().copied())
            .collect();
        let mut service = env.serve(&settings).await;
        env.model.script(vec![refusal(503); OUTAGE]);
        submit(&env, &service, 10).await;
        all_wait(&service, 10, "LLM_ERROR").await;
        let since = |status: &Value| status["waiting"]["since"].clone();
        let before = since(&service.wait_for("run-9", |status| !status["waiting"].is_null()).await);
        service.kill();
        let service = env.serve(&settings).await;
        let after = service.wait_for("run-9", |status| !status["waiting"].is_null()).await;
        assert_eq!(since(&after), before);
        env.model.clear_script();
        all_complete(&env, &service, 10).await;
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn replicas_wait_and_recover_together() {
    let env = env(LATENCY).await;
    // On a busy machine, a short lease may run out: another replica then asks again, and is right to.
    let patient = [("LEASE_SECONDS", "60")];
    let one = env.replica("one", &patient).await;
    let other = env.replica("other", &patient).await;
    env.model.script(vec![refusal(503); OUTAGE]);
    for number in 0..RUNS {
        let service = if number % 2 == 0 { &one } else { &other };
        service.submit(&env.request(&format!("run-{number}"))).await;
    }
    let waiting = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "waitingSince" IS NOT NULL"#;
    env.wait_for_value(waiting, &RUNS.to_string()).await;
    env.model.clear_script();
    all_complete(&env, &one, RUNS).await;
    assert!(one.events("run_failed").is_empty() && other.events("run_failed").is_empty());
}

async fn ends_with_its_own_code(reply: Reply, code: &str, environment: &[(&str, &str)]) {
    let env = if environment == FILE_ONLY { TestEnv::files_only().await } else { env(Duration::ZERO).await };
    let mut settings = environment.to_vec();
    // On a busy machine, another fault must not look like a timeout.
    let timeout = if code == "LLM_TIMEOUT" { "1" } else { "30" };
    settings.extend([("LLM_OUTAGE_DEADLINE_SECONDS", "3"), ("LLM_TIMEOUT_SECONDS", timeout)]);
    let service = env.serve(&settings).await;
    env.model.script(vec![reply; OUTAGE]);
    submit(&env, &service, 8).await;
    for number in 0..8 {
        let status = service.ended(&format!("run-{number}")).await;
        assert_eq!(
            (&status["status"], &status["error"]["code"]),
            (&json!("failed"), &json!(code)),
            "{status}"
        );
        assert_eq!(status["error"]["can_retry"], true);
    }
    env.model.clear_script();
    // The deadline of these tests is shorter than some pauses.
    let ends_soon =
        |deep: &Value| deep["model_pause"]["retry_in_seconds"].as_u64().is_none_or(|left| left < 2);
    service.wait_for_path("/health/deep", |_, deep| ends_soon(deep)).await;
    for number in 0..8 {
        let retried = service.call("POST", &format!("/api/pipeline/run-{number}/retry")).await;
        assert_eq!(retried.status, 202, "{:?}", retried.body);
    }
    all_complete(&env, &service, 8).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_lasting_rate_limit_is_told_as_such() {
    ends_with_its_own_code(refusal(429), "LLM_RATE_LIMIT", DUAL_WRITE).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_lasting_failure_is_told_as_such() {
    ends_with_its_own_code(refusal(503), "LLM_ERROR", DATABASE_ONLY).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn lastingly_missing_credits_are_told_as_such() {
    ends_with_its_own_code(refusal(402), "LLM_CREDITS", DUAL_WRITE).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_lastingly_refused_key_is_told_as_such() {
    ends_with_its_own_code(refusal(401), "LLM_AUTH", FILE_ONLY).await;
}

#[tokio::test]
async fn a_lasting_hang_is_told_as_such() {
    ends_with_its_own_code(Reply::HangBeforeHeaders, "LLM_TIMEOUT", DUAL_WRITE).await;
}

#[tokio::test]
async fn a_backlog_starves_no_waiting_run() {
    let env = env(Duration::from_millis(100)).await;
    let service = env.serve(&[DATABASE_ONLY, &[("MAX_CONCURRENT_RUNS", "1")]].concat()).await;
    submit(&env, &service, 20).await;
    env.query(
        r#"UPDATE "PipelineRun" SET "leaseOwner" = 'waiting', "leaseUntil" = now(), "waitingReason" = 'LLM_ERROR',
           "waitingSince" = now() WHERE "id" = 'run-19' AND "leaseUntil" IS NULL"#,
    )
    .await;
    assert_eq!(service.ended("run-19").await["status"], "complete");
    let backlog =
        env.value(r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'PROCESSING'"#).await;
    assert!(backlog.parse::<usize>().unwrap() > 5, "{backlog} runs were left");
}

#[tokio::test]
async fn a_timeout_of_one_run_does_not_hold_it_back() {
    let env = env(Duration::ZERO).await;
    let service = env.serve(&[("LLM_TIMEOUT_SECONDS", "2")]).await;
    env.model.script([Reply::HangBeforeHeaders]);
    service.submit(&env.request("slow")).await;
    eventually("the call", async || wanted(env.model.calls(), |calls| *calls == 1)).await;
    // The model answers others meanwhile.
    for number in 0.. {
        let run_id = format!("run-{number}");
        service.submit(&env.request(&run_id)).await;
        assert_eq!(service.ended(&run_id).await["status"], "complete");
        if service.get("/status/slow").await.unwrap().1["status"] != "running" {
            break;
        }
    }
    let status = service.ended("slow").await;
    assert_eq!(status["error"]["code"], "LLM_TIMEOUT", "{status}");
}
