//! Operators stop an operation, roll a deployment back and send webhooks again, and the pages show it.

use serde_json::{Value, json};

use super::changes::{page, send};
use crate::{
    bulk::add_runs,
    control_plane::{ADMIN_KEY, CLIENT_KEY, KEYS, ask, keys},
    deployments::past,
    support::{
        assert_ok, innovation,
        railway_api::RailwayApi,
        receiver::{Manner, Receiver},
        service::{Service, TestEnv},
        wait::{eventually, wanted},
    },
};

const OWN: Option<&str> = Some("same-origin");

/// A key with a role.
fn key(env: &TestEnv, role: &str) -> String {
    keys(env, &["create", "--name", role, "--role", role])["key"].as_str().unwrap().to_owned()
}

/// The record of an action on a thing: who, and why.
async fn record(service: &Service, action: &str, target: &str) -> (Value, Value) {
    let path = format!("/api/admin/audit?action={action}&target={target}");
    let found = eventually(action, async || {
        let records = ask(service, ADMIN_KEY, "GET", &path, None).await.body["records"].clone();
        wanted(records, |records| records.as_array().is_some_and(|all| all.len() == 1))
    })
    .await;
    (found[0]["actor"].clone(), found[0]["reason"].clone())
}

/// Neither another site's form nor a viewer's one does anything.
async fn assert_refused(service: &Service, viewer: &str, path: &str, form: &[(&str, &str)]) {
    for (key, site) in [(ADMIN_KEY, Some("cross-site")), (viewer, OWN), (CLIENT_KEY, OWN)] {
        assert_eq!(send(service, key, site, path, form).await.0, 403, "{path} {site:?}");
    }
}

