//! The reconciler restores a side of an ended run from the other side. An operator settles changes by hand.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use super::{after_an_outage, export, kept_beside, reconcile};
use crate::support::{innovation, service::TestEnv, wait::eventually};

/// The output of `innovation …` for people, with its exit code.
fn told(env: &TestEnv, arguments: &[&str]) -> (Option<i32>, String) {
    let output = innovation(arguments)
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    let all = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(all).unwrap())
}

/// All files below a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(names(&path));
        }
        all.insert(path.display().to_string());
    }
    all
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

/// Takes a run's files away, or tears them; what `--verify` is then to call missing and damaged.
fn lose(env: &TestEnv, run: &str, what: &str) -> (Value, Value) {
    let folder = env.run_folder(run);
    match what {
        "stage" => fs::remove_file(folder.join("stage2/trends.json")).map(|()| (json!([2]), json!([]))),
        "report" => fs::remove_file(folder.join("report.md")).map(|()| (json!([5]), json!([]))),
        "folder" => fs::remove_dir_all(folder.join("stage4")).map(|()| (json!([4]), json!([]))),
        "torn stage" => {
            truncate(&folder.join("stage3/lessons.json"));
            Ok((json!([]), json!([3])))
        }
        _ => {
            truncate(&folder.join("report.md"));
            Ok((json!([]), json!([5])))
        }
    }
    .unwrap()
}

const LOSSES: [&str; 5] = ["stage", "report", "folder", "torn stage", "torn report"];

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn each_command_restores_lost_files_from_the_row() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 1).await;
    assert_eq!(reconcile(&env, &[]).0, Some(0));
    let to = format!("file://{}", env.folder.path().join("data/test-outputs").display());
    let ways: [&[&str]; 3] = [&["--run", "run-0"], &["resolve", "run-0", "--keep", "database"], &["export"]];
    for way in ways {
        for loss in LOSSES {
            let (missing, damaged) = lose(&env, "run-0", loss);
            let (code, lines) = reconcile(&env, &["--verify", "--run", "run-0"]);
            assert_eq!(
                (code, &lines[0]["result"], &lines[0]["missing_in_files"], &lines[0]["damaged_in_files"]),
                (Some(1), &json!("differs"), &missing, &damaged),
                "{loss}: {lines:?}"
            );
            let (_, text) = told(&env, &["reconcile", "--verify", "--run", "run-0"]);
            let how = if damaged == json!([]) { "missing" } else { "damaged" };
            assert!(text.contains(&format!("is {how} in files")), "{text}");
            assert!(text.contains("innovation reconcile --run run-0"), "{text}");
            let code = match way[0] {
                "export" => export::export(&env, &["--run", "run-0", "--to", &to]).0,
                "resolve" => {
                    let (code, text) = told(&env, &[&["reconcile"], way].concat());
                    assert!(!text.contains("settled by hand"), "there was no conflict: {text}");
                    code
                }
                _ => reconcile(&env, way).0,
            };
            assert_eq!(code, Some(0), "{way:?}, {loss}");
            assert_eq!(reconcile(&env, &["--verify", "--run", "run-0"]).0, Some(0), "{way:?}, {loss}");
        }
    }
    env.assert_both_agree("run-0").await;
    assert_eq!(kept_beside(&env, "run-0/stage3", "lessons.json.corrupt-"), ways.len(), "kept");
    assert_eq!(kept_beside(&env, "run-0", "report.md.corrupt-"), ways.len());
}

#[tokio::test]
async fn a_torn_manifest_is_reported_then_rebuilt() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 1).await;
    assert_eq!(reconcile(&env, &[]).0, Some(0));
    truncate(&env.run_folder("run-0").join("run.json"));
    let before = names(env.folder.path());
    for arguments in [&["--verify"][..], &["--verify", "--run", "run-0"], &["--dry-run", "--run", "run-0"]] {
        reconcile(&env, arguments);
    }
    let (code, text) = told(&env, &["reconcile", "--verify"]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("run.json is damaged") && text.contains("innovation reconcile --run run-0"),
        "{text}"
    );
    assert_eq!(names(env.folder.path()), before, "nothing was written or moved");
    assert_eq!(reconcile(&env, &["--run", "run-0"]).0, Some(0));
    assert_eq!(kept_beside(&env, "run-0", "run.json.corrupt-"), 1);
    env.assert_both_agree("run-0").await;
    // And where nothing is left at all.
    fs::remove_dir_all(env.run_folder("run-0")).unwrap();
    assert_eq!(reconcile(&env, &["--run", "run-0"]).0, Some(0));
    env.assert_both_agree("run-0").await;
}

