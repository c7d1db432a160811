//! The four modes, and flips between them while a run is under way.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, INVALID, calls, slow_env, slow_model};
use crate::support::{
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

/// The stages of run `run-1` that an event names, in order.
fn stages(service: &Service, event: &str) -> Vec<u64> {
    service.run_events("run-1", event).iter().filter_map(|line| line["stage"].as_u64()).collect()
}

#[tokio::test]
async fn dual_write_fills_both_stores_and_frontend_rows() {
    let env = TestEnv::with_database().await;
    let service = env.serve(DUAL_WRITE).await;
    let answer = service.submit(&env.request("run-1")).await;
    assert_eq!((&answer["run_id"], &answer["status"]), (&"run-1".into(), &"running".into()));
    assert_eq!(service.ended("run-1").await["status"], "complete");
    // The database is first: the files follow it.
    env.assert_both_agree("run-1").await;
    let status = service.ended("run-1").await;
    assert_eq!(status["mode"], "DUAL_WRITE");
    for stage in 1..=4 {
        let stage = &status["stages"][stage.to_string()];
        assert_eq!(stage["stored_in"], serde_json::json!(["database", "file"]));
        assert_eq!(stage["output"]["meta"]["mode"], "DUAL_WRITE");
    }
    assert_eq!(calls(&env.model), [1; 4]);
    let cards = env.value(r#"SELECT count(*)::text FROM "OpportunityCard" WHERE "runId"='run-1'"#).await;
    let opportunities = status["stages"]["4"]["output"]["opportunities"].as_array().unwrap().len();
    assert_eq!(cards, opportunities.to_string());
    for (table, rows) in [("InspirationReport", "1"), ("StageOutput", "5")] {
        let count =
            env.value(&format!(r#"SELECT count(*)::text FROM "{table}" WHERE "runId"='run-1'"#)).await;
        assert_eq!(count, rows, "{table}");
    }
    let user =
        r#"SELECT "email" FROM "User" JOIN "PipelineRun" r ON r."userId"="User"."id" WHERE r."id"='run-1'"#;
    assert_eq!(env.value(user).await, "user-user_2abc@temp.com");
    for event in ["stage_row_written", "stage_file_written"] {
        let told = |stages: &Vec<u64>| *stages == [1, 2, 3, 4];
        eventually(event, async || wanted(stages(&service, event), told)).await;
    }
    let flags = service.events("storage_flags_listed");
    // Operators search for these lines, so their wording is fixed.
    assert!(flags.iter().any(|line| line["message"] == "  Mode: DUAL_WRITE"), "{flags:?}");
}

#[tokio::test]
async fn database_only_writes_no_file() {
    let env = TestEnv::with_database().await;
    let service = env.serve(DATABASE_ONLY).await;
    service.submit(&env.request("run-1")).await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(status["stages"]["1"]["stored_in"], serde_json::json!(["database"]));
    assert!(!env.run_folder("run-1").exists());
    assert_eq!(calls(&env.model), [1; 4]);
    assert_eq!(stages(&service, "stage_row_written"), [1, 2, 3, 4]);
    assert!(service.events("stage_file_written").is_empty());
}

#[tokio::test]
async fn file_only_never_opens_a_database_connection() {
    let env = TestEnv::files_only().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgresql://u:p@{}/db", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let service = env.serve(&[("ENABLE_DATABASE_WRITES", "false"), ("DATABASE_URL", &url)]).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    let (_, health) = service.get("/health").await.unwrap();
    assert_eq!(health["mode"], "FILE_ONLY");
    assert_eq!(health["database_connection"], "skipped");
    service.get("/health/deep").await.unwrap();
    assert_eq!(connections.load(Ordering::Relaxed), 0);
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn without_a_database_url_development_uses_files() {
    let env = TestEnv::files_only().await;
    let service = env.serve(DUAL_WRITE).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    let (status, health) = service.get("/health").await.unwrap();
    assert_eq!((status, &health["effective_mode"]), (200, &"FILE_ONLY".into()), "{health}");
    assert_eq!(env.manifest("run-1")["database"], serde_json::Value::Null, "nothing to be synced");
}

#[tokio::test]
async fn with_both_flags_off_nothing_is_accepted() {
    let env = TestEnv::with_database().await;
    let service = env.serve(INVALID).await;
    let (status, problem) = service.post(&env.request("run-1")).await.unwrap();
    assert_eq!((status, &problem["code"]), (503, &"persistence_disabled".into()), "{problem}");
    assert_eq!(service.get("/health/live").await.unwrap().0, 200);
    assert_eq!(service.get("/health/ready").await.unwrap().0, 503);
    assert_eq!(service.get("/health").await.unwrap().0, 503);
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "0");
    assert!(!env.run_folder("run-1").exists());
}

/// Replaces the flags file as an operator should.
fn flip(path: &Path, database: bool, files: bool) {
    let next = path.with_extension("next");
    let text = format!("ENABLE_DATABASE_WRITES={database}\nENABLE_FILE_FALLBACK={files}\n");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn a_mode_change_applies_at_the_next_stage() {
    let modes = [("DATABASE_ONLY", true, false), ("DUAL_WRITE", true, true), ("FILE_ONLY", false, true)];
    let env = slow_env().await;
    let flags = env.folder.path().join("flags");
    flip(&flags, true, true);
    let service = env.serve(&[("FLAGS_FILE", flags.to_str().unwrap())]).await;
    for (from, from_database, from_files) in modes {
        for (to, to_database, to_files) in modes.into_iter().filter(|(to, ..)| *to != from) {
            flip(&flags, from_database, from_files);
            service.wait_for_path("/health", |_, health| health["mode"] == from).await;
            let run_id = format!("{from}-to-{to}").to_lowercase();
            let before: usize = calls(&env.model).iter().sum();
            service.submit(&env.request(&run_id)).await;
            service.wait_for(&run_id, |status| status["stages"]["1"]["status"] == "complete").await;
            flip(&flags, to_database, to_files);
            service.wait_for_path("/health", |_, health| health["mode"] == to).await;
            // The client sees a stage in any store, once a mode reads that store.
            service.wait_for_run_event(&run_id, "run_ended").await;
            flip(&flags, true, true);
            service.wait_for_path("/health", |_, health| health["mode"] == "DUAL_WRITE").await;
            let status = service.wait_for(&run_id, |status| status["status"] == "complete").await;
            let first = &status["stages"]["1"]["output"]["meta"]["mode"];
            let last = &status["stages"]["4"]["output"]["meta"]["mode"];
            assert_eq!((first, last), (&from.into(), &to.into()), "{run_id}");
            let after: usize = calls(&env.model).iter().sum();
            assert_eq!(after - before, 4, "{run_id}: each stage is paid once");
        }
    }
    let changes = service.events("storage_flags_changed");
    assert!(
        changes.iter().all(|line| line["old_mode"] != line["new_mode"]) && changes.len() >= 12,
        "{changes:?}"
    );
}

#[tokio::test]
async fn an_invalid_flags_file_changes_nothing() {
    let env = TestEnv::with_model(slow_model()).await;
    let flags = env.folder.path().join("flags");
    flip(&flags, false, true);
    let service = env.serve(&[("FLAGS_FILE", flags.to_str().unwrap())]).await;
    std::fs::write(&flags, "ENABLE_DATABASE_WRITES=false\nENABLE_FILE_FALL").unwrap();
    service
        .wait_for_path("/health/deep", |_, deep| deep.to_string().contains("the last good flags stay"))
        .await;
    let (_, health) = service.get("/health").await.unwrap();
    assert_eq!(health["mode"], "FILE_ONLY");
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
}

#[tokio::test]
async fn good_flags_survive_a_restart_without_their_file() {
    let env = TestEnv::with_database().await;
    let flags = env.folder.path().join("flags");
    flip(&flags, false, true);
    let settings = [("FLAGS_FILE", flags.to_str().unwrap())];
    let mut service = env.serve(&settings).await;
    service.wait_for_path("/health", |_, health| health["mode"] == "FILE_ONLY").await;
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    // A pipe that nobody writes to: opening it would wait for ever.
    std::fs::remove_file(&flags).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&flags).status().unwrap();
    assert!(made.success());
    let service = env.serve(&settings).await;
    let (_, health) = service.get("/health").await.unwrap();
    assert_eq!(health["mode"], "FILE_ONLY", "{health}");
    assert_eq!(service.events("flags_file_rejected").len(), 1);
    std::fs::remove_file(&flags).unwrap();
    flip(&flags, true, true);
    service.wait_for_path("/health", |_, health| health["mode"] == "DUAL_WRITE").await;
}

#[tokio::test]
async fn rolling_back_to_files_and_forward_loses_nothing() {
    // Scenario by scenario as an operator does it: DUAL_WRITE, an emergency, FILE_ONLY, and back, by restart.
    let env = TestEnv::with_database().await;
    for (run_id, environment, mode) in [
        ("before", DUAL_WRITE, "DUAL_WRITE"),
        ("during", FILE_ONLY, "FILE_ONLY"),
        ("after", DUAL_WRITE, "DUAL_WRITE"),
    ] {
        let mut service = env.serve(environment).await;
        service.submit(&env.request(run_id)).await;
        let status = service.ended(run_id).await;
        assert_eq!((&status["status"], &status["mode"]), (&"complete".into(), &mode.into()), "{status}");
        service.signal("TERM");
        assert_eq!(service.wait().await, Some(0));
    }
    env.assert_both_agree("before").await;
    env.assert_both_agree("after").await;
    assert_eq!(calls(&env.model), [3; 4]);
    // The reconciler brings the run that ended in files alone into the database.
    let service = env.serve(DUAL_WRITE).await;
    env.wait_until_synced("during").await;
    env.assert_both_agree("during").await;
    let during = service.ended("during").await;
    assert_eq!(during["stages"]["1"]["stored_in"], serde_json::json!(["database", "file"]));
    assert_eq!(calls(&env.model), [3; 4], "and nothing is paid again");
}

#[tokio::test]
async fn returning_from_database_only_fills_the_files() {
    let env = slow_env().await;
    let flags = env.folder.path().join("flags");
    std::fs::write(&flags, "ENABLE_FILE_FALLBACK=true\n").unwrap();
    let service = env.serve(&[("FLAGS_FILE", flags.to_str().unwrap()), ("LEASE_SECONDS", "60")]).await;
    for (run, flips_back) in [("run-1", true), ("run-2", false)] {
        service.submit(&env.request(run)).await;
        service.wait_for(run, |status| status["stages"]["1"]["status"] == "complete").await;
        std::fs::write(&flags, "ENABLE_FILE_FALLBACK=false\n").unwrap();
        service.wait_for(run, |status| status["stages"]["3"]["status"] == "complete").await;
        if !flips_back {
            assert_eq!(service.ended(run).await["status"], "complete");
        }
        std::fs::write(&flags, "ENABLE_FILE_FALLBACK=true\n").unwrap();
        assert_eq!(service.ended(run).await["status"], "complete");
        env.manifest_when(run, |manifest| manifest["proof"]["stages"].is_object()).await;
        env.assert_both_agree(run).await;
    }
    assert_eq!(calls(&env.model), [2; 4]);
}
