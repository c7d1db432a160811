//! The drill of the runbook: a backup, more runs, a loss, a restore. Afterwards both stores hold every run.

use std::{
    process::{Command, Output},
    time::Instant,
};

use crate::support::{
    assert_ok, innovation,
    postgres::{query, server_program},
    s3::S3,
    service::{Service, TestEnv},
};

/// A run that has ended in both stores.
async fn complete(service: &Service, env: &TestEnv, run: &str) {
    service.submit(&env.request(run)).await;
    assert_eq!(service.ended(run).await["status"], "complete", "{run}");
    service.wait_for_run_event(run, "run_ended").await;
}

/// A program of PostgreSQL at the service's database.
fn at_database(env: &TestEnv, program: &str, arguments: &[&str]) {
    let mut command = Command::new(server_program(program));
    command.env_clear().args(arguments).arg(format!("--dbname={}", env.database_url()));
    assert_ok(&command.output().unwrap());
}

/// A command beside the service, on its files.
fn command(env: &TestEnv, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = innovation(arguments);
    command.env("APP_BASE_DIR", env.folder.path()).env("DATABASE_URL", env.database_url());
    command.envs(settings.iter().copied()).output().unwrap()
}

#[track_caller]
fn assert_command(env: &TestEnv, settings: &[(&str, &str)], arguments: &[&str]) {
    let output = command(env, settings, arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

/// The report as the service shows it.
async fn report(service: &Service, run: &str) -> String {
    let (status, report) = service.get(&format!("/api/pipeline/{run}/report")).await.unwrap();
    assert_eq!(status, 200, "{run}: {report}");
    report.to_string()
}

#[tokio::test]
async fn a_lost_database_returns_with_later_runs() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    for run in ["backed-up", "deleted-later"] {
        complete(&service, &env, run).await;
        env.wait_until_synced(run).await;
    }
    let backup = env.folder.path().join("backup.dump");
    let backup = backup.to_str().unwrap();
    at_database(&env, "pg_dump", &["--format=custom", "--file", backup]);

    complete(&service, &env, "after-the-backup").await;
    env.wait_until_synced("after-the-backup").await;
    assert_eq!(service.call("DELETE", "/api/pipeline/deleted-later").await.status, 204);
    let url = env.database_url();
    let template = format!("{}/template1", url.rsplit_once('/').unwrap().0);
    query(&template, "DROP DATABASE postgres WITH (FORCE)").await;
    service.wait_for_event("database_breaker_opened").await;
    // Nobody has to wait for the restore.
    complete(&service, &env, "during-the-loss").await;

    let begun = Instant::now();
    query(&template, "CREATE DATABASE postgres").await;
    at_database(&env, "pg_restore", &["--no-owner", "--exit-on-error", backup]);
    assert_command(&env, &[], &["migrate", "deploy"]);
    service.wait_for_event("database_breaker_closed").await;
    assert_command(&env, &[], &["reconcile"]);
    assert_command(&env, &[], &["reconcile", "--restore-rows"]);
    assert_command(&env, &[], &["reconcile", "--verify", "--all"]);
    println!("everything was back {:?} after the restore began", begun.elapsed());

    for run in ["backed-up", "after-the-backup", "during-the-loss"] {
        env.assert_both_agree(run).await;
        report(&service, run).await;
    }
    assert_eq!(env.value(r#"SELECT count(*) FROM "PipelineRun""#).await, "3");
    assert_eq!(service.call("GET", "/api/pipeline/deleted-later/report").await.status, 410);
    // The model was asked once for each stage of each run: nothing was paid for twice.
    assert_eq!(service.events("stage_stored").len(), 4 * 4);
}

#[tokio::test]
async fn an_emptied_bucket_fills_from_the_rows() {
    let (env, s3) = (TestEnv::with_database().await, S3::start());
    let endpoint = s3.url();
    let settings = S3::environment(&endpoint);
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let service = env.serve(&settings).await;
    service.wait_for_event("bucket_guard_confirmed").await;
    let mut reports = Vec::new();
    for run in ["run-1", "run-2"] {
        complete(&service, &env, run).await;
        reports.push(report(&service, run).await);
    }
    assert_command(&env, &settings, &["reconcile", "--verify", "--all"]);

    let lost = s3.names("");
    assert!(lost.iter().any(|name| name.ends_with("run-1/run.json")), "{lost:?}");
    for name in lost {
        s3.ask(&format!("DELETE /runs/{name} HTTP/1.1"));
    }
    // Readers notice nothing.
    assert_eq!(report(&service, "run-1").await, reports[0]);

    let begun = Instant::now();
    assert_command(&env, &settings, &["reconcile"]);
    assert_command(&env, &settings, &["reconcile", "--verify", "--all"]);
    println!("every file was back {:?} after the command began", begun.elapsed());
    complete(&service, &env, "run-3").await;

    // By files alone.
    drop(service);
    let by_files: Vec<_> =
        [&settings[..], &[("ENABLE_DATABASE_WRITES", "false"), ("SINGLE_REPLICA", "true")]].concat();
    let service = env.serve(&by_files).await;
    for (run, before) in ["run-1", "run-2"].into_iter().zip(reports) {
        assert_eq!(report(&service, run).await, before);
    }
}