#[tokio::test]
async fn the_automatic_pass_fills_both_sides() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 1).await;
    assert_eq!(reconcile(&env, &[]).0, Some(0));
    env.query(r#"UPDATE "PipelineRun" SET "stage3Output" = NULL, "stage3Digest" = NULL"#).await;
    let (_, text) = told(&env, &["reconcile", "--verify"]);
    assert!(text.contains("stage 3 is missing in the database"), "{text}");
    lose(&env, "run-0", "stage");
    fs::write(env.run_folder("run-0").with_file_name(".unsynced").join("run-0"), "").unwrap();
    let _service = env.serve(&[]).await;
    env.wait_for_value(r#"SELECT ("stage3Digest" IS NOT NULL)::text FROM "PipelineRun""#, "true").await;
    let mark = env.run_folder(".unsynced").join("run-0");
    eventually("the mark goes", async || !mark.exists()).await;
    assert!(env.run_folder("run-0").join("stage2/trends.json").is_file());
    env.assert_both_agree("run-0").await;
}

#[tokio::test]
async fn a_row_edited_by_hand_stays_a_conflict() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 1).await;
    assert_eq!(reconcile(&env, &[]).0, Some(0));
    let changes = [
        r#"UPDATE "PipelineRun" SET "stage2Output" = jsonb_set("stage2Output", '{meta,model}', '"another/model"')"#,
        r#"UPDATE "PipelineRun" SET "fullReportMarkdown" = "fullReportMarkdown" || ' and more'"#,
    ];
    let service = env.serve(&[]).await;
    for (change, number) in changes.into_iter().zip([2, 5]) {
        for keep in ["files", "database"] {
            env.query(change).await;
            let (code, lines) = reconcile(&env, &["--verify", "--run", "run-0"]);
            assert_eq!((code, &lines[0]["damaged_in_database"]), (Some(1), &json!([number])), "{lines:?}");
            let command = "innovation reconcile resolve run-0 --keep database|files";
            assert!(told(&env, &["reconcile", "--verify"]).1.contains(command));
            let (code, text) = told(&env, &["reconcile", "--run", "run-0"]);
            assert_eq!(code, Some(1));
            assert!(text.contains("conflict") && text.contains(command), "{text}");
            assert_eq!(
                env.value(r#"SELECT "conflictedStages"::text FROM "PipelineRun""#).await,
                format!("{{{number}}}")
            );
            let (code, text) = told(&env, &["reconcile", "resolve", "run-0", "--keep", keep]);
            assert_eq!(code, Some(0), "{keep}: {text}");
            assert_eq!(reconcile(&env, &["--verify", "--run", "run-0"]).0, Some(0), "{keep}");
            env.assert_both_agree("run-0").await;
        }
    }
    let records = r#"SELECT string_agg(DISTINCT concat_ws(' ', "target", "new"->>'keep'), ', ')
                     FROM "innovation"."AuditRecord" WHERE "action" = 'run.resolve'"#;
    assert_eq!(env.value(records).await, "run-0 database, run-0 files");
    env.query(&changes[0].replace("another", "a-third")).await;
    assert_eq!(reconcile(&env, &["--run", "run-0"]).0, Some(1));
    let degraded = service.wait_for_path("/health", |_, health| health["status"] != "healthy").await;
    assert_eq!(degraded["status"], "degraded");
    let (_, deep) = service.get("/health/deep").await.unwrap();
    assert_eq!(deep["storage"]["reconciliation"]["conflicts"], 1);
    let checks = deep["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "reconciliation").unwrap();
    assert_eq!(check["status"], "warning");
    assert!(check["detail"].as_str().unwrap().contains("innovation reconcile resolve"), "{check}");
    let metrics = service.call("GET", "/metrics").await.body;
    assert!(metrics.as_str().unwrap().contains("innovation_sync_conflicts 1"), "{metrics}");
}

#[tokio::test]
async fn asking_for_an_unknown_run_says_so() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 1).await;
    let (code, text) = told(&env, &["reconcile", "--run", "nobody"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("nobody: is unknown") && text.contains("1 unknown"), "{text}");
    let (_, text) = told(&env, &["reconcile", "--dry-run", "--run", "nobody"]);
    assert!(text.contains("is unknown") && !text.contains("marked"), "{text}");
    let output = innovation(&["reconcile"])
        .env("APP_BASE_DIR", env.folder.path().join("elsewhere"))
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no folder"));
}
