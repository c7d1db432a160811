//! The gate in front of production.

use std::process::Command;

use super::{Report, report, report_with_lines, shell, type_next};
use crate::support::{postgres::Stop, service::TestEnv, stderr};

/// Strong enough for every environment.
const KEYS: [(&str, &str); 4] = [
    ("BACKEND_API_KEYS", "9f86d081884c7d659a2feaa0c55ad015"),
    ("ADMIN_API_KEYS", "60303ae22b998861bce3b28f33eec1be"),
    ("METRICS_KEY", "fd61a03af4f77d870fc21e05e7e80678"),
    ("OPERATOR_KEY", "60303ae22b998861bce3b28f33eec1be"),
];

#[tokio::test]
async fn the_gate_explains_itself_in_one_screen() {
    let mut env = TestEnv::with_database().await;
    let _service = env.serve(&[]).await;
    env.wait_for_value(r#"SELECT count(*)::text FROM "Replica""#, "1").await;
    let closed = report(&env, &[], "gate --strict");
    assert_eq!(closed.code, Some(1));
    let failed = closed.ids("fail");
    for id in ["configuration", "backup", "staging-report", "rehearsal", "keys-required"] {
        assert!(failed.contains(&id), "{id}: {failed:?}");
    }
    let screen = shell(&env, &[], "innovation gate --strict").output().unwrap();
    let lines = String::from_utf8_lossy(&screen.stderr).lines().count();
    assert!(screen.stdout.is_empty() && lines <= 40, "{lines} lines on a screen");
    let unknown = shell(&env, &[], "innovation gate --accept nonsense=x").output().unwrap();
    assert_eq!(unknown.status.code(), Some(64));
    env.postgres().stop(Stop::Fast);
    for refused in ["gate --accept backup='taken by hand'", "gate confirm-backup --reference vault"] {
        let output = shell(&env, &[], &format!("innovation {refused}")).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{refused}: {}", stderr(&output));
    }
    env.postgres().start_again();
    let nothing = r#"SELECT (SELECT count(*) FROM "innovation"."Waiver") + (SELECT count(*) FROM "innovation"."Evidence")"#;
    assert_eq!(env.value(nothing).await, "0");
}

#[tokio::test]
async fn the_gate_opens_reason_by_reason() {
    let env = TestEnv::with_database().await;
    let folder = env.folder.path().to_str().unwrap();
    let settings = [
        ("ENVIRONMENT", "staging"),
        ("ANALYST", "extractive"),
        ("BLOB_ALLOW_PRIVATE_NETWORK", "false"),
        ("RAILWAY_VOLUME_MOUNT_PATH", folder),
        ("RAILWAY_DEPLOYMENT_ID", "deployment-7"),
    ];
    let settings = [&settings[..], &KEYS].concat();
    let service = env.serve(&settings).await;
    env.wait_for_value(r#"SELECT count(*)::text FROM "Replica""#, "1").await;
    let gate = |more: &str| report(&env, &settings, &format!("gate --strict {more}"));
    let repair = |seen: &Report, id: &str| type_next(&env, &settings, seen.check(id));

    let outside = gate("");
    assert_eq!(outside.verdict("tag"), "could_not_check");
    git(folder, "git init --quiet && git config user.name t && git config user.email t@example.com");
    git(folder, "git commit --quiet --allow-empty --message first");
    let closed = gate("");
    assert_eq!((closed.verdict("clean-tree"), closed.verdict("tag")), ("fail", "fail"));
    repair(&closed, "backup");
    let smoke = format!("innovation smoke http://127.0.0.1:{} --key-env OPERATOR_KEY --record", service.port);
    let walked = shell(&env, &settings, &smoke).output().unwrap();
    assert!(walked.status.success(), "{}", String::from_utf8_lossy(&walked.stderr));
    // The folder of the test is no source: its files are ignored, not committed.
    git(folder, "echo '*' > .git/info/exclude");
    repair(&closed, "tag");

    let waived = "gate --strict --accept rehearsal='the next one is due'";
    // Its own role, in place of the superuser.
    let open = report_with_lines(&closed, &["database-role"], &env, &settings, waived);
    assert_eq!(open.code, Some(0), "{}", open.body);
    let audited = r#"SELECT string_agg("action", ', ' ORDER BY "id") FROM "innovation"."AuditRecord""#;
    assert_eq!(env.value(audited).await, "evidence.add, run.delete, evidence.add, check.accept");
    let deployments = r#"SELECT string_agg(DISTINCT "deployment", ', ') || count("deployment") FROM "innovation"."AuditRecord""#;
    assert_eq!(env.value(deployments).await, "deployment-74");
    env.query(r#"UPDATE "innovation"."Waiver" SET "expiresAt" = now() - interval '1 second'"#).await;
    let own = env.database_url().replace("postgres@", "innovation@");
    let with_role = [settings.clone(), vec![("DATABASE_URL", own.as_str())]].concat();
    assert_eq!(report(&env, &with_role, "gate --strict").ids("fail"), ["rehearsal"]);
}

fn git(folder: &str, line: &str) {
    let done = Command::new("sh").current_dir(folder).args(["-c", line]).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}
