//! Runs whose row is gone: deleted on another replica, removed by the database's owner, or lost with an older backup.

use std::{path::PathBuf, process::Output, time::Duration};

use serde_json::Value;

use super::{calls, reconcile};
use crate::support::{
    innovation,
    postgres::Stop,
    service::{Service, TestEnv, env},
    wait::eventually,
};

const ROWS: &str = r#"SELECT count(*)::text FROM "PipelineRun""#;

const COMPLETED: &str = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'"#;

/// `innovation reconcile …` on a replica's disk.
fn reconcile_on(env: &TestEnv, replica: &str, arguments: &[&str]) -> String {
    let output: Output = innovation(&["reconcile"])
        .args(arguments)
        .env("APP_BASE_DIR", env.folder.path().join(replica))
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A run that has ended, at least in the database.
async fn complete(env: &TestEnv, service: &Service, run: &str) {
    service.submit(&env.request(run)).await;
    assert_eq!(service.ended(run).await["status"], "complete");
    // A client may see the row's end a moment before the files have it.
    service.wait_for_run_event(run, "run_ended").await;
}

/// Waits until the files of a replica say so, too: they follow the row.
async fn files_follow(env: &TestEnv, replica: &str, run: &str) {
    eventually("the files follow", async || env.manifest_of(replica, run)["status"] == "COMPLETED").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_deletion_clears_every_replicas_disk_for_good() {
    let mut env = TestEnv::with_database().await;
    let environment = [("RETENTION_DAYS", "1")];
    let (mut one, mut two) = tokio::join!(env.replica("one", &environment), env.replica("two", &environment));
    // The first sees it deleted while it runs, the second after it was away.
    for run in ["asleep", "awake"] {
        complete(&env, &one, run).await;
        files_follow(&env, "one", run).await;
    }
    assert_eq!(two.call("DELETE", "/api/pipeline/awake").await.status, 204);
    eventually("the files of a deleted run go", async || {
        !env.folder_of("one", "awake").join("run.json").exists()
    })
    .await;
    one.kill();
    assert_eq!(two.call("DELETE", "/api/pipeline/asleep").await.status, 204);
    let said = reconcile_on(&env, "one", &["--dry-run", "--restore-rows"]);
    assert!(said.contains("1 runs have no row"), "{said}");
    one = env.replica("one", &environment).await;
    eventually("the files go at the start", async || {
        !env.folder_of("one", "asleep").join("run.json").exists()
    })
    .await;
    // The database is away: what it said is remembered.
    env.postgres().stop(Stop::Immediate);
    for run in ["asleep", "awake"] {
        assert_ne!(one.call("GET", &format!("/status/{run}")).await.status, 200);
    }
    env.postgres().start_again();
    two.kill();
    one.kill();
    env.query(r#"DELETE FROM "RunTombstone""#).await;
    let said = reconcile_on(&env, "one", &["--restore-rows"]);
    assert!(said.contains("0 runs"), "{said}");
    assert_eq!(env.value(ROWS).await, "0");
}

#[tokio::test]
async fn a_command_that_meets_a_tombstone_obeys_it() {
    let env = TestEnv::with_database().await;
    let (mut one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    complete(&env, &one, "run-1").await;
    files_follow(&env, "one", "run-1").await;
    one.kill();
    assert_eq!(two.call("DELETE", "/api/pipeline/run-1").await.status, 204);
    let said = reconcile_on(&env, "one", &["--run", "run-1"]);
    assert!(said.contains("was deleted"), "{said}");
    assert!(!env.folder_of("one", "run-1").join("run.json").exists());
    assert_eq!(env.value(ROWS).await, "0");
}

#[tokio::test]
async fn a_lost_row_returns_only_by_command() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(&[]).await;
    for run in ["run-1", "run-2"] {
        complete(&env, &service, run).await;
        env.wait_until_synced(run).await;
    }
    service.kill();
    // As an older backup would have it; and one whose proof had not been written down.
    env.query(r#"DELETE FROM "PipelineRun""#).await;
    let mark = env.run_folder(".unsynced");
    std::fs::create_dir_all(&mark).unwrap();
    std::fs::write(mark.join("run-1"), "").unwrap();
    let (code, lines) = reconcile(&env, &[]);
    assert_eq!((code, &lines[0]["result"]["outcome"]), (Some(0), &"row_missing".into()), "{lines:?}");
    let service = env.serve(&[]).await;
    service.wait_for_event("row_missing").await;
    assert_eq!(env.value(ROWS).await, "0", "nothing comes back by itself");
    let said = innovation(&["reconcile", "--verify"])
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains("2 only in files") && said.contains("innovation reconcile --restore-rows"),
        "{said}"
    );
    let (code, lines) = reconcile(&env, &["--restore-rows"]);
    assert_eq!((code, &lines.last().unwrap()["summary"]["proved"]), (Some(0), &2.into()), "{lines:?}");
    for run in ["run-1", "run-2"] {
        env.assert_both_agree(run).await;
    }
    assert_eq!(reconcile(&env, &["--verify"]).0, Some(0));
    assert_eq!(calls(&env.model), [2; 4]);
}

#[tokio::test]
async fn an_ended_run_without_row_is_not_rerun() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    complete(&env, &service, "run-1").await;
    env.wait_until_synced("run-1").await;
    env.query(r#"DELETE FROM "PipelineRun""#).await;
    let mut other = env.request("run-1");
    other["company_id"] = "mccormick-usa".into();
    assert_eq!(service.post(&other).await.unwrap().0, 409);
    let again = service.submit(&env.request("run-1")).await;
    assert_eq!(again["status"], "complete", "{again}");
    env.wait_for_value(COMPLETED, "1").await;
    env.wait_until_synced("run-1").await;
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1; 4], "nothing is paid again");
    assert_eq!(reconcile(&env, &["--verify"]).0, Some(0));
}

#[tokio::test]
async fn an_open_run_without_row_keeps_its_stages() {
    let env = env(Duration::from_millis(400)).await;
    // The files have two stages by then.
    let mut service = env.serve(&[("CRASH_AT", "stage-answered:3")]).await;
    service.submit(&env.request("run-1")).await;
    service.killed().await;
    env.query(r#"DELETE FROM "PipelineRun""#).await;
    let service = env.serve(&[]).await;
    let again = service.submit(&env.request("run-1")).await;
    assert_eq!(again["status"], "running", "{again}");
    assert_eq!(service.ended("run-1").await["status"], "complete");
    env.wait_until_synced("run-1").await;
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1, 1, 2, 1], "what is stored is not paid again");
}

