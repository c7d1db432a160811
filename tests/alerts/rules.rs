//! Rules that fire and are resolved for real, several in one service.

use serde_json::{Value, json};

use super::{FAST, alerts, all, of_rule, set_flag, wait_for, wait_for_looks};
use crate::{
    control_plane::{ADMIN_KEY, CLIENT_KEY, KEYS, ask},
    support::{
        postgres::Stop,
        receiver::{Manner, Receiver},
        service::{Service, TestEnv, refuses_for_good},
        wait::eventually,
    },
};

async fn submit(service: &Service, env: &TestEnv, run: &str) -> u16 {
    ask(service, CLIENT_KEY, "POST", "/run", Some(env.request(run))).await.status
}

#[tokio::test]
async fn rules_of_runs_and_requests_fire_and_resolve() {
    let env = TestEnv::with_database().await;
    let receiver = Receiver::start().await;
    receiver.usually(Manner::Status(500));
    let url = [("FRONTEND_WEBHOOK_URL", receiver.url())];
    let quick = [
        ("ALERT_RULES", "all=/0, queue-age=0, cost-day=0, webhook-backlog=0.5"),
        ("ALERT_WINDOW_SECONDS", "4"),
        ("ALERT_MIN_REQUESTS", "1"),
        ("ALERT_MIN_RUNS", "1"),
        ("MAX_QUEUED_RUNS", "1"),
        // 5 refusals of 7 submissions burn this budget 17.9 times as fast as it may, and 5 of 27 burn it 4.6 times.
        ("OBJECTIVE_ACCEPTANCE", "0.96"),
    ];
    let service = env.serve(&all(&[&FAST, &KEYS, &quick], &url)).await;
    wait_for_looks(&service).await;
    assert_eq!(alerts(&service).await["alerts"], json!([]), "nothing is wrong");

    // A run fails.
    env.model.script([refuses_for_good()]);
    assert_eq!(submit(&service, &env, "run-1").await, 202);
    wait_for(&service, "failed-runs", "firing").await;

    // Nobody works on a run, and there is no room for another one.
    set_flag(&service, "OPERATIONS_PAUSE_CLAIMS", true).await;
    assert_eq!(submit(&service, &env, "run-2").await, 202);
    wait_for(&service, "queue-age", "firing").await;
    for _ in 0..5 {
        assert_eq!(submit(&service, &env, "run-3").await, 503);
    }
    wait_for(&service, "error-rate", "firing").await;
    let burning = wait_for(&service, "budget-burn", "firing").await;
    assert!(burning["detail"].as_str().unwrap().contains("acceptance"), "{burning}");
    // The operators' own pause is no error.
    set_flag(&service, "OPERATIONS_PAUSE_ACCEPTANCE", true).await;
    for _ in 0..5 {
        assert_eq!(submit(&service, &env, "run-3").await, 503);
    }
    // An operator's own conflict: the row says that stage 1 differs.
    env.query(r#"UPDATE "PipelineRun" SET "conflictedStages" = '{1}' WHERE "id" = 'run-1'"#).await;
    wait_for(&service, "conflicts", "firing").await;

    set_flag(&service, "OPERATIONS_PAUSE_CLAIMS", false).await;
    set_flag(&service, "OPERATIONS_PAUSE_ACCEPTANCE", false).await;
    env.query(r#"UPDATE "PipelineRun" SET "conflictedStages" = '{}' WHERE "id" = 'run-1'"#).await;
    // The second run completes, costs something, and its webhook is not taken.
    wait_for(&service, "cost-day", "firing").await;
    wait_for(&service, "webhook-backlog", "firing").await;
    receiver.usually(Manner::Status(200));
    // The cost of its four calls is written down, and nothing follows.
    env.wait_for_value(
        r#"SELECT (round(sum("usd")::numeric, 2) >= 0.04)::text FROM "innovation"."Spend""#,
        "true",
    )
    .await;
    env.query(r#"DELETE FROM "innovation"."Spend""#).await;
    for rule in ["failed-runs", "webhook-backlog", "queue-age", "error-rate", "conflicts", "cost-day"] {
        wait_for(&service, rule, "resolved").await;
    }
    let report = alerts(&service).await;
    let acceptance = &report["objectives"][0];
    assert_eq!(
        (&acceptance["objective"], &acceptance["bad"]),
        (&json!("acceptance"), &json!(5)),
        "those of the full queue alone: {acceptance}"
    );
    let deep = ask(&service, ADMIN_KEY, "GET", "/health/deep", None).await.body;
    assert_eq!(deep["alerts"][0]["rule"], "budget-burn", "a day's budget is still gone: {}", deep["alerts"]);
    let public = service.call("GET", "/health/deep").await.body;
    assert_eq!(public.get("alerts"), None);
    // The service accepts again, and the share of refusals sinks.
    for _ in 0..20 {
        assert!((200..300).contains(&submit(&service, &env, "run-2").await));
    }
    wait_for(&service, "budget-burn", "resolved").await;
}

#[tokio::test]
async fn outages_fire_without_the_database() {
    let mut env = TestEnv::with_database().await;
    let settings = [("ALERT_RULES", "all=/0, unsynced-age=0")];
    let service = env.serve(&all(&[&FAST, &KEYS, &settings], &[])).await;
    wait_for_looks(&service).await;
    env.postgres().stop(Stop::Immediate);
    wait_for(&service, "database-breaker", "firing").await;
    assert_eq!(submit(&service, &env, "run-1").await, 202);
    wait_for(&service, "unsynced-age", "firing").await;
    let critical = async |count: u32| {
        let metrics = ask(&service, ADMIN_KEY, "GET", "/metrics", None).await.body;
        metrics
            .as_str()
            .unwrap()
            .contains(&format!("innovation_alerts_firing{{severity=\"critical\"}} {count}\n"))
    };
    assert!(critical(1).await);
    let listing = alerts(&service).await;
    assert_eq!((&listing["shared_by"], &listing["notifies"]), (&json!("files"), &json!(true)));
    assert_eq!(of_rule(&listing, "queue-age"), Value::Null, "unknown without the database");
    env.postgres().start_again();
    for rule in ["database-breaker", "unsynced-age"] {
        wait_for(&service, rule, "resolved").await;
    }
    eventually("the database shares them", async || alerts(&service).await["shared_by"] == "database").await;
    assert!(critical(0).await);
}
