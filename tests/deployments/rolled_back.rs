//! Back to what was healthy: by flags, and by the platform.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{SECRET, SHORT_WATCH, deploy, is_watched, json_of, past};
use crate::support::{
    postgres::Stop,
    railway_api::RailwayApi,
    service::{Service, TestEnv},
    stderr,
    wait::{eventually, wanted},
};

#[tokio::test]
async fn a_storage_fault_goes_back_to_the_healthy_mode() {
    let mut env = TestEnv::with_database().await;
    past(&env, "d-0", 30, json!({})).await;
    let settings = [
        &SHORT_WATCH[..],
        &[
            SECRET,
            ("RAILWAY_DEPLOYMENT_ID", "d-1"),
            ("ARBITER_ACTION", "flags"),
            ("ARBITER_WATCH_SECONDS", "600"),
            ("ENABLE_FILE_FALLBACK", "false"),
            ("SINGLE_REPLICA", "true"),
        ],
    ]
    .concat();
    let service = env.serve(&settings).await;
    is_watched(&service, "d-1").await;
    // It has heard of the last healthy mode while the database was there.
    env.wait_for_value(
        r#"SELECT "progress"->>'healthy_mode' FROM "innovation"."Deployment" WHERE "id" = 'd-1'"#,
        "DUAL_WRITE",
    )
    .await;
    env.postgres().stop(Stop::Immediate);
    let failing = service.wait_for_event("deployment_failing").await;
    assert!(failing["seconds_after_fault"].as_u64().unwrap() < 30, "{failing}");
    let acted = service.wait_for_event("arbiter_acted").await;
    let result = acted["result"].as_str().unwrap().to_owned();
    assert!(result.starts_with("flags: done: DATABASE_ONLY → DUAL_WRITE"), "{result}");
    // Files take over, so that runs are accepted again.
    service.wait_for_path("/health/ready", |status, _| status == 200).await;
}

/// The profile of a brand is invalid, so that every answer about it is an error.
fn break_a_brand(env: &TestEnv) {
    let broken = env.folder.path().join("bad/data/brand-profiles/broken.yaml");
    std::fs::create_dir_all(broken.parent().unwrap()).unwrap();
    std::fs::write(&broken, "brand_name: 7").unwrap();
}

