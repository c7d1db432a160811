//! Retention removes expired runs, and nothing else.

use std::process::Command;

use super::{calls, reconcile};
use crate::support::{
    service::{DUAL_WRITE, FILE_ONLY, TestEnv},
    wait::eventually,
};

const ONE_DAY: (&str, &str) = ("RETENTION_DAYS", "1");

/// As if no backup were older.
const BACKUPS: (&str, &str) = ("TOMBSTONE_RETENTION_DAYS", "1");

const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

/// Makes a run look as if it had ended long ago.
fn age(env: &TestEnv, run: &str) {
    let folder = env.run_folder(run);
    for (name, field) in [("run.json", "finished_at"), ("tombstone.json", "deleted_at")] {
        let path = folder.join(name);
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        json[field] = LONG_AGO.into();
        std::fs::write(&path, serde_json::to_vec(&json).unwrap()).unwrap();
    }
    let touched = Command::new("touch").args(["-d", LONG_AGO]).arg(&folder).status().unwrap();
    assert!(touched.success());
}

async fn is_gone(env: &TestEnv, run: &str) {
    let folder = env.run_folder(run);
    eventually(&format!("{run} is removed"), async || !folder.exists()).await;
}

#[tokio::test]
async fn only_files_proved_in_rows_expire() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(DUAL_WRITE).await;
    for run in ["equal", "another", "rowless", "unsynced", "young", "deleted"] {
        service.submit(&env.request(run)).await;
        service.ended(run).await;
        env.manifest_when(run, |manifest| manifest["status"] == "COMPLETED").await;
    }
    assert_eq!(service.call("DELETE", "/api/pipeline/deleted").await.status, 204);
    // On a busy machine an end may have gone to files alone; its proof would make its files young again.
    service.wait_for_path("/health/deep", |_, health| health["storage"]["unsynced"] == 0).await;
    service.kill();
    for sql in [
        r#"UPDATE "PipelineRun" SET "stage2Output" = jsonb_set("stage2Output", '{meta,model}', '"another/model"'),
           "stage2Digest" = NULL WHERE "id" = 'another'"#,
        r#"DELETE FROM "PipelineRun" WHERE "id" = 'rowless'"#,
        r#"UPDATE "PipelineRun" SET "completedAt" = now() - interval '2 days' WHERE "id" <> 'young'"#,
        r#"UPDATE "RunTombstone" SET "deletedAt" = now() - interval '2 days'"#,
    ] {
        env.query(sql).await;
    }
    let mark = env.run_folder(".unsynced");
    std::fs::create_dir_all(&mark).unwrap();
    for run in ["equal", "another", "rowless", "unsynced", "deleted"] {
        age(&env, run);
    }
    // While the database is asked nothing, nothing goes that it is meant to have.
    let mut service = env.serve(&[FILE_ONLY, &[ONE_DAY, BACKUPS]].concat()).await;
    is_gone(&env, "deleted").await;
    service.wait_for_event("expired_kept").await;
    assert!(env.run_folder("equal").exists());
    service.kill();

    std::fs::write(mark.join("unsynced"), "").unwrap();
    let rows_left = r#"SELECT count(*)::text FROM "RunTombstone""#;
    let mut service = env.serve(&[DUAL_WRITE, &[ONE_DAY]].concat()).await;
    is_gone(&env, "equal").await;
    service.wait_for_event("expired_removed").await;
    assert_eq!(env.value(rows_left).await, "1", "a tombstone outlives the backups");
    service.kill();
    let service = env.serve(&[DUAL_WRITE, &[ONE_DAY, BACKUPS]].concat()).await;
    env.wait_for_value(rows_left, "0").await;
    for run in ["another", "rowless", "young"] {
        assert!(env.run_folder(run).join("stage1/inspirations.json").exists(), "{run}");
    }
    let (code, status) = service.get("/status/equal").await.unwrap();
    assert_eq!((code, &status["status"]), (200, &"complete".into()), "its row stays: {status}");
    assert_eq!(service.get("/health/deep").await.unwrap().1["storage"]["unsynced"], 0);
    let verify = |arguments: &[&str]| {
        let output = crate::support::innovation(&["reconcile", "--json", "--verify", "--run"])
            .args(arguments)
            .env("APP_BASE_DIR", env.folder.path())
            .env("DATABASE_URL", env.database_url())
            .env(ONE_DAY.0, ONE_DAY.1)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = verify(&["equal"]);
    assert!(code == Some(0) && said.contains("\"expired\""), "{said}");
    assert_eq!(verify(&["another"]).0, Some(1));
    assert_eq!(
        reconcile(&env, &["--verify", "--run", "equal"]).0,
        Some(1),
        "without RETENTION_DAYS it is missing"
    );
    assert_eq!(calls(&env.model), [6; 4]);
}

#[tokio::test]
async fn an_expired_file_only_run_frees_its_id() {
    let env = TestEnv::files_only().await;
    let mut service = env.serve(FILE_ONLY).await;
    service.submit(&env.request("run-1")).await;
    service.ended("run-1").await;
    env.manifest_when("run-1", |manifest| manifest["status"] == "COMPLETED").await;
    service.kill();
    age(&env, "run-1");
    let service = env.serve(&[FILE_ONLY, &[ONE_DAY]].concat()).await;
    is_gone(&env, "run-1").await;
    assert_eq!(service.get("/status/run-1").await.unwrap().0, 404);
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    assert_eq!(calls(&env.model), [2; 4]);
}
