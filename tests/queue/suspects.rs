//! One run that kills its worker takes no other run with it: the real binary, in every mode.

use std::time::Duration;

use crate::support::{
    openrouter::Options,
    service::{DUAL_WRITE, FILE_ONLY, TestEnv, env},
    wait::eventually,
};

/// The poisoned run kills its worker as soon as its document is read, and the others ask the model meanwhile.
const LATENCY: Duration = Duration::from_secs(1);
const INNOCENT: usize = 8;

async fn only_the_poison_is_condemned(env: TestEnv, environment: &[(&str, &str)]) {
    let mut settings =
        vec![("LEASE_SECONDS", "3"), ("CRASH_AT", "document-read@poison"), ("MAX_CONCURRENT_RUNS", "9")];
    settings.extend(environment);
    let mut service = env.serve(&settings).await;
    for number in 0..INNOCENT {
        let _ = service.post(&env.request(&format!("run-{number}"))).await;
    }
    eventually("the calls", async || env.model.calls() == INNOCENT).await;
    let _ = service.post(&env.request("poison")).await;
    let mut crashes = 0;
    let status = loop {
        service.killed().await;
        crashes += 1;
        assert!(crashes <= 3, "the poison is known by now");
        service = env.serve(&settings).await;
        let end = eventually("an end or a crash", async || match service.get("/status/poison").await {
            Some((_, status)) if status["status"] == "running" => None,
            end => Some(end),
        });
        if let Some((_, status)) = end.await {
            break status;
        }
    };
    assert_eq!(status["error"]["code"], "CRASH_LOOP", "{status}");
    assert_eq!(crashes, 3);
    for number in 0..INNOCENT {
        let status = service.ended(&format!("run-{number}")).await;
        assert_eq!(status["status"], "complete", "{status}");
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_poison_condemns_no_other_run() {
    only_the_poison_is_condemned(env(LATENCY).await, DUAL_WRITE).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_poison_in_files_condemns_no_other_run() {
    let env = TestEnv::with_model(Options { latency: LATENCY, ..Options::default() }).await;
    only_the_poison_is_condemned(env, FILE_ONLY).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn runs_of_a_killed_worker_go_on_in_groups() {
    let env = env(Duration::from_millis(300)).await;
    let settings = [("LEASE_SECONDS", "3"), ("MAX_CONCURRENT_RUNS", "32")];
    let mut service = env.serve(&settings).await;
    for number in 0..32 {
        service.submit(&env.request(&format!("run-{number}"))).await;
    }
    eventually("the calls", async || env.model.calls() >= 8).await;
    service.kill();
    let service = env.serve(&settings).await;
    for number in 0..32 {
        assert_eq!(service.ended(&format!("run-{number}")).await["status"], "complete");
    }
}
