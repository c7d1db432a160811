//! Flags while the database is away.

use serde_json::json;

use super::{PAUSE_ACCEPTANCE, flag, flags, flags_json, send, set, wait_for_flag};
use crate::support::{
    postgres::Stop,
    service::TestEnv,
    stderr,
    wait::{eventually, wanted},
};

#[tokio::test]
async fn the_last_known_flags_hold_without_the_database() {
    let mut env = TestEnv::with_database().await;
    let mut service = env.serve(&[]).await;
    set(&env, PAUSE_ACCEPTANCE, "true").await;
    env.postgres().stop(Stop::Immediate);
    eventually("it notices", async || {
        let listing = service.call("GET", "/api/admin/flags").await.body;
        wanted(listing, |listing| listing["database"] == "away")
    })
    .await;
    service.kill();
    let service = env.serve(&[]).await;
    assert_eq!(flag(&service, PAUSE_ACCEPTANCE).await["source"], "database");
    let (status, body) = service.post(&env.request("run-1")).await.unwrap();
    assert_eq!((status, &body["code"]), (503, &json!("acceptance_paused")), "{body}");
    let change = json!({"value": false, "reason": "a test", "expected_revision": 1});
    let refused = send(&service, "PUT", &format!("/api/admin/flags/{PAUSE_ACCEPTANCE}"), &change).await;
    assert_eq!(refused.code(), (503, "flags_unavailable"), "{}", refused.body);
    let list = flags(&env, &["list", "--json"], &[]).await;
    assert_eq!(list.status.code(), Some(0), "{}", stderr(&list));
    let listing: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((&listing["database"], &listing["database_revision"]), (&json!("away"), &json!(1)));
    env.postgres().start_again();
    // The killed process still counts as alive, so nobody waits for all.
    flags_json(&env, &["set", PAUSE_ACCEPTANCE, "false", "--reason", "a test"]).await;
    wait_for_flag(&service, PAUSE_ACCEPTANCE, json!(false), "database").await;
    service.submit(&env.request("run-1")).await;
}
