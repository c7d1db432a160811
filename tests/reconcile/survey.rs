//! The background compares all ended runs: dropped columns, older backups and lost files leave no mark.

use std::fs;

use super::reconcile;
use crate::support::{
    assert_ok, innovation,
    openrouter::calls,
    postgres::Stop,
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

const STAGE_OUTPUTS: &str = "20251029043929_add_stage_outputs_and_report";

const ROWS: &str = r#"SELECT count(*)::text FROM "PipelineRun""#;

/// Rows with four stages and a report.
const WHOLE: &str = r#"SELECT count(*)::text FROM "PipelineRun" WHERE num_nonnulls("stage1Output", "stage2Output",
    "stage3Output", "stage4Output", "fullReportMarkdown") = 5"#;

/// Runs that have ended in both stores.
async fn complete(env: &TestEnv, service: &Service, runs: &[&str]) {
    for run in runs {
        service.submit(&env.request(run)).await;
    }
    for run in runs {
        assert_eq!(service.ended(run).await["status"], "complete");
        env.wait_until_synced(run).await;
    }
}

/// `innovation migrate …` on the environment's database.
fn migrate(env: &TestEnv, arguments: &[&str]) {
    let all = [&["migrate"], arguments].concat();
    assert_ok(&innovation(&all).env("DATABASE_URL", env.database_url()).output().unwrap());
}

/// The value of a metric without labels.
async fn metric(service: &Service, name: &str) -> Option<String> {
    let text = service.call("GET", "/metrics").await.body.as_str()?.to_owned();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned))
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn dropped_columns_come_back_filled() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    let names: Vec<String> = (0..30).map(|number| format!("run-{number}")).collect();
    let runs: Vec<&str> = names.iter().map(String::as_str).collect();
    complete(&env, &service, &runs).await;
    let paid = calls(&env.model);
    let rollback =
        |method| migrate(&env, &["rollback", STAGE_OUTPUTS, "--method", method, "--confirm", "postgres"]);
    for way in ["drop", "forward"] {
        rollback(way);
        match way {
            "drop" => migrate(&env, &["deploy"]),
            _ => rollback("restore"),
        }
        assert_ne!(env.value(WHOLE).await, "30", "the columns are empty at first");
        env.wait_for_value(WHOLE, "30").await;
        for run in &runs {
            env.assert_both_agree(run).await;
        }
    }
    assert_eq!(calls(&env.model), paid, "nothing is paid again");
    assert_eq!(reconcile(&env, &["--verify", "--all"]).0, Some(0));
}

/// The process died after the row had ended, and before the files had.
#[tokio::test]
async fn a_dropped_row_fills_from_files_that_had_not_ended() {
    let env = TestEnv::with_database().await;
    let lease = [("LEASE_SECONDS", "3")];
    let mut service = env.serve(&lease).await;
    complete(&env, &service, &["run-1"]).await;
    let paid = calls(&env.model);
    service.kill();
    let folder = env.run_folder("run-1");
    let mut manifest = env.manifest("run-1");
    for part in ["finished_at", "report", "proof"] {
        manifest.as_object_mut().unwrap().remove(part);
    }
    manifest["status"] = "PROCESSING".into();
    manifest["database"] = serde_json::json!({"has_row": true, "has_end": false});
    fs::write(folder.join("run.json"), manifest.to_string()).unwrap();
    fs::remove_file(folder.join("report.md")).unwrap();
    fs::write(folder.join("../.open/run-1"), "").unwrap();
    migrate(&env, &["rollback", STAGE_OUTPUTS, "--method", "drop", "--confirm", "postgres"]);
    migrate(&env, &["deploy"]);
    let _service = env.serve(&lease).await;
    env.wait_for_value(WHOLE, "1").await;
    env.wait_until_synced("run-1").await;
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), paid, "nothing is paid again");
}

