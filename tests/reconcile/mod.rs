//! After an incident the reconciler brings runs of the files into the database, and proves both equal.

mod export;
mod missing_row;
mod repair;
mod retention;
mod retry;
mod survey;

use std::process::Output;

use serde_json::Value;

use crate::support::{innovation, openrouter::calls, postgres::Stop, service::TestEnv};

/// `innovation reconcile …` on the environment's stores.
fn reconcile(env: &TestEnv, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let mut all = vec!["reconcile", "--json"];
    all.extend(arguments);
    let output: Output = innovation(&all)
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code(), lines)
}

/// Runs that were accepted and ended by file, while the database was away; it is back when this returns.
async fn after_an_outage(env: &mut TestEnv, runs: usize) {
    env.postgres().stop(Stop::Immediate);
    let mut service = env.serve(&[]).await;
    for number in 0..runs {
        service.submit(&env.request(&format!("run-{number}"))).await;
    }
    for number in 0..runs {
        assert_eq!(service.ended(&format!("run-{number}")).await["status"], "complete");
    }
    service.kill();
    env.postgres().start_again();
}

#[tokio::test]
async fn a_run_ended_by_file_reaches_the_database() {
    let mut env = TestEnv::with_database().await;
    env.postgres().stop(Stop::Immediate);
    let service = env.serve(&[]).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    let accepted_at = env.manifest("run-1")["accepted_at"].as_str().unwrap().to_owned();
    env.postgres().start_again();
    env.wait_until_synced("run-1").await;
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1; 4], "nothing was paid again");
    let created = r#"SELECT to_char("createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM "PipelineRun""#;
    assert_eq!(env.value(created).await, accepted_at, "as it was asked for");
    let user = r#"SELECT "clerkId" FROM "User" JOIN "PipelineRun" ON "User"."id" = "userId""#;
    assert_eq!(env.value(user).await, "user_2abc");
    let cards = r#"SELECT (count(*) > 0)::text FROM "OpportunityCard""#;
    assert_eq!(env.value(cards).await, "true", "the frontend's rows too");
    let kept = env.value(r#"SELECT "syncProof"->>'report' FROM "PipelineRun""#).await;
    assert_eq!(env.manifest("run-1")["proof"]["report"], kept.as_str());
    let (code, lines) = reconcile(&env, &["--verify", "--all"]);
    assert_eq!((code, &lines[0]["result"]), (Some(0), &"equal".into()), "{lines:?}");
}

#[tokio::test]
async fn the_command_syncs_a_backlog_once() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 5).await;
    let (code, lines) = reconcile(&env, &["--verify"]);
    assert_eq!(code, Some(1));
    assert_eq!(lines.last().unwrap()["summary"]["only_in_files"], 5);
    let (code, lines) = reconcile(&env, &["--dry-run"]);
    assert_eq!((code, lines.len()), (Some(0), 5));
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "0", "nothing was written");
    let (code, lines) = reconcile(&env, &[]);
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!((code, &summary["proved"], &summary["stages_written"]), (Some(0), &5.into(), &20.into()));
    let (code, lines) = reconcile(&env, &[]);
    assert_eq!((code, &lines.last().unwrap()["summary"]["runs"]), (Some(0), &0.into()));
    assert_eq!(reconcile(&env, &["--verify", "--all"]).0, Some(0));
    assert_eq!(calls(&env.model), [5; 4]);
}

#[tokio::test]
async fn a_killed_reconcile_resumes() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 1).await;
    for point in ["reconcile-adopted", "reconcile-stages-stored", "reconcile-ended", "reconcile-proved"] {
        let output = innovation(&["reconcile"])
            .env("APP_BASE_DIR", env.folder.path())
            .env("DATABASE_URL", env.database_url())
            .env("CRASH_AT", point)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), None, "{point}: killed");
        // The row that a killed pass held is free when its lease has ended.
        env.query(r#"UPDATE "PipelineRun" SET "leaseUntil" = now() - interval '1 second' WHERE "leaseUntil" IS NOT NULL"#).await;
    }
    let (code, lines) = reconcile(&env, &[]);
    assert_eq!(code, Some(0), "{lines:?}");
    env.assert_both_agree("run-0").await;
    assert_eq!(reconcile(&env, &["--verify", "--all"]).0, Some(0));
}

