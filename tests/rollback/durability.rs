//! Runs that only an ephemeral disk has, and that a redeploy would lose, in health, metrics, logs and `reconcile`.

use serde_json::{Value, json};

use super::{FILE_ONLY, env};
use crate::support::{innovation, postgres::Stop, service::TestEnv};

/// A deployment of one replica on its own disk. Its analyst needs no model.
const DEPLOYED: [(&str, &str); 7] = [
    ("ENVIRONMENT", "staging"),
    ("ALLOW_UNAUTHENTICATED", "true"),
    ("SINGLE_REPLICA", "true"),
    ("ANALYST", "extractive"),
    ("OPENROUTER_API_KEY", ""),
    ("DRAIN_SECONDS", "1"),
    ("METRICS_KEY", METRICS_KEY),
];

const METRICS_KEY: &str = "c1f08e6d9b7a45230f8e7d6c5b4a3921";

fn hanging(env: &TestEnv, run_id: &str) -> Value {
    let mut request = env.request(run_id);
    request["blob_url"] = env.blob.url("hang").into();
    request
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn runs_of_an_ephemeral_disk_are_forecast_by_id() {
    let mut env = env(std::time::Duration::ZERO).await;
    let mut service = env.serve(&DEPLOYED).await;
    service.submit(&env.request("safe")).await;
    assert_eq!(service.ended("safe").await["status"], "complete");
    let forecast = |deep: &Value| deep["storage"]["durability_forecast"].clone();
    let nothing = json!({"open_runs": 0, "ended_runs": 0, "stages": 0, "run_ids": [], "is_exact": true});
    service.wait_for_path("/health/deep", |_, deep| forecast(deep) == nothing).await;

    env.postgres().stop(Stop::Immediate);
    service.submit(&env.request("ended")).await;
    assert_eq!(service.ended("ended").await["status"], "complete");
    let overdue = |_, health: &Value| {
        let reasons = health["degraded_reasons"].as_array();
        reasons.is_some_and(|reasons| reasons.contains(&"unsynced_age".into()))
    };
    service.wait_for_path("/health", overdue).await;
    service.submit(&hanging(&env, "open")).await;
    let lost =
        json!({"open_runs": 1, "ended_runs": 1, "stages": 4, "run_ids": ["ended", "open"], "is_exact": true});
    service.wait_for_path("/health/deep", |_, deep| forecast(deep) == lost).await;
    let metrics = service.send("GET", "/metrics", &Value::Null, &[("x-api-key", METRICS_KEY)]).await.body;
    for line in ["ephemeral_only_open_runs 1", "ephemeral_only_ended_runs 1", "ephemeral_only_stages 4"] {
        assert!(metrics.as_str().unwrap().contains(&format!("\ninnovation_{line}\n")), "{line}: {metrics}");
    }

    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    for event in ["redeploy_loss_forecast", "redeploy_loss"] {
        let told = &service.events(event)[0];
        assert_eq!((&told["open_runs"], &told["ended_runs"]), (&json!(1), &json!(1)), "{told}");
        assert_eq!(told["runs"], "ended, open");
    }
    env.postgres().start_again();
    // Another run is named, so these stay as they are.
    let output = innovation(&["reconcile", "--json", "--run", "safe"])
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", env.database_url())
        .env("ENVIRONMENT", "staging")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(last["redeploy_loss"]["run_ids"], json!(["ended", "open"]), "{said}");
}

#[tokio::test]
async fn without_a_database_every_run_is_forecast() {
    let env = TestEnv::files_only().await;
    let service = env.serve(&[&DEPLOYED, FILE_ONLY].concat()).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    let deep = service
        .wait_for_path("/health/deep", |_, deep| deep["storage"]["durability_forecast"]["ended_runs"] == 1)
        .await;
    assert_eq!(deep["storage"]["durability_forecast"]["stages"], 4, "{deep}");
    let overview = service.call("GET", "/console").await.body;
    let (_, figure) = overview.as_str().unwrap().split_once("Lost by a redeploy").unwrap();
    let (figure, _) = figure.split_once("</dd>").unwrap();
    assert!(figure.contains("1</span>") && figure.contains("with 4 stages"), "{figure}");
}

#[tokio::test]
async fn failing_reconciliation_degrades_health() {
    let mut env = env(std::time::Duration::ZERO).await;
    let service = env.serve(&DEPLOYED).await;
    env.postgres().stop(Stop::Immediate);
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    env.postgres().start_again();
    let refuse =
        r#"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$"#;
    env.query(refuse).await;
    // It refuses this run alone. Were all rows refused, the database would take no writes, and nothing would be reconciled.
    let trigger = r#"CREATE TRIGGER refuse BEFORE INSERT ON "PipelineRun" FOR EACH ROW
        WHEN (NEW."id" = 'run-1') EXECUTE FUNCTION refuse()"#;
    env.query(trigger).await;
    let failing = |_, health: &Value| {
        let reasons = health["degraded_reasons"].as_array();
        reasons.is_some_and(|reasons| reasons.contains(&"reconciliation_failing".into()))
    };
    service.wait_for_path("/health", failing).await;
    env.query(r#"DROP TRIGGER refuse ON "PipelineRun""#).await;
    service.wait_for_path("/health", |_, health| health["status"] == "healthy").await;
}