#[tokio::test]
async fn an_older_backup_is_brought_up() {
    let mut env = TestEnv::with_database().await;
    let lease = [("LEASE_SECONDS", "3")];
    let mut service = env.serve(&lease).await;
    complete(&env, &service, &["kept", "deleted"]).await;
    service.kill();
    let mut service = env.serve(&[lease[0], ("CRASH_AT", "stage-stored:2")]).await;
    service.submit(&env.request("open")).await;
    service.killed().await;
    env.postgres().stop(Stop::Fast);
    env.postgres().keep_backup();
    env.postgres().start_again();
    let service = env.serve(&lease).await;
    assert_eq!(service.ended("open").await["status"], "complete");
    env.wait_until_synced("open").await;
    complete(&env, &service, &["later"]).await;
    assert_eq!(service.call("DELETE", "/api/pipeline/deleted").await.status, 204);
    let paid = calls(&env.model);

    env.postgres().stop(Stop::Fast);
    env.postgres().restore_backup();
    env.postgres().start_again();
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = 'open'"#, "COMPLETED").await;
    env.wait_for_value(r#"SELECT string_agg("runId", ',') FROM "RunTombstone""#, "deleted").await;
    env.wait_for_value(r#"SELECT string_agg("id", ',' ORDER BY "id") FROM "PipelineRun""#, "kept,open").await;
    assert_eq!(service.call("GET", "/api/pipeline/deleted").await.status, 410);
    eventually("the missing row is counted", async || {
        wanted(metric(&service, "innovation_missing_rows").await, |value| value.as_deref() == Some("1"))
    })
    .await;
    let event = service.wait_for_event("rows_missing").await;
    assert_eq!((&event["count"], &event["runs"]), (&1.into(), &"later".into()), "{event}");
    let deep = service.call("GET", "/health/deep").await.body;
    assert_eq!(deep["storage"]["reconciliation"]["missing_rows"], 1, "{deep}");
    assert_eq!(env.value(ROWS).await, "2", "its owner may have removed it");

    let (code, lines) = reconcile(&env, &["--restore-rows"]);
    assert_eq!((code, &lines.last().unwrap()["summary"]["proved"]), (Some(0), &1.into()), "{lines:?}");
    let record = r#"SELECT concat_ws(' ', "action", "new"->>'proved') FROM "innovation"."AuditRecord" WHERE "actor" = 'command'"#;
    assert_eq!(env.value(record).await, "runs.restore_rows 1");
    for run in ["kept", "open", "later"] {
        env.assert_both_agree(run).await;
    }
    eventually("the alarm ends", async || {
        wanted(metric(&service, "innovation_missing_rows").await, |value| value.as_deref() == Some("0"))
    })
    .await;
    assert_eq!(calls(&env.model), paid, "nothing is paid again");
}

#[tokio::test]
async fn the_command_settles_all_differences() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(&[]).await;
    complete(&env, &service, &["row", "file", "absent"]).await;
    service.kill();
    fs::remove_file(env.run_folder("file").join("stage2/trends.json")).unwrap();
    env.query(
        r#"UPDATE "PipelineRun" SET "stage3Output" = NULL, "fullReportMarkdown" = NULL WHERE "id" = 'row'"#,
    )
    .await;
    env.query(r#"DELETE FROM "PipelineRun" WHERE "id" = 'absent'"#).await;
    let (code, lines) = reconcile(&env, &["--dry-run"]);
    let mut named: Vec<&str> = lines.iter().filter_map(|line| line["run_id"].as_str()).collect();
    named.sort_unstable();
    assert_eq!((code, named), (Some(0), vec!["file", "row"]), "{lines:?}");
    assert_eq!(env.value(WHOLE).await, "1", "nothing was written");
    let (code, lines) = reconcile(&env, &[]);
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!(
        (code, &summary["proved"], &summary["missing_rows"]),
        (Some(0), &2.into(), &1.into()),
        "{lines:?}"
    );
    for run in ["row", "file"] {
        env.assert_both_agree(run).await;
    }
    let (code, lines) = reconcile(&env, &[]);
    assert_eq!((code, &lines.last().unwrap()["summary"]["runs"]), (Some(0), &0.into()), "{lines:?}");
    let away = innovation(&["reconcile", "--dry-run"])
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
        .output()
        .unwrap();
    assert_eq!(away.status.code(), Some(3), "it cannot look");
}

#[tokio::test]
async fn lost_files_come_back_from_rows() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    complete(&env, &service, &["file", "report", "folder"]).await;
    fs::remove_file(env.run_folder("file").join("stage2/trends.json")).unwrap();
    fs::remove_file(env.run_folder("report").join("report.md")).unwrap();
    fs::remove_dir_all(env.run_folder("folder")).unwrap();
    eventually("the files are back", async || {
        env.run_folder("file").join("stage2/trends.json").exists()
            && env.run_folder("report").join("report.md").exists()
            && env.run_folder("folder").join("run.json").exists()
    })
    .await;
    for run in ["file", "report", "folder"] {
        env.assert_both_agree(run).await;
    }
}

#[tokio::test]
async fn an_unreadable_run_holds_up_no_other() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(&[]).await;
    for run in ["foreign", "newer", "link", "after"] {
        complete(&env, &service, &[run]).await;
    }
    service.kill();
    env.query(r#"ALTER TYPE "RunStatus" ADD VALUE 'ARCHIVED'"#).await;
    env.query(r#"UPDATE "PipelineRun" SET "status" = 'ARCHIVED' WHERE "id" = 'foreign'"#).await;
    let newer = env.run_folder("newer").join("run.json");
    let text = fs::read_to_string(&newer).unwrap().replace("\"version\": 1", "\"version\": 2");
    fs::write(&newer, text).unwrap();
    let link = env.run_folder("link").join("run.json");
    fs::rename(&link, env.folder.path().join("moved")).unwrap();
    std::os::unix::fs::symlink(env.folder.path().join("moved"), &link).unwrap();
    env.query(
        r#"UPDATE "PipelineRun" SET "stage3Output" = NULL, "fullReportMarkdown" = NULL WHERE "id" = 'after'"#,
    )
    .await;

    let (code, lines) = reconcile(&env, &["--dry-run"]);
    let mut named: Vec<&str> = lines.iter().filter_map(|line| line["run_id"].as_str()).collect();
    named.sort_unstable();
    assert_eq!((code, named), (Some(3), vec!["after", "link", "newer"]), "{lines:?}");
    let service = env.serve(&[]).await;
    env.wait_for_value(
        r#"SELECT num_nonnulls("stage3Output", "fullReportMarkdown")::text FROM "PipelineRun" WHERE "id" = 'after'"#,
        "2",
    )
    .await;
    env.assert_both_agree("after").await;
    let finished = service.wait_for_event("survey_finished").await;
    assert_eq!(finished["failed"], 2, "{finished}");
    let deep = service.call("GET", "/health/deep").await.body;
    assert_eq!(deep["storage"]["reconciliation"]["failed"], 2, "{deep}");
    let (code, lines) = reconcile(&env, &[]);
    let failed = lines.last().unwrap()["summary"]["failed"].as_array().map(Vec::len);
    assert_eq!((code, failed), (Some(1), Some(2)), "{lines:?}");
}

#[tokio::test]
async fn runs_of_other_disks_stay_there() {
    let env = TestEnv::with_database().await;
    let one = env.replica("one", &[]).await;
    one.submit(&env.request("run-1")).await;
    assert_eq!(one.ended("run-1").await["status"], "complete");
    let two = env.replica("two", &[]).await;
    two.wait_for_event("survey_finished").await;
    assert!(!env.folder_of("two", "run-1").exists());
}

#[tokio::test]
async fn a_deleted_runs_row_counts_for_nothing() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    complete(&env, &service, &["run-1"]).await;
    env.query(r#"CREATE TABLE kept AS SELECT * FROM "PipelineRun""#).await;
    assert_eq!(service.call("DELETE", "/api/pipeline/run-1").await.status, 204);
    let paid = calls(&env.model);
    let open = r#"UPDATE kept SET "status" = 'PROCESSING', "completedAt" = NULL, "leaseOwner" = NULL, "leaseUntil" = NULL,
        "stage1Output" = NULL, "stage1Digest" = NULL"#;
    for earlier in ["SELECT 1", open] {
        env.query(earlier).await;
        env.query(r#"DELETE FROM "RunTombstone"; INSERT INTO "PipelineRun" SELECT * FROM kept"#).await;
        assert_eq!(service.call("GET", "/api/pipeline/run-1").await.status, 410);
        assert_eq!(service.call("GET", "/status/run-1").await.status, 410);
        let list = service.call("GET", "/api/pipeline").await.body;
        assert_eq!(list["runs"], serde_json::json!([]), "{list}");
        env.wait_for_value(ROWS, "0").await;
        assert_eq!(env.value(r#"SELECT "runId" FROM "RunTombstone""#).await, "run-1");
    }
    assert_eq!(calls(&env.model), paid, "it is not run again");
}
