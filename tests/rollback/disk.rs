//! The disk fails: read-only, full.

use std::{
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{DUAL_WRITE, FILE_ONLY, calls, slow_env};
use crate::support::service::{Service, TestEnv};

/// Makes the folder that holds all runs, and its contents, writable for others or not.
fn set_writable(env: &TestEnv, writable: bool) {
    let folder = env.folder.path().join("data/test-outputs");
    std::fs::create_dir_all(&folder).unwrap();
    let mode = if writable { 0o777 } else { 0o555 };
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A service that is not root, to whom permissions mean something.
async fn serve_unprivileged(env: &TestEnv, environment: &[(&str, &str)]) -> Service {
    for path in [env.folder.path(), &env.folder.path().join("data")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(env.blob.authority.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    env.serve_with(environment, |command| {
        if rustix::process::geteuid().is_root() {
            // nobody
            command.uid(65534).gid(65534);
        }
    })
    .await
}

#[tokio::test]
async fn dual_write_degrades_with_a_read_only_folder() {
    let env = TestEnv::with_database().await;
    set_writable(&env, false);
    let mut service = serve_unprivileged(&env, DUAL_WRITE).await;
    service.submit(&env.request("run-1")).await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(status["stages"]["4"]["stored_in"], serde_json::json!(["database"]));
    let unsynced = r#"SELECT "filesMissingStages"::text FROM "PipelineRun""#;
    env.wait_for_value(unsynced, "{1,2,3,4,5}").await;
    let health = service.wait_for_path("/health", |_, health| health["status"] == "degraded").await;
    assert_eq!(service.get("/health").await.unwrap().0, 200, "{health}");
    let errors = ["manifest_write_failed", "file_write_failed"].map(|name| service.events(name)).concat();
    let is_named = |error: &str| error.contains("test-outputs") && error.contains("os error 13");
    assert!(
        errors.iter().any(|line| line["error"].as_str().is_some_and(is_named)),
        "path and errno: {errors:?}"
    );
    // The disk takes writes again: reconciliation brings to it what it could not take. A killed replica without a lock on the
    // disk would count as alive for ten minutes, and the files could be on its disk. A stopped one says goodbye.
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    set_writable(&env, true);
    let _service = serve_unprivileged(&env, DUAL_WRITE).await;
    env.wait_for_value(unsynced, "{}").await;
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn file_only_rejects_with_a_read_only_folder() {
    let env = TestEnv::files_only().await;
    set_writable(&env, false);
    let service = serve_unprivileged(&env, FILE_ONLY).await;
    let (status, problem) = service.post(&env.request("run-1")).await.unwrap();
    assert_eq!(status, 503, "{problem}");
    assert!(!problem.to_string().contains("test-outputs"), "no path leaves the service: {problem}");
    assert_eq!(service.get("/health/ready").await.unwrap().0, 503);
    set_writable(&env, true);
    service.wait_for_path("/health", |code, _| code == 200).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn a_full_disk_ends_file_runs_with_errno() {
    // A limit of 4 KiB a file lets manifests and the document through and no stage, as a full disk would; the signal that goes with it
    // is ignored, so that the write itself fails.
    let limit = |command: &mut Command| {
        let mut shell = Command::new("bash");
        shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
            .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$@\"", "bash"])
            .arg(command.get_program())
            .args(command.get_args());
        *command = shell;
    };
    let files = TestEnv::files_only().await;
    let service = files.serve_with(FILE_ONLY, limit).await;
    service.submit(&files.request("run-1")).await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "failed", "{status}");
    assert_eq!(status["error"]["code"], "STORAGE_UNAVAILABLE");
    assert!(!status.to_string().contains("inspirations.json"), "no path leaves the service: {status}");
    // The client hears of it a moment before the manifest does.
    let manifest = files.manifest_when("run-1", |manifest| manifest["status"] == "FAILED").await;
    let message = manifest["error"]["message"].as_str().unwrap();
    assert!(message.contains("stage1/inspirations.json") && message.contains("os error 27"), "{message}");
    assert_eq!(calls(&files.model), [1, 0, 0, 0]);

    let both = TestEnv::with_database().await;
    let service = both.serve_with(DUAL_WRITE, limit).await;
    service.submit(&both.request("run-1")).await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    assert_eq!(calls(&both.model), [1; 4]);
}

/// From now on the process's files take so many bytes, or any number.
fn limit_files(service: &Service, bytes: Option<u64>) {
    let process = Pid::from_raw(i32::try_from(service.id()).unwrap());
    prlimit(process, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

#[tokio::test]
async fn a_full_disk_delays_nothing_and_syncs_later() {
    let env = slow_env().await;
    let service = env
        .serve_with(DUAL_WRITE, |command| {
            let mut shell = Command::new("bash");
            shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            // The log goes by a pipe, or it would be full too.
            shell.args(["-c", "trap '' XFSZ; exec \"$@\" > >(exec /bin/cat) 2>&1", "bash"]);
            shell.arg(command.get_program()).args(command.get_args());
            *command = shell;
        })
        .await;
    // Less than the document has, and the manifest.
    limit_files(&service, Some(1024));
    service.submit(&env.request("run-1")).await;
    service.wait_for("run-1", |status| status["stages"]["2"]["status"] == "complete").await;
    // The mirror has given a write up; a shorter fault is waited out.
    service.wait_for_event("file_write_failed").await;
    limit_files(&service, None);
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    // Filled, and proved, without anybody's asking.
    env.manifest_when("run-1", |manifest| manifest["proof"]["stages"].is_object()).await;
    env.assert_both_agree("run-1").await;
    let unsynced = env.value(r#"SELECT "filesMissingStages"::text FROM "PipelineRun""#).await;
    assert_eq!(unsynced, "{}");
    assert_eq!(calls(&env.model), [1; 4]);
}