/// The deployment d-1, whose answers are errors, after the healthy d-0. The arbiter may go back on the platform.
async fn bad_deployment(env: &TestEnv, railway: &RailwayApi, watch: &[(&str, &str)]) -> Service {
    railway.deploy("d-0", &[("FENCE_SECRET", "old")]);
    railway.deploy("d-1", &[("FENCE_SECRET", "new")]);
    past(env, "d-0", 30, json!({"deploymentMetadata": {"variables": {"FENCE_SECRET": "old"}}})).await;
    break_a_brand(env);
    let platform = railway.settings();
    let platform: Vec<(&str, &str)> =
        platform.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let own = [("RAILWAY_DEPLOYMENT_ID", "d-1"), ("ARBITER_ACTION", "railway")];
    let service = env.replica("bad", &[watch, &own, &platform].concat()).await;
    is_watched(&service, "d-1").await;
    service
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn with_real_thresholds_an_error_is_gone_in_minutes() {
    let env = TestEnv::with_database().await;
    let railway = RailwayApi::start("project-token").await;
    let service = bad_deployment(&env, &railway, &[]).await;
    let begun = Instant::now();
    let under_load = async |field: &str, value: &str| {
        eventually(&format!("{field} is {value}"), async || {
            super::ask(&service, "/brands/broken", 10).await;
            let body = service.call("GET", "/api/admin/deployments/d-1").await.body;
            wanted(body, |body| body[field] == value)
        })
        .await;
        begun.elapsed()
    };
    let verdict = under_load("verdict", "failing").await;
    let rollback = under_load("rolled_back_to", "d-0").await;
    println!("from the fault: {verdict:.0?} to the verdict, {rollback:.0?} to the rollback");
    assert!(rollback < Duration::from_secs(300), "{rollback:?}");
}

#[tokio::test]
async fn flags_change_for_storage_faults_alone() {
    let env = TestEnv::with_database().await;
    past(&env, "d-0", 30, json!({})).await;
    break_a_brand(&env);
    let own =
        [("RAILWAY_DEPLOYMENT_ID", "d-1"), ("ARBITER_ACTION", "flags"), ("ENABLE_FILE_FALLBACK", "false")];
    let service = env.replica("bad", &[&SHORT_WATCH[..], &own].concat()).await;
    is_watched(&service, "d-1").await;
    let acted = eventually("it has acted", async || {
        super::ask(&service, "/brands/broken", 30).await;
        service.events("arbiter_acted").pop()
    })
    .await;
    assert!(acted["result"].as_str().unwrap().starts_with("flags: refused"), "{acted}");
    assert_eq!(service.call("GET", "/health").await.body["mode"], "DATABASE_ONLY");
}

/// Stops the database of `current`, whose arbiter may change flags. Returns what the arbiter has done.
async fn on_a_lost_database(env: &mut TestEnv, healthy_mode: &str, more: &[(&str, &str)]) -> String {
    let own = [
        ("RAILWAY_DEPLOYMENT_ID", "current"),
        ("ARBITER_ACTION", "flags"),
        ("ARBITER_WATCH_SECONDS", "600"),
        ("SINGLE_REPLICA", "true"),
    ];
    let service = env.serve(&[&SHORT_WATCH[..], &own, &[SECRET], more].concat()).await;
    is_watched(&service, "current").await;
    let heard = r#"SELECT "progress"->>'healthy_mode' FROM "innovation"."Deployment" WHERE "id" = 'current'"#;
    env.wait_for_value(heard, healthy_mode).await;
    env.postgres().stop(Stop::Immediate);
    service.wait_for_event("arbiter_acted").await["result"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn flags_never_go_to_a_less_durable_mode() {
    let mut env = TestEnv::with_database().await;
    past(&env, "d-0", 30, json!({"mode": "FILE_ONLY"})).await;
    let result = on_a_lost_database(&mut env, "FILE_ONLY", &[]).await;
    assert!(result.starts_with("flags: refused") && result.contains("durable"), "{result}");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn flags_go_back_three_times_in_a_row_at_most() {
    let mut env = TestEnv::with_database().await;
    past(&env, "d-0", 40, json!({})).await;
    let flipped =
        json!({"verdict": "failing", "status": "failed", "progress": {"action": "flags: done: by a test"}});
    for (id, hours) in [("d-1", 30), ("d-2", 20), ("d-3", 10)] {
        past(&env, id, hours, flipped.clone()).await;
    }
    let result = on_a_lost_database(&mut env, "DUAL_WRITE", &[("ENABLE_FILE_FALLBACK", "false")]).await;
    assert!(result.starts_with("flags: refused") && result.contains("in a row"), "{result}");
}

#[tokio::test]
async fn the_platform_goes_back_to_the_healthy_deployment() {
    let env = TestEnv::with_database().await;
    let railway = RailwayApi::start("project-token").await;
    let service = bad_deployment(&env, &railway, &SHORT_WATCH).await;
    railway.limit(1);
    let rolled_back = eventually("the rollback", async || {
        super::ask(&service, "/brands/broken", 30).await;
        let body = service.call("GET", "/api/admin/deployments/d-1").await.body;
        wanted(body, |body| body["rolled_back_to"] == "d-0")
    })
    .await;
    assert_eq!((&rolled_back["status"], &rolled_back["verdict"]), (&json!("rolled_back"), &json!("failing")));
    let planned = service.wait_for_event("rollback_planned").await;
    assert!(planned["variables"].as_str().unwrap().contains("FENCE_SECRET"), "{planned}");
    let acted = service.wait_for_event("arbiter_acted").await;
    assert!(acted["result"].as_str().unwrap().starts_with("railway: done"), "{acted}");
    assert_eq!(
        (railway.rollbacks(), &railway.variables()["FENCE_SECRET"]),
        (vec!["d-0".to_owned()], &"old".to_owned())
    );
    let audited =
        r#"SELECT string_agg("action" || ' ' || "actor", ',' ORDER BY "at") FROM "innovation"."AuditRecord""#;
    env.wait_for_value(audited, "deployment.rollback arbiter,deployment.action arbiter").await;
}

#[tokio::test]
async fn an_action_is_given_up_after_three_attempts() {
    let env = TestEnv::with_database().await;
    past(&env, "d-0", 30, json!({})).await;
    break_a_brand(&env);
    // Nobody listens there.
    let platform = [("RAILWAY_API_URL", "http://127.0.0.1:9/graphql/v2"), ("RAILWAY_TOKEN", "project-token")];
    let own = [("RAILWAY_DEPLOYMENT_ID", "d-1"), ("ARBITER_ACTION", "railway")];
    let service = env.replica("bad", &[&SHORT_WATCH[..], &own, &platform].concat()).await;
    is_watched(&service, "d-1").await;
    let acted = eventually("the last attempt", async || {
        super::ask(&service, "/brands/broken", 30).await;
        wanted(service.events("arbiter_acted"), |acted| !acted.is_empty())
    })
    .await;
    let result = acted[0]["result"].as_str().unwrap();
    assert!(result.ends_with("given up after 3 attempts"), "{result}");
    assert_eq!(service.events("arbiter_action_postponed").len(), 2);
}

#[tokio::test]
async fn a_rollback_is_refused_for_good_reasons() {
    let env = TestEnv::with_database().await;
    let railway = RailwayApi::start("project-token").await;
    for id in ["healthy", "expired", "failed", "now"] {
        railway.deploy(id, &[]);
    }
    railway.expire("expired");
    let failed = json!({"verdict": "failing", "status": "failed"});
    past(&env, "healthy", 300, json!({})).await;
    past(&env, "expired", 90, json!({"verdict": "inconclusive"})).await;
    past(&env, "failed", 60, failed.clone()).await;
    past(&env, "now", 2, failed).await;
    env.query(r#"UPDATE "innovation"."Deployment" SET "endedAt" = NULL WHERE "id" = 'now'"#).await;
    let platform = railway.settings();
    let platform: Vec<(&str, &str)> =
        platform.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let try_to = async |to: &str| {
        let output = deploy(&env, &["rollback", "--to", to, "--reason", "a test"], &platform).await;
        (output.status.code(), stderr(&output))
    };
    for (to, why) in [
        ("failed", "has failed itself"),
        ("expired", "its image is gone"),
        ("healthy", "keeps it no longer"),
        ("now", "runs already"),
    ] {
        let (code, said) = try_to(to).await;
        assert!(code == Some(1) && said.contains(why), "{to}: {said}");
    }
    let wrong = [&platform[..], &[("RAILWAY_TOKEN", "another")]].concat();
    let output = deploy(&env, &["rollback", "--dry-run", "--reason", "a test"], &wrong).await;
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(!stderr(&output).contains("another"), "the token is shown");
    assert!(railway.rollbacks().is_empty());
    let unknown = deploy(&env, &["rollback", "--from", "nonsense", "--reason", "a test"], &platform).await;
    assert!(stderr(&unknown).contains("nonsense is not recorded"), "{}", stderr(&unknown));
    // The same within a longer retention.
    let longer = [&platform[..], &[("RAILWAY_PLAN", "enterprise")]].concat();
    let output = deploy(&env, &["rollback", "--reason", "a test", "--json"], &longer).await;
    assert_eq!(
        (output.status.code(), &json_of(&output)["deployment"]),
        (Some(0), &json!("healthy-again")),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn three_rollbacks_in_a_row_are_the_end() {
    let env = TestEnv::with_database().await;
    let railway = RailwayApi::start("project-token").await;
    railway.deploy("d-0", &[]);
    railway.deploy("d-4", &[]);
    past(&env, "d-0", 40, json!({})).await;
    for (id, hours) in [("d-1", 30), ("d-2", 20), ("d-3", 10)] {
        past(&env, id, hours, json!({"verdict": "failing", "status": "rolled_back", "rolledBackTo": "d-0"}))
            .await;
    }
    past(&env, "d-4", 2, json!({"verdict": "failing", "status": "failed"})).await;
    let platform = railway.settings();
    let platform: Vec<(&str, &str)> =
        platform.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    env.query(r#"UPDATE "innovation"."Deployment" SET "endedAt" = NULL WHERE "id" = 'd-4'"#).await;
    let output = deploy(&env, &["rollback", "--reason", "a test"], &platform).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("3 rollbacks in a row"), "{}", stderr(&output));
    assert!(railway.rollbacks().is_empty());
}