/// Cancelled, with nothing left of it that is only for open runs.
async fn is_cancelled(env: &TestEnv, service: &Service, folder: PathBuf) {
    let ended = service.ended("run-1").await;
    assert_eq!(
        (&ended["status"], &ended["error"]["code"]),
        (&"failed".into(), &"CANCELLED".into()),
        "{ended}"
    );
    let said = ended["error"].to_string();
    assert!(said.contains("removed from the database"), "{said}");
    eventually("the spool goes", async || !folder.join("document").exists()).await;
    let open = folder.parent().unwrap().join(".open/run-1");
    assert!(!open.exists(), "it is not open any more");
    assert_eq!(env.value(ROWS).await, "0", "its row does not come back by itself");
}

#[tokio::test]
async fn deleting_the_row_cancels_a_run_in_progress() {
    for alone in ["true", "false"] {
        let env = env(Duration::from_millis(600)).await;
        let service = env.replica("one", &[("SINGLE_REPLICA", alone)]).await;
        service.submit(&env.request("run-1")).await;
        service.wait_for("run-1", |status| status["current_stage"] == 2).await;
        let (answer, ()) = tokio::join!(service.call("GET", "/api/pipeline/run-1/events"), async {
            env.query(r#"DELETE FROM "User""#).await;
        });
        assert_eq!(answer.status, 200, "its stream ends");
        is_cancelled(&env, &service, env.folder_of("one", "run-1")).await;
        let retried = service.call("POST", "/api/pipeline/run-1/retry").await;
        assert_eq!(retried.status, 202, "{alone}: {retried:?}");
        let ended = service.wait_for("run-1", |status| status["status"] != "running").await;
        assert_eq!(ended["status"], "complete", "{alone}: {ended}");
        env.wait_for_value(COMPLETED, "1").await;
        let made = calls(&env.model);
        assert_eq!((made[0], made[3]), (1, 1), "what was stored is not paid again: {made:?}");
        let said = reconcile_on(&env, "one", &["--verify"]);
        assert!(said.contains("1 equal"), "{said}");
    }
}

#[tokio::test]
async fn deleting_the_row_cancels_an_idle_run_later() {
    let env = env(Duration::from_millis(400)).await;
    // The files have two stages by then.
    let mut service = env.serve(&[("CRASH_AT", "stage-answered:3"), ("LEASE_SECONDS", "3")]).await;
    service.submit(&env.request("run-1")).await;
    service.killed().await;
    env.query(r#"DELETE FROM "User""#).await;
    let service = env.serve(&[("LEASE_SECONDS", "3")]).await;
    eventually("it is closed", async || env.manifest("run-1")["status"] == "CANCELLED").await;
    is_cancelled(&env, &service, env.run_folder("run-1")).await;
    let manifest: Value = env.manifest("run-1");
    assert_eq!(manifest["stages"].as_object().unwrap().len(), 2, "what was paid for stays: {manifest}");
    assert_eq!(calls(&env.model)[2..], [1, 0]);
}
