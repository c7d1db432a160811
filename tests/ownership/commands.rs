//! `innovation status` and `innovation runs`, with and without the database.

use super::command;
use crate::support::{
    postgres::Stop,
    service::{DUAL_WRITE, TestEnv},
};

#[tokio::test]
async fn commands_show_the_state_with_and_without_database() {
    let mut env = TestEnv::with_database().await;
    let service = env.serve(DUAL_WRITE).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    env.wait_until_synced("run-1").await;
    let (code, lines, text) = command(&env, &["status"]);
    let status = &lines[0];
    assert_eq!(
        (code, &status["database"], &status["files"]),
        (Some(0), &"ok".into(), &"ok".into()),
        "{text}"
    );
    assert_eq!((&status["mode"], &status["effective_mode"]), (&"DUAL_WRITE".into(), &"DUAL_WRITE".into()));
    assert_eq!((status["replicas"].as_array().unwrap().len(), &status["queue"]), (1, &0.into()), "{status}");
    let (code, lines, _) = command(&env, &["status", "run-1"]);
    assert_eq!(
        (code, &lines[0]["status"], &lines[0]["principal"]),
        (Some(0), &"COMPLETED".into(), &"environment".into())
    );
    assert_eq!(lines[0]["stages"][3]["stored_in"], serde_json::json!(["database", "files"]));
    assert_eq!(command(&env, &["status", "never-was"]).0, Some(1));
    let filters = ["runs", "--status", "completed", "--brand", "decathlon", "--principal", "environment"];
    let (code, lines, _) = command(&env, &filters);
    assert_eq!((code, &lines[0]["run_id"], lines.len()), (Some(0), &"run-1".into(), 1));
    assert_eq!(command(&env, &["runs", "--principal", "team-a"]).1.len(), 0);
    assert_eq!(command(&env, &["runs", "--status", "DONE"]).0, Some(64));

    env.postgres().stop(Stop::Fast);
    let (code, lines, _) = command(&env, &["status"]);
    assert_eq!(
        (code, &lines[0]["effective_mode"], &lines[0]["files"]),
        (Some(3), &"FILE_ONLY".into(), &"ok".into())
    );
    assert_eq!(
        (&lines[0]["replicas"], &lines[0]["forecast"]["open_runs"]),
        (&serde_json::Value::Null, &0.into())
    );
    let (code, lines, text) = command(&env, &["status", "run-1"]);
    assert_eq!((code, &lines[0]["stored_in"]), (Some(0), &serde_json::json!(["files"])), "{text}");
    let (code, lines, _) = command(&env, &filters);
    assert_eq!((code, &lines[0]["run_id"]), (Some(0), &"run-1".into()));
}
