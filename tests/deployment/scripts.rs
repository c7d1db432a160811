//! The shell scripts that operators run after a deployment, against the real binary and a real PostgreSQL.

use std::process::Output;

use super::image::Staged;
use crate::support::{innovation, postgres::Postgres, root, script, service::TestEnv};

const STAGE_OUTPUTS: &str = "20251029043929_add_stage_outputs_and_report";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn assert_said(output: &Output, code: i32, texts: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for text in texts {
        assert!(said.contains(text), "it does not say {text:?}:\n{said}");
    }
}

fn migrate(url: &str, arguments: &[&str]) {
    let output = innovation(&[&["migrate"], arguments].concat()).env("DATABASE_URL", url).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_environment_check_runs_inside_a_deployment() {
    let staged = Staged::new();
    let postgres = Postgres::start();
    let environment = |changes: &[(&str, &str)]| {
        let mut command = staged.command(&["tests/railway/test_railway_environment.sh"]);
        command
            .env("RAILWAY_ENVIRONMENT", "production")
            .env("DATABASE_URL", postgres.url())
            .env("BACKEND_API_KEYS", "0123456789abcdef")
            .env("OPENROUTER_API_KEY", "sk-or-v1-test")
            .envs(changes.iter().copied());
        command.output().unwrap()
    };
    assert_said(
        &environment(&[]),
        1,
        &["FAILED  the database lacks migrations", "next: innovation migrate deploy"],
    );
    migrate(&postgres.url(), &["deploy"]);
    assert_said(&environment(&[]), 0, &["all checks passed", "all migrations are applied"]);

    // Everything that is wrong, at once.
    let wrong = [
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none"),
        ("TMPDIR", "/nowhere"),
        ("BACKEND_API_KEYS", ""),
        ("OPENROUTER_API_KEY", ""),
    ];
    let texts = [
        "the database cannot be asked",
        "/nowhere cannot be written to",
        "none of BACKEND_API_KEYS ALLOW_UNAUTHENTICATED",
        "none of OPENROUTER_API_KEY",
        "4 checks failed",
    ];
    assert_said(&environment(&wrong), 1, &texts);

    // Switched off on purpose is not wrong.
    let off = [
        ("DATABASE_URL", ""),
        ("ENABLE_DATABASE_WRITES", "false"),
        ("OPENROUTER_API_KEY", ""),
        ("ANALYST", "extractive"),
    ];
    assert_said(&environment(&off), 0, &["the database is switched off"]);

    std::fs::write(staged.path("app/data/brand-profiles/broken.yaml"), "brand_name: 7").unwrap();
    assert_said(&environment(&[]), 1, &["FAILED  brand profiles", "1 checks failed"]);
}

#[tokio::test]
async fn a_migration_is_valid_if_both_agree() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(&[]).await;
    let validate = || {
        let mut command = script(&root().join("tests/validate-migration.sh"));
        command.arg(format!("http://127.0.0.1:{}/", service.port)).env("DATABASE_URL", env.database_url());
        command.output().unwrap()
    };
    assert_said(
        &validate(),
        0,
        &["all migrations are applied", "accepts runs", "sees the new schema", "Migration: valid"],
    );

    // Taken back under the service, which goes on by file and says so.
    migrate(&env.database_url(), &["rollback", STAGE_OUTPUTS, "--method", "drop", "--confirm", "postgres"]);
    service.wait_for_path("/health/deep", |_, body| body["storage"]["schema"] == "behind").await;
    let texts = [
        "the schema is not that of this version",
        "accepts runs",
        "does not see the new schema",
        "not valid",
    ];
    assert_said(&validate(), 1, &texts);

    migrate(&env.database_url(), &["deploy"]);
    service.wait_for_path("/health/deep", |_, body| body["storage"]["schema"] == "ok").await;
    assert_said(&validate(), 0, &["Migration: valid"]);
    service.kill();
    let output = script(&root().join("tests/validate-migration.sh"))
        .arg(format!("http://127.0.0.1:{}", service.port))
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    assert_said(&output, 3, &["no connection", "railway logs"]);
    assert_said(&script(&root().join("tests/validate-migration.sh")).output().unwrap(), 64, &["usage"]);
}
