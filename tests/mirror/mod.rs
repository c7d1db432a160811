//! In `DUAL_WRITE` the files follow the database, and no run waits for them.

use std::time::Duration;

use crate::{
    flags::flags,
    support::{
        assert_ok,
        openrouter::{Options, calls},
        postgres::Postgres,
        proxy::Proxy,
        s3::S3,
        service::{SHORT_LEASE, Service, TestEnv},
        wait::{eventually, wanted},
    },
};

#[tokio::test]
async fn a_stopping_service_leaves_complete_files() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(&SHORT_LEASE).await;
    let runs = ["run-1", "run-2", "run-3"];
    for run in runs {
        service.submit(&env.request(run)).await;
    }
    for run in runs {
        service.ended(run).await;
    }
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    for run in runs {
        assert_eq!(env.manifest(run)["status"], "COMPLETED");
        env.assert_both_agree(run).await;
    }
}

/// A replica whose bucket lies behind a network. The bucket's copy of `run-1` is behind the row, for the network is silent.
struct Behind {
    env: TestEnv,
    server: S3,
    network: Proxy,
    one: Service,
}

impl Behind {
    async fn new() -> Self {
        let mut env =
            TestEnv::with_model(Options { latency: Duration::from_millis(150), ..Options::default() }).await;
        env.postgres = Some(Postgres::start());
        env.migrate();
        let server = S3::start();
        let network = Proxy::start(server.address).await;
        let bucket = S3::environment(&network.url(&server.url()));
        let settings: Vec<(&str, &str)> =
            bucket.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let one = env.replica("one", &settings).await;
        one.wait_for_event("bucket_guard_confirmed").await;
        one.submit(&env.request("run-1")).await;
        one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
        network.swallow();
        one.wait_for_run_event("run-1", "run_ended").await;
        Self { env, server, network, one }
    }
}

#[tokio::test]
async fn a_silent_bucket_holds_no_run_up() {
    let Behind { env, server, mut network, one } = Behind::new().await;
    // One silent request alone takes 2 s.
    assert!(one.run_time("run-1") < Duration::from_millis(1_900), "{:?}", one.run_time("run-1"));
    let health = one.call("GET", "/health/deep").await.body;
    assert!(health["storage"]["mirror"]["records"].is_u64(), "{health}");
    network.mend().await;
    let manifest = eventually("the files follow", async || {
        wanted(server.manifest("run-1"), |manifest| manifest["status"] == "COMPLETED")
    })
    .await;
    assert_eq!(manifest["stages"].as_object().unwrap().len(), 4, "{manifest}");
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn a_flip_is_acknowledged_after_the_mirror() {
    let Behind { env, server, mut network, one } = Behind::new().await;
    let flip = ["set", "ENABLE_DATABASE_WRITES", "false", "--reason", "a test", "--wait"];
    let mend = async {
        one.wait_for_event("flags_not_acknowledged").await;
        network.mend().await;
    };
    let (output, ()) = tokio::join!(flags(&env, &flip, &[]), mend);
    assert_ok(&output);
    assert_eq!(server.manifest("run-1")["status"], "COMPLETED", "before the database may be taken away");
}
