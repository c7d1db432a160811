//! Deletions.

use std::time::Duration;

use super::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, SHORT_LEASE, env, failed, with};
use crate::support::{
    postgres::Stop,
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

const PATH: &str = "/api/pipeline/run-1";

/// Everything that the database has of runs, but their tombstones.
const ROWS: &str = r#"SELECT ((SELECT count(*) FROM "PipelineRun") + (SELECT count(*) FROM "StageOutput")
    + (SELECT count(*) FROM "OpportunityCard") + (SELECT count(*) FROM "InspirationReport"))::text"#;
const TOMBSTONES: &str = r#"SELECT string_agg("runId", ' ') FROM "RunTombstone""#;

/// The files in the run's folder.
fn files(env: &TestEnv) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(env.run_folder("run-1")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Nothing of the run is left but the word that there is none.
async fn is_gone(env: &TestEnv, service: &Service) {
    let all = ["/status/run-1", PATH, "/api/pipeline/run-1/report"];
    for path in all {
        assert_eq!(service.call("GET", path).await.code(), (410, "run_deleted"), "{path}");
    }
    for path in ["/api/pipeline/run-1/retry", "/api/pipeline/run-1/cancel"] {
        assert_eq!(service.call("POST", path).await.code(), (410, "run_deleted"), "{path}");
    }
    let (status, body) = service.post(&env.request("run-1")).await.unwrap();
    assert_eq!((status, &body["code"]), (409, &"run_deleted".into()), "{body}");
    let list = service.call("GET", "/api/pipeline").await.body;
    assert_eq!(list["pagination"]["total"], 0, "{list}");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_deleted_run_stays_deleted_in_every_mode() {
    for mode in [DATABASE_ONLY, DUAL_WRITE, FILE_ONLY] {
        let env = env(Duration::from_millis(150)).await;
        let service = env.serve(mode).await;
        service.submit(&env.request("run-1")).await;
        assert_eq!(service.call("DELETE", PATH).await.code(), (409, "run_running"));
        assert_eq!(service.ended("run-1").await["status"], "complete");
        let answer = service.call("DELETE", PATH).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        is_gone(&env, &service).await;
        assert_eq!(service.call("DELETE", PATH).await.status, 204, "again is the same");
        assert_eq!(service.run_events("run-1", "run_deleted")[0]["audit"], "run_deleted");
        if mode != FILE_ONLY {
            assert_eq!((env.value(ROWS).await, env.value(TOMBSTONES).await), ("0".into(), "run-1".into()));
        }
        if mode != DATABASE_ONLY {
            assert_eq!(files(&env), [".lock", "tombstone.json"], "{mode:?}");
        }
        drop(service);
        let service = env.serve(mode).await;
        is_gone(&env, &service).await;
        let unknown = service.call("DELETE", "/api/pipeline/run-2").await;
        // A database that is switched off may know it.
        let code = if mode == FILE_ONLY { (503, "storage_unavailable") } else { (404, "run_not_found") };
        assert_eq!(unknown.code(), code, "{mode:?}");
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_killed_deletion_finishes_by_itself() {
    let points = [
        (DUAL_WRITE, vec!["buried-in-database", "buried", "removed-from-database", "removed"]),
        (DATABASE_ONLY, vec!["buried-in-database", "buried", "removed-from-database"]),
        (FILE_ONLY, vec!["buried", "removed"]),
    ];
    for (mode, points) in points {
        for point in points {
            let env = env(Duration::ZERO).await;
            let settings = with(&SHORT_LEASE, mode);
            let mut service = env.serve(&with(&settings, &[("CRASH_AT", point)])).await;
            failed(&env, &service, "run-1").await;
            // A busy machine may be too slow for the short limits of this test; the client then asks again.
            eventually("the crash", async || match service.ask("DELETE", PATH, "*/*").await {
                Some(answer) => {
                    assert_eq!(answer.code(), (503, "storage_unavailable"), "{mode:?} {point}: {answer:?}");
                    Err(answer)
                }
                None => Ok(()),
            })
            .await;
            service.killed().await;
            let service = env.serve(&settings).await;
            is_gone(&env, &service).await;
            // Nobody asks again.
            if mode != FILE_ONLY {
                env.wait_for_value(ROWS, "0").await;
            }
            eventually(point, async || {
                files(&env).iter().all(|name| name == ".lock" || name == "tombstone.json")
            })
            .await;
            assert_eq!(service.call("DELETE", PATH).await.status, 204, "{mode:?} {point}");
            is_gone(&env, &service).await;
        }
    }
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_deleted() {
    let mut env = env(Duration::ZERO).await;
    let service = env.serve(&SHORT_LEASE).await;
    failed(&env, &service, "run-1").await;
    env.wait_until_synced("run-1").await;
    let before = eventually("the document goes", async || {
        wanted(files(&env), |files| !files.iter().any(|name| name == "document"))
    })
    .await;
    env.postgres().stop(Stop::Immediate);
    // While its breaker is closed, and then.
    for _ in 0..5 {
        let answer = service.call("DELETE", PATH).await;
        assert_eq!(answer.code(), (503, "storage_unavailable"));
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(files(&env), before);
    assert_eq!(service.call("GET", "/status/run-1").await.body["status"], "failed", "it is as it was");
    env.postgres().start_again();
    service.wait_for_path("/health", |_, health| health["effective_mode"] == "DUAL_WRITE").await;
    assert_eq!(service.call("DELETE", PATH).await.status, 204);
    is_gone(&env, &service).await;
}

#[tokio::test]
async fn deletion_needs_the_database_of_a_tracked_run() {
    let env = env(Duration::ZERO).await;
    let service = env.serve(DUAL_WRITE).await;
    failed(&env, &service, "run-1").await;
    env.wait_until_synced("run-1").await;
    drop(service);
    let service = env.serve(FILE_ONLY).await;
    assert_eq!(service.call("DELETE", PATH).await.code(), (503, "storage_unavailable"));
    assert_eq!(env.value(TOMBSTONES).await, "");
}

#[tokio::test]
async fn a_deletion_reaches_the_other_replicas_disk() {
    let env = env(Duration::ZERO).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    failed(&env, &one, "run-1").await;
    assert_eq!(two.call("DELETE", PATH).await.status, 204);
    is_gone(&env, &two).await;
    for path in ["/status/run-1", PATH] {
        assert_eq!(one.call("GET", path).await.code(), (410, "run_deleted"), "{path}");
    }
    let (status, body) = one.post(&env.request("run-1")).await.unwrap();
    assert_eq!((status, &body["code"]), (409, &"run_deleted".into()));
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn concurrent_retry_and_deletion_leave_one_winner() {
    let env = env(Duration::ZERO).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    for round in 0..8 {
        let run = format!("run-{round}");
        failed(&env, &one, &run).await;
        let (retry, delete) = (format!("/api/pipeline/{run}/retry"), format!("/api/pipeline/{run}"));
        let (retried, deleted) = tokio::join!(one.call("POST", &retry), two.call("DELETE", &delete));
        match (retried.status, deleted.status) {
            (202, 409) => assert_eq!(one.ended(&run).await["status"], "complete"),
            // Deleted first, or about to be; or retried and complete before the other had looked.
            (410 | 503, 204) => {
                assert_eq!(one.call("GET", &delete).await.status, 410);
            }
            (202, 204) => assert_eq!(two.call("GET", &delete).await.status, 410),
            other => panic!("{other:?}: {retried:?} {deleted:?}"),
        }
        let half =
            r#"SELECT count(*)::text FROM "PipelineRun" r JOIN "RunTombstone" t ON t."runId" = r."id""#;
        assert_eq!(env.value(half).await, "0");
    }
}