#[tokio::test]
async fn an_operation_is_watched_and_stopped() {
    let env = TestEnv::with_database().await;
    add_runs(&env, "old", 40, r#""status""#, "'COMPLETED'").await;
    let order = ["runs", "delete", "--filter", "status=COMPLETED", "--yes", "--reason", "old", "--no-wait"];
    let mut command = innovation(&order);
    command.env("APP_BASE_DIR", env.folder.path()).env("DATABASE_URL", env.database_url());
    assert_ok(&command.output().unwrap());
    // Another replica works on it: it has changed twelve runs, and was refused two of them.
    env.query(r#"UPDATE "innovation"."BulkOperation" SET "leaseOwner" = 'other', "leaseUntil" = now() + interval '1 day'"#).await;
    let items = r#"UPDATE "innovation"."BulkItem" SET "outcome" = CASE WHEN "position" % 6 = 0 THEN 'refused' ELSE 'done' END,
                     "code" = CASE WHEN "position" % 6 = 0 THEN 'run_changed' END
                   WHERE "position" IN (SELECT "position" FROM "innovation"."BulkItem" ORDER BY "position" LIMIT 12)"#;
    env.query(items).await;
    let (viewer, operator) = (key(&env, "viewer"), key(&env, "operator"));
    let service = env.serve(&KEYS).await;
    let id = env.value(r#"SELECT "id" FROM "innovation"."BulkOperation""#).await;
    let path = format!("/console/operations/{id}");
    for (key, may_stop) in [(&viewer, false), (&operator, true)] {
        for part in ["", "/live"] {
            let (status, shown) = page(&service, key, &format!("{path}{part}")).await;
            assert!(
                status == 200 && shown.contains("12 of 40 runs") && shown.contains("run_changed"),
                "{shown}"
            );
            assert_eq!(shown.contains("Stop the operation"), may_stop, "{part}");
            assert_eq!(shown.contains(&format!(r#"data-hx-get="{path}/live""#)), part.is_empty(), "{part}");
        }
    }
    let stop = format!("{path}/cancel");
    assert_refused(&service, &viewer, &stop, &[]).await;
    let stopped = send(&service, &operator, OWN, &stop, &[("reason", "a mistake")]).await;
    assert_eq!(stopped, (303, format!("{path}?note=operation-cancelled")));
    let (_, shown) = page(&service, &operator, &path).await;
    assert!(
        shown.contains("cancelled") && !shown.contains("data-live="),
        "an ended one is not followed: {shown}"
    );
    assert!(!shown.contains("Stop the operation"), "{shown}");
    assert_eq!(send(&service, &operator, OWN, &stop, &[]).await.0, 303, "it is stopped already");
    assert_eq!(record(&service, "operation.cancel", &id).await, (json!("operator"), json!("a mistake")));
    assert_eq!(page(&service, &viewer, "/console/operations/none").await.0, 404);
}

#[tokio::test]
async fn an_operation_without_filter_is_refused() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&KEYS).await;
    let (status, shown) = page(&service, ADMIN_KEY, "/console/operations/preview?action=delete").await;
    assert!(status == 422 && shown.contains("<code>filter</code>"), "{shown}");
    let order = [
        ("action", "delete"),
        ("expected", "0"),
        ("as_of", "2026-12-01T00:00:00Z"),
        ("reason", "r"),
        ("sure", "yes"),
    ];
    assert_eq!(send(&service, ADMIN_KEY, OWN, "/console/operations", &order).await.0, 422);
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "innovation"."BulkOperation""#).await, "0");
}

#[tokio::test]
async fn a_deployment_is_read_and_rolled_back() {
    let env = TestEnv::with_database().await;
    let railway = RailwayApi::start("project-token").await;
    for id in ["gone", "good", "bad"] {
        railway.deploy(id, &[]);
    }
    railway.expire("gone");
    let variables = |print: &str| json!({"variables": {"FENCE_SECRET": print}});
    past(&env, "gone", 60, json!({})).await;
    past(&env, "good", 30, json!({"deploymentMetadata": variables("old")})).await;
    let figures = json!({"requests": 480, "error_share": 0.125, "p95_ms": 1234.5678});
    let bad = json!({
        "verdict": "failing", "verdictReason": "12.5 % of the answers are errors", "status": "failed", "figures": figures,
        "commitSha": "commit-of-bad", "deploymentMetadata": variables("new"),
    });
    past(&env, "bad", 2, bad).await;
    env.query(r#"UPDATE "innovation"."Deployment" SET "endedAt" = NULL WHERE "id" = 'bad'"#).await;
    let (viewer, operator) = (key(&env, "viewer"), key(&env, "operator"));
    let platform = railway.settings();
    let platform: Vec<_> = platform.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let own = [("RAILWAY_DEPLOYMENT_ID", "bad")];
    let service = env.serve(&[&KEYS[..], &platform, &own].concat()).await;

    let (status, shown) = page(&service, &viewer, "/console/deployments/bad").await;
    assert_eq!(status, 200, "{shown}");
    for seen in ["failing", "12.5 % of the answers", "480", "12.5 %", "1235 ms", "commit-of-bad"] {
        assert!(shown.contains(seen), "{seen}: {shown}");
    }
    assert_eq!(page(&service, &viewer, "/console/deployments/none").await.0, 404);
    let plan = "/console/deployments/rollback";
    for (key, has_button) in [(&viewer, false), (&operator, true)] {
        let (status, shown) = page(&service, key, plan).await;
        assert!(
            status == 200 && shown.contains("FENCE_SECRET") && shown.contains("<code>good</code>"),
            "{shown}"
        );
        assert_eq!(shown.contains("Roll back to good"), has_button, "{shown}");
    }
    let (_, refused) = page(&service, &operator, &format!("{plan}?to=gone")).await;
    assert!(refused.contains("notice bad") && !refused.contains("Roll back to gone"), "{refused}");
    let form = [("to", "good"), ("reason", "its errors")];
    assert_refused(&service, &viewer, plan, &form).await;
    assert_eq!(send(&service, &operator, OWN, plan, &[("to", "good")]).await.0, 422, "without a reason");
    assert_eq!(send(&service, &operator, OWN, plan, &[("to", "gone"), ("reason", "r")]).await.0, 409);
    assert_eq!(railway.rollbacks(), Vec::<String>::new());
    let begun = send(&service, &operator, OWN, plan, &form).await;
    assert_eq!(begun, (303, "/console/deployments?note=rollback-started".to_owned()));
    assert_eq!(railway.rollbacks(), ["good"]);
    assert_eq!(
        record(&service, "deployment.rollback", "bad").await,
        (json!("operator"), json!("its errors"))
    );
    let (_, shown) = page(&service, &viewer, "/console/deployments/bad").await;
    assert!(shown.contains(r#"href="/console/deployments/good""#) && shown.contains("its errors"), "{shown}");
}

#[tokio::test]
async fn webhooks_of_a_run_are_sent_again() {
    let env = TestEnv::with_database().await;
    let receiver = Receiver::start().await;
    let (url, secret) = (receiver.url(), "0123456789abcdef-secret");
    let (viewer, operator) = (key(&env, "viewer"), key(&env, "operator"));
    let settings =
        [&KEYS[..], &[("FRONTEND_WEBHOOK_URL", url.as_str()), ("WEBHOOK_SECRET", secret)]].concat();
    let service = env.serve(&settings).await;
    let submitted = ask(&service, CLIENT_KEY, "POST", "/run", Some(env.request("run-1"))).await;
    assert_eq!(submitted.status, 202, "{}", submitted.body);
    receiver.wait_for_ends("run-1", &["complete"]).await;
    let path = "/console/webhooks?run=run-1";
    let shows = async |states: &[&str]| {
        eventually(&format!("{states:?}"), async || {
            let (_, shown) = page(&service, &viewer, path).await;
            wanted(shown, |shown| states.iter().all(|state| shown.contains(state)))
        })
        .await
    };
    let shown = shows(&["</span>delivered</span>"]).await;
    assert!(!shown.contains("/console/webhooks/replay"), "a viewer has no button: {shown}");
    assert!(page(&service, &operator, path).await.1.contains("/console/webhooks/replay"));
    let (replay, form) =
        ("/console/webhooks/replay", [("run", "run-1"), ("reason", "the frontend was restored")]);
    assert_refused(&service, &viewer, replay, &form).await;
    assert_eq!(send(&service, &operator, OWN, replay, &[("run", "none")]).await.0, 404);
    receiver.usually(Manner::Status(500));
    let again = send(&service, &operator, OWN, replay, &form).await;
    assert_eq!(again, (303, "/console/webhooks?run=run-1&note=webhooks-replayed".to_owned()));
    assert_eq!(
        record(&service, "webhook.replay", "run-1").await,
        (json!("operator"), json!("the frontend was restored"))
    );
    shows(&["</span>pending</span>", "500"]).await;
    receiver.usually(Manner::Status(200));
    assert_eq!(send(&service, &operator, OWN, "/console/webhooks/send", &[]).await.0, 303);
    receiver.wait_for_ends("run-1", &["complete", "complete"]).await;
    shows(&["</span>delivered</span>"]).await;
}
