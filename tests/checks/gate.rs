//! The gate in front of production.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Report, is_variable, read, report, report_with_lines, shell, type_next};
use crate::support::{
    assert_ok,
    postgres::Stop,
    service::{Service, TestEnv},
    stderr,
    wait::eventually,
};

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
    let git = |line: &str| git(env.folder.path(), line);
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
    git("git init --quiet && git config user.name t && git config user.email t@example.com");
    git("git commit --quiet --allow-empty --message first");
    let closed = gate("");
    assert_eq!((closed.verdict("clean-tree"), closed.verdict("tag")), ("fail", "fail"));
    repair(&closed, "backup");
    let smoke = format!("innovation smoke http://127.0.0.1:{} --key-env OPERATOR_KEY --record", service.port);
    let walked = shell(&env, &settings, &smoke).output().unwrap();
    assert!(walked.status.success(), "{}", String::from_utf8_lossy(&walked.stderr));
    // The folder of the test is no source: its files are ignored, not committed.
    git("echo '*' > .git/info/exclude");
    repair(&closed, "tag");

    let warned = gate("--accept rehearsal='the next one is due'");
    assert_eq!((warned.code, warned.ids("warn")), (Some(2), vec!["database-role"]), "{}", warned.body);
    assert_eq!(report(&env, &settings, "gate").code, Some(0), "without --strict");
    // Its own role, in place of the superuser.
    let open = report_with_lines(&closed, &["database-role"], &env, &settings, "gate --strict");
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

/// The shell of an operator: the next lines have the variables of the lines before.
struct Operator<'e> {
    env: &'e TestEnv,
    folder: PathBuf,
    exported: Vec<(String, String)>,
}

impl Operator<'_> {
    fn exported(&self) -> Vec<(&str, &str)> {
        self.exported.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn shell(&self, line: &str) -> Command {
        let exported = self.exported();
        let mut command = shell(self.env, &exported, line);
        command.current_dir(&self.folder);
        // The environment of `make run-service` has one address of the database.
        if !exported.iter().any(|(name, _)| *name == "DATABASE_URL_NON_POOLING") {
            command.env_remove("DATABASE_URL_NON_POOLING");
        }
        command
    }

    fn types(&mut self, line: &str) {
        match line.split_once('=').filter(|_| is_variable(line)) {
            Some((name, _)) => {
                let told = self.shell(&format!("export {line} && printenv {name}")).output().unwrap();
                assert_ok(&told);
                let value = String::from_utf8(told.stdout).unwrap().trim_end().to_owned();
                self.exported.push((name.to_owned(), value));
            }
            None => {
                let done = self.shell(line).output().unwrap();
                assert!(done.status.success(), "{line}: {}", stderr(&done));
            }
        }
    }

    /// Starts the service with the exported variables, and asks the gate when the service is among the replicas.
    async fn serves(&self) -> (Service, Report) {
        let service = self.env.serve(&self.exported()).await;
        let seen = eventually("the replica is seen", async || {
            let seen = read(&mut self.shell("innovation gate --strict --json"));
            if seen.verdict("replicas") == "ok" { Ok(seen) } else { Err(seen.body) }
        })
        .await;
        (service, seen)
    }
}

/// The services answer while a command blocks the test.
#[tokio::test(flavor = "multi_thread")]
async fn every_reason_of_a_fresh_service_goes_by_its_line() {
    let (env, other) = (TestEnv::with_database().await, TestEnv::with_database().await);
    let deployed =
        [("ENVIRONMENT", "staging"), ("ANALYST", "extractive"), ("BLOB_ALLOW_PRIVATE_NETWORK", "false")];
    let staging = other.serve(&[&deployed[..], &KEYS].concat()).await;
    // A checkout with a change that nobody has committed.
    let folder = env.folder.path().join("checkout");
    std::fs::create_dir(&folder).unwrap();
    git(&folder, "git init --quiet && git config user.name t && git config user.email t@example.com");
    git(&folder, "git commit --quiet --allow-empty --message first && echo more > change");
    // Nothing here knows them.
    let known = [
        ("STAGING_URL", format!("http://127.0.0.1:{}", staging.port)),
        ("OPERATOR_KEY", KEYS[1].1.to_owned()),
    ];
    let exported = known.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let mut operator = Operator { env: &env, folder, exported };
    let (mut service, mut seen) = operator.serves().await;
    let failed = seen.ids("fail");
    for id in ["configuration", "clean-tree", "tag", "backup", "staging-report", "rehearsal", "keys-required"]
    {
        assert!(failed.contains(&id), "{id}: {failed:?}");
    }
    // The first keys let a check ask for another one.
    for _ in 0..3 {
        let checks = seen.body["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] != "ok");
        for line in checks.flat_map(|check| check["next"].as_array().unwrap()) {
            operator.types(line.as_str().unwrap());
        }
        service.signal("TERM");
        assert_eq!(service.wait().await, Some(0));
        (service, seen) = operator.serves().await;
        if seen.code == Some(0) {
            break;
        }
    }
    assert_eq!(seen.code, Some(0), "{}", seen.body);
    let waivers = r#"SELECT count(*)::text FROM "innovation"."Waiver""#;
    assert_eq!(env.value(waivers).await, "0");
}

#[tokio::test]
async fn a_rehearsal_counts_for_thirty_days() {
    let env = TestEnv::with_database().await;
    env.query(
        r#"INSERT INTO "innovation"."Evidence" ("id", "kind", "at", "passed", "content")
           VALUES ('e', 'rehearsal', now() - interval '29 days', true, '{}')"#,
    )
    .await;
    let verdict = || report(&env, &[], "gate").verdict("rehearsal").to_owned();
    assert_eq!(verdict(), "ok");
    env.query(r#"UPDATE "innovation"."Evidence" SET "at" = now() - interval '31 days'"#).await;
    assert_eq!(verdict(), "fail");
}

#[tokio::test]
async fn a_tree_of_another_commit_is_left_by_its_line() {
    let env = TestEnv::files_only().await;
    let folder = env.folder.path();
    git(
        folder,
        "git init --quiet --initial-branch release && git config user.name t && git config user.email t@example.com",
    );
    git(folder, "echo '*' > .git/info/exclude && git commit --quiet --allow-empty --message released");
    let head = std::fs::read_to_string(folder.join(".git/refs/heads/release")).unwrap();
    git(folder, "git commit --quiet --allow-empty --message later");
    let released = [("RAILWAY_GIT_COMMIT_SHA", head.trim()), ("ENABLE_DATABASE_WRITES", "false")];
    let seen = report(&env, &released, "gate");
    assert_eq!(seen.verdict("clean-tree"), "fail", "{}", seen.check("clean-tree"));
    type_next(&env, &released, seen.check("clean-tree"));
    assert_eq!(report(&env, &released, "gate").verdict("clean-tree"), "ok");
}

fn git(folder: &Path, line: &str) {
    let done = Command::new("sh").current_dir(folder).args(["-c", line]).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}
