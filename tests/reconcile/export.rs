//! The export writes runs of the database as files, with nothing missing.

use std::time::Duration;

use serde_json::Value;

use super::calls;
use crate::support::{
    innovation,
    openrouter::Options,
    postgres::Postgres,
    service::{DATABASE_ONLY, FILE_ONLY, TestEnv},
};

/// `innovation export …` of the environment's database.
pub(super) fn export(env: &TestEnv, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = innovation(&["export", "--json"])
        .args(arguments)
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[tokio::test]
async fn an_export_from_the_database_is_complete() {
    let mut env =
        TestEnv::with_model(Options { latency: Duration::from_millis(200), ..Options::default() }).await;
    env.postgres = Some(Postgres::start());
    env.migrate();
    let mut service = env.serve(DATABASE_ONLY).await;
    for run in ["run-1", "run-2"] {
        service.submit(&env.request(run)).await;
    }
    let before = [service.ended("run-1").await, service.ended("run-2").await];
    service.submit(&env.request("run-3")).await;
    let to = format!("file://{}", env.folder.path().join("data/test-outputs").display());

    let (code, lines) = export(&env, &["--run", "run-3", "--to", &to]);
    assert_eq!((code, &lines[0]["result"]["outcome"]), (Some(0), &"open".into()), "{lines:?}");
    assert!(!env.run_folder("run-3").exists(), "what is being worked on is not touched");
    let (code, lines) = export(&env, &["--all", "--strict", "--to", &to]);
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!((code, &summary["written"], &summary["open"]), (Some(2), &2.into(), &1.into()), "{lines:?}");
    service.ended("run-3").await;
    let (code, lines) = export(&env, &["--since", "2026-01-01T00:00:00Z", "--strict", "--to", &to]);
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!((code, &summary["written"], &summary["present"]), (Some(0), &1.into(), &2.into()));
    let verified = super::reconcile(&env, &["--verify", "--all"]);
    assert_eq!(verified.0, Some(0), "{verified:?}");

    service.kill();
    let service = env.serve(FILE_ONLY).await;
    for (run, before) in ["run-1", "run-2"].into_iter().zip(before) {
        let (_, now) = service.get(&format!("/status/{run}")).await.unwrap();
        assert_eq!(now["status"], "complete", "{now}");
        for stage in ["1", "2", "3", "4"] {
            assert_eq!(now["stages"][stage]["output"], before["stages"][stage]["output"]);
        }
        assert!(env.run_folder(run).join("report.md").is_file());
    }
    assert_eq!(calls(&env.model), [3; 4], "nothing is paid again");
}

#[tokio::test]
async fn an_export_reports_and_keeps_existing_files() {
    let env = TestEnv::with_database().await;
    let service = env.serve(DATABASE_ONLY).await;
    service.submit(&env.request("run-1")).await;
    service.ended("run-1").await;
    let folder = tempfile::tempdir().unwrap();
    let to = format!("file://{}", folder.path().display());
    assert_eq!(export(&env, &["--all", "--to", &to]).0, Some(0));
    let changed = r#"UPDATE "PipelineRun" SET "stage3Output" = jsonb_set("stage3Output", '{meta,model}', '"another"'),
        "stage3Digest" = NULL"#;
    env.query(changed).await;
    let path = folder.path().join("run-1/stage3/lessons.json");
    let file = std::fs::read(&path).unwrap();
    let (code, lines) = export(&env, &["--all", "--to", &to]);
    assert_eq!((code, &lines[0]["result"]["numbers"]), (Some(1), &serde_json::json!([3])), "{lines:?}");
    assert_eq!(std::fs::read(&path).unwrap(), file);
    let (code, lines) = export(&env, &["--run", "nobody", "--to", &to]);
    assert_eq!((code, &lines[0]["result"]["outcome"]), (Some(1), &"unknown".into()), "{lines:?}");
    let wrong = innovation(&["export", "--all", "--to", "outputs"])
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(64), "wrong usage");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("file:///"), "it says what it takes");
}