#[tokio::test]
async fn a_conflict_keeps_both_sides_and_is_reported() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 2).await;
    assert_eq!(reconcile(&env, &["--run", "run-0"]).0, Some(0));
    // The same run with another answer, as two replicas would have it that were cut off from each other.
    let other = r#"UPDATE "PipelineRun" SET "stage2Output" = jsonb_set("stage2Output", '{meta,model}', '"another/model"'),
        "stage2Digest" = NULL WHERE "id" = 'run-0'"#;
    env.query(other).await;
    let before = env.value(r#"SELECT "stage2Output"::text FROM "PipelineRun" WHERE "id" = 'run-0'"#).await;
    let file = env.json("run-0", "stage2/trends.json");
    let (code, lines) = reconcile(&env, &["--verify", "--run", "run-0"]);
    assert_eq!((code, &lines[0]["numbers"]), (Some(1), &serde_json::json!([2])), "{lines:?}");
    let (code, lines) = reconcile(&env, &["--run", "run-0"]);
    assert_eq!((code, &lines[0]["result"]["outcome"]), (Some(1), &"conflict".into()), "{lines:?}");
    assert_eq!(
        env.value(r#"SELECT "stage2Output"::text FROM "PipelineRun" WHERE "id" = 'run-0'"#).await,
        before
    );
    assert_eq!(env.json("run-0", "stage2/trends.json"), file);
    assert_eq!(
        env.value(r#"SELECT "conflictedStages"::text FROM "PipelineRun" WHERE "id" = 'run-0'"#).await,
        "{2}"
    );
    let resolve = |keep: &str| {
        innovation(&["reconcile", "resolve", "run-0", "--keep", keep])
            .env("APP_BASE_DIR", env.folder.path())
            .env("DATABASE_URL", env.database_url())
            .output()
            .unwrap()
    };
    crate::support::assert_ok(&resolve("files"));
    env.assert_both_agree("run-0").await;
    assert_eq!(env.json("run-0", "stage2/trends.json"), file);
    assert_eq!(kept_beside(&env, "run-0", "row.conflict-"), 1, "the row's version is kept");
    assert_eq!(
        env.value(r#"SELECT "conflictedStages"::text FROM "PipelineRun" WHERE "id" = 'run-0'"#).await,
        "{}"
    );
    let cards = r#"SELECT (count(*) > 0)::text FROM "OpportunityCard" WHERE "runId" = 'run-0'"#;
    assert_eq!(env.value(cards).await, "true", "made anew");
    // Once more, and the other way.
    env.query(other).await;
    crate::support::assert_ok(&resolve("database"));
    assert_eq!(env.json("run-0", "stage2/trends.json")["meta"]["model"], "another/model");
    assert_eq!(kept_beside(&env, "run-0/stage2", "trends.json.conflict-"), 1);
    assert_eq!(reconcile(&env, &["--verify", "--run", "run-0"]).0, Some(0));
    // The other run is not held up by it.
    assert_eq!(reconcile(&env, &["--run", "run-1"]).0, Some(0));
}

#[tokio::test]
async fn a_run_with_conflicting_sides_still_ends() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 1).await;
    assert_eq!(reconcile(&env, &[]).0, Some(0));
    // As if another replica had begun it anew while this one was cut off, stored its own first stage, and died; and this
    // disk had not been reconciled yet.
    env
        .query(
            r#"UPDATE "PipelineRun" SET "status" = 'PROCESSING', "leaseEpoch" = "leaseEpoch" + 1, "completedAt" = NULL,
               "stage1Output" = jsonb_set("stage1Output", '{meta,model}', '"another/model"'), "stage1Digest" = NULL,
               "stage2Output" = NULL, "stage3Output" = NULL, "stage4Output" = NULL, "stage2Digest" = NULL,
               "stage3Digest" = NULL, "stage4Digest" = NULL, "fullReportMarkdown" = NULL, "reportDigest" = NULL"#,
        )
        .await;
    let paid = calls(&env.model);
    let _service = env.serve(&[("LEASE_SECONDS", "3")]).await;
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun""#, "COMPLETED").await;
    assert_eq!(calls(&env.model), paid, "what the files have is not paid again");
    let epoch: i32 = env.value(r#"SELECT "leaseEpoch"::text FROM "PipelineRun""#).await.parse().unwrap();
    assert!(epoch < 10, "{epoch}: it did not spin");
    let (code, lines) = reconcile(&env, &["--run", "run-0"]);
    assert_eq!((code, &lines[0]["result"]["numbers"]), (Some(1), &serde_json::json!([1])), "{lines:?}");
}

#[tokio::test]
async fn a_retry_elsewhere_is_no_conflict() {
    let mut env = TestEnv::with_database().await;
    after_an_outage(&mut env, 1).await;
    assert_eq!(reconcile(&env, &[]).0, Some(0));
    // As a retry on another replica leaves it, whose files are on its own disk.
    env.query(r#"UPDATE "PipelineRun" SET "generation" = 2, "stage4Digest" = NULL"#).await;
    let (_, lines) = reconcile(&env, &["--verify", "--all"]);
    assert_eq!(lines[0]["result"], "only_in_database", "{lines:?}");
}

/// How many files of a name's beginning there are in a folder of a run.
fn kept_beside(env: &TestEnv, folder: &str, beginning: &str) -> usize {
    let entries = std::fs::read_dir(env.run_folder(folder)).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(beginning))
        .count()
}

#[tokio::test]
async fn without_a_database_it_says_what_is_missing() {
    let env = TestEnv::files_only().await;
    let output = innovation(&["reconcile"]).env("APP_BASE_DIR", env.folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("DATABASE_URL"));
    let output = innovation(&["reconcile"])
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
        .args(["--verify"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "could not check");
}
