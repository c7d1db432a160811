//! `innovation retry --failed` shows the failed runs, and retries them when told so.

use serde_json::{Value, json};

use crate::support::{
    innovation,
    openrouter::{Reply, Wrapping},
    service::TestEnv,
};

/// `innovation retry --failed … --json`
fn retry(env: &TestEnv, arguments: &[&str], more: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let output = innovation(&["retry", "--failed", "--json"])
        .args(arguments)
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", env.database_url())
        .envs(more.iter().copied())
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[tokio::test]
async fn failed_runs_are_shown_then_retried() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(&[]).await;
    let body = json!({"error": {"code": 404, "message": "The model does not exist"}});
    env.model.script([Reply::Answer(Wrapping::None)]);
    env.model.script([Reply::Status { status: 404, headers: Vec::new(), body }]);
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["error"]["code"], "LLM_ERROR");
    let mut lost = env.request("run-2");
    lost["blob_url"] = env.blob.url("sample/none.md").into();
    service.submit(&lost).await;
    assert_eq!(service.ended("run-2").await["status"], "failed");
    service.kill();

    let (code, lines) = retry(&env, &["--code", "LLM_ERROR"], &[]);
    assert_eq!((code, lines.len()), (Some(0), 2), "{lines:?}");
    assert_eq!((&lines[0]["run_id"], &lines[0]["outcome"]), (&"run-1".into(), &"would_be_retried".into()));
    assert_eq!(lines[1]["done"], false);
    let open = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'PROCESSING'"#;
    assert_eq!(env.value(open).await, "0", "it only shows");
    let (code, lines) = retry(&env, &["--code", "LLM_ERROR", "--yes"], &[]);
    assert_eq!((code, &lines[0]["outcome"]), (Some(0), &"retried".into()), "{lines:?}");
    let (code, lines) = retry(&env, &["--code", "LLM_ERROR", "--yes"], &[]);
    assert_eq!((code, &lines[0]["summary"]["selected"]), (Some(0), &0.into()), "{lines:?}");
    let service = env.serve(&[]).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");

    env.query(r#"UPDATE "PipelineRun" SET "errorCanRetry" = false WHERE "id" = 'run-2'"#).await;
    let (code, lines) = retry(&env, &["--strict", "--yes"], &[]);
    assert_eq!((code, &lines[0]["outcome"]), (Some(2), &"not_retryable".into()), "{lines:?}");
    assert_eq!(retry(&env, &["--code", "NO_SUCH_CODE"], &[]).0, Some(64));
    let away = [("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none"), ("ENABLE_FILE_FALLBACK", "false")];
    assert_eq!(retry(&env, &[], &away).0, Some(3), "it cannot look");
}
