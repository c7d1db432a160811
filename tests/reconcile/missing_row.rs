//! Runs whose row is gone: deleted on another replica, removed by the database's owner, or lost with an older backup.

use std::{path::PathBuf, process::Output, time::Duration};

use serde_json::Value;

use super::{calls, reconcile, world};
use crate::support::{
    innovation,
    openrouter::Options,
    postgres::{Postgres, Stop},
    service::{Service, World},
};

const ROWS: &str = r#"SELECT count(*)::text FROM "PipelineRun""#;

const COMPLETED: &str = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'"#;

/// A folder below a replica's base directory.
fn folder_of(world: &World, replica: &str, name: &str) -> PathBuf {
    world.folder.path().join(replica).join("data/test-outputs").join(name)
}

/// `innovation reconcile …` on a replica's disk.
fn reconcile_on(world: &World, replica: &str, arguments: &[&str]) -> String {
    let output: Output = innovation(&["reconcile"])
        .args(arguments)
        .env("APP_BASE_DIR", world.folder.path().join(replica))
        .env("DATABASE_URL", world.database_url())
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn slow_world(latency: Duration) -> World {
    let mut world = World::with_model(Options { latency, ..Options::default() }).await;
    world.postgres = Some(Postgres::start());
    world.migrate();
    world
}

/// Waits for a condition that costs nothing to ask for.
async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(45);
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A run that has ended, in both stores.
async fn complete(world: &World, service: &Service, run: &str) {
    service.submit(&world.request(run)).await;
    assert_eq!(service.ended(run).await["status"], "complete");
}

#[tokio::test]
async fn a_deleted_runs_files_go_from_every_replicas_disk_and_do_not_come_back() {
    let mut world = world().await;
    let environment = [("RETENTION_DAYS", "1")];
    let (mut one, mut two) =
        tokio::join!(world.replica("one", &environment), world.replica("two", &environment));
    // The first sees it deleted while it runs, the second after it was away.
    for run in ["asleep", "awake"] {
        complete(&world, &one, run).await;
        assert!(folder_of(&world, "one", run).join("run.json").exists());
    }
    assert_eq!(two.call("DELETE", "/api/pipeline/awake").await.status, 204);
    wait_until("the files of a deleted run go", || {
        !folder_of(&world, "one", "awake").join("run.json").exists()
    })
    .await;
    one.kill();
    assert_eq!(two.call("DELETE", "/api/pipeline/asleep").await.status, 204);
    let said = reconcile_on(&world, "one", &["--dry-run", "--missing"]);
    assert!(said.contains("1 runs have no row"), "{said}");
    one = world.replica("one", &environment).await;
    wait_until("the files go at the start", || !folder_of(&world, "one", "asleep").join("run.json").exists())
        .await;
    // The database is away: what it said is remembered.
    world.postgres().stop(Stop::Immediate);
    for run in ["asleep", "awake"] {
        assert_ne!(one.call("GET", &format!("/status/{run}")).await.status, 200);
    }
    world.postgres().start_again();
    two.kill();
    one.kill();
    world.query(r#"DELETE FROM "RunTombstone""#).await;
    let said = reconcile_on(&world, "one", &["--missing"]);
    assert!(said.contains("0 runs"), "{said}");
    assert_eq!(world.value(ROWS).await, "0");
}

#[tokio::test]
async fn a_command_that_meets_a_tombstone_obeys_it() {
    let world = world().await;
    let (mut one, two) = tokio::join!(world.replica("one", &[]), world.replica("two", &[]));
    complete(&world, &one, "run-1").await;
    one.kill();
    assert_eq!(two.call("DELETE", "/api/pipeline/run-1").await.status, 204);
    let said = reconcile_on(&world, "one", &["--run", "run-1"]);
    assert!(said.contains("was deleted"), "{said}");
    assert!(!folder_of(&world, "one", "run-1").join("run.json").exists());
    assert_eq!(world.value(ROWS).await, "0");
}

#[tokio::test]
async fn what_had_its_row_and_lost_it_comes_back_by_command_only() {
    let world = world().await;
    let mut service = world.serve(&[]).await;
    for run in ["run-1", "run-2"] {
        complete(&world, &service, run).await;
        world.wait_until_synced(run).await;
    }
    service.kill();
    // As an older backup would have it; and one whose proof had not been written down.
    world.query(r#"DELETE FROM "PipelineRun""#).await;
    let mark = world.run_folder(".unsynced");
    std::fs::create_dir_all(&mark).unwrap();
    std::fs::write(mark.join("run-1"), "").unwrap();
    let (code, lines) = reconcile(&world, &[]);
    assert_eq!((code, &lines[0]["result"]["outcome"]), (Some(0), &"row_gone".into()), "{lines:?}");
    let service = world.serve(&[]).await;
    service.wait_for_log("innovation reconcile --missing").await;
    assert_eq!(world.value(ROWS).await, "0", "nothing comes back by itself");
    let said = innovation(&["reconcile", "--verify"])
        .env("APP_BASE_DIR", world.folder.path())
        .env("DATABASE_URL", world.database_url())
        .output()
        .unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("2 only in files") && said.contains("innovation reconcile --missing"), "{said}");
    let (code, lines) = reconcile(&world, &["--missing"]);
    assert_eq!((code, &lines.last().unwrap()["summary"]["proved"]), (Some(0), &2.into()), "{lines:?}");
    for run in ["run-1", "run-2"] {
        world.assert_both_agree(run).await;
    }
    assert_eq!(reconcile(&world, &["--verify"]).0, Some(0));
    assert_eq!(calls(&world.model), [2; 4]);
}

#[tokio::test]
async fn asked_for_again_an_ended_run_without_a_row_is_not_run_again() {
    let world = world().await;
    let service = world.serve(&[]).await;
    complete(&world, &service, "run-1").await;
    world.wait_until_synced("run-1").await;
    world.query(r#"DELETE FROM "PipelineRun""#).await;
    let mut other = world.request("run-1");
    other["company_id"] = "mccormick-usa".into();
    assert_eq!(service.post(&other).await.unwrap().0, 409);
    let again = service.submit(&world.request("run-1")).await;
    assert_eq!(again["status"], "complete", "{again}");
    world.wait_for_value(COMPLETED, "1").await;
    world.wait_until_synced("run-1").await;
    world.assert_both_agree("run-1").await;
    assert_eq!(calls(&world.model), [1; 4], "nothing is paid again");
    assert_eq!(reconcile(&world, &["--verify"]).0, Some(0));
}

#[tokio::test]
async fn asked_for_again_an_open_run_without_a_row_goes_on_with_its_stages() {
    let world = slow_world(Duration::from_millis(400)).await;
    let mut service = world.serve(&[("CRASH_AT", "stage-stored:2")]).await;
    service.submit(&world.request("run-1")).await;
    service.killed().await;
    world.query(r#"DELETE FROM "PipelineRun""#).await;
    let service = world.serve(&[]).await;
    let again = service.submit(&world.request("run-1")).await;
    assert_eq!(again["status"], "running", "{again}");
    assert_eq!(service.ended("run-1").await["status"], "complete");
    world.wait_until_synced("run-1").await;
    world.assert_both_agree("run-1").await;
    assert_eq!(calls(&world.model), [1; 4], "what is stored is not paid again");
}

/// Cancelled, with nothing left of it that is only for open runs.
async fn is_cancelled(world: &World, service: &Service, folder: PathBuf) {
    let ended = service.ended("run-1").await;
    assert_eq!(
        (&ended["status"], &ended["error"]["code"]),
        (&"failed".into(), &"CANCELLED".into()),
        "{ended}"
    );
    let said = ended["error"].to_string();
    assert!(said.contains("removed from the database"), "{said}");
    wait_until("the spool goes", || !folder.join("document").exists()).await;
    let open = folder.parent().unwrap().join(".open/run-1");
    assert!(!open.exists(), "it is not open any more");
    assert_eq!(world.value(ROWS).await, "0", "its row does not come back by itself");
}

#[tokio::test]
async fn a_run_whose_row_goes_while_it_is_worked_on_is_cancelled_and_may_be_tried_again() {
    for alone in ["true", "false"] {
        let world = slow_world(Duration::from_millis(600)).await;
        let service = world.replica("one", &[("SINGLE_REPLICA", alone)]).await;
        service.submit(&world.request("run-1")).await;
        service.wait_for("run-1", |status| status["current_stage"] == 2).await;
        let (answer, ()) = tokio::join!(service.call("GET", "/api/pipeline/run-1/events"), async {
            world.query(r#"DELETE FROM "User""#).await;
        });
        assert_eq!(answer.status, 200, "its stream ends");
        is_cancelled(&world, &service, folder_of(&world, "one", "run-1")).await;
        let retried = service.call("POST", "/api/pipeline/run-1/retry").await;
        assert_eq!(retried.status, 202, "{alone}: {retried:?}");
        let ended = service.wait_for("run-1", |status| status["status"] != "running").await;
        assert_eq!(ended["status"], "complete", "{alone}: {ended}");
        world.wait_for_value(COMPLETED, "1").await;
        let made = calls(&world.model);
        assert_eq!((made[0], made[3]), (1, 1), "what was stored is not paid again: {made:?}");
        let said = reconcile_on(&world, "one", &["--verify"]);
        assert!(said.contains("1 equal"), "{said}");
    }
}

#[tokio::test]
async fn a_run_whose_row_went_while_nobody_worked_on_it_is_cancelled_after_a_lease() {
    let world = slow_world(Duration::from_millis(100)).await;
    let mut service = world.serve(&[("CRASH_AT", "stage-stored:2"), ("LEASE_SECONDS", "3")]).await;
    service.submit(&world.request("run-1")).await;
    service.killed().await;
    world.query(r#"DELETE FROM "User""#).await;
    let service = world.serve(&[("LEASE_SECONDS", "3")]).await;
    wait_until("it is closed", || world.json("run-1", "run.json")["status"] == "CANCELLED").await;
    is_cancelled(&world, &service, world.run_folder("run-1")).await;
    let manifest: Value = world.json("run-1", "run.json");
    assert_eq!(manifest["stages"].as_object().unwrap().len(), 2, "what was paid for stays: {manifest}");
    assert_eq!(calls(&world.model)[2..], [0, 0]);
}
