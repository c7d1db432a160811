//! The deployment scripts, with stand-ins of Railway's command and of `innovation`. They write down what they are called with.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use super::{
    hooks::{copy, write_program},
    printed,
};

/// Prints nothing, notes its arguments, and fails where a line of the file `failing` begins them.
const INNOVATION: &str = r#"echo "$*" >>"$FOLDER/called"
case "$*" in env*) cat >/dev/null ;; esac
while read -r start; do [[ "$*" != "$start"* ]] || exit 1; done <"$FOLDER/failing""#;

struct Platform {
    folder: tempfile::TempDir,
}

impl Platform {
    /// A platform that shows these deployments, one an enquiry; the last stays. Commands that begin with one of `failing` fail.
    fn new(deployments: &[&str], failing: &[&str]) -> Self {
        let platform = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["scripts/deploy-railway.sh", "scripts/emergency-deploy.sh"] {
            copy(name, platform.folder.path());
        }
        write_program(&platform.path("tests/validate-migration.sh"), "echo \"validated $1\"");
        let lines: Vec<_> = deployments
            .iter()
            .map(|deployment| match deployment.split_once(' ') {
                Some((id, status)) => format!(r#"[{{"id":"{id}","status":"{status}"}}]"#),
                None => "[]".to_owned(),
            })
            .collect();
        fs::write(platform.path("deployments"), lines.join("\n") + "\n").unwrap();
        fs::write(
            platform.path("failing"),
            failing.iter().map(|start| format!("{start}\n")).collect::<String>(),
        )
        .unwrap();
        let list = "head -n1 deployments; (($(wc -l <deployments) == 1)) || sed -i 1d deployments";
        let program = format!(
            "case $1 in up) echo \"$*\" | tee -a \"$FOLDER/called\" ;; variables) echo '{{}}' ;; deployment) cd \"$FOLDER\"; {list} ;; esac"
        );
        write_program(&platform.path("bin/railway"), &program);
        write_program(&platform.path("bin/innovation"), INNOVATION);
        write_program(&platform.path("bin/tests"), "echo tests >>\"$FOLDER/called\"");
        platform
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, wait_seconds: &str, script: &str) -> Output {
        Command::new("bash")
            .args(["-c", &format!(r#"PATH="$FOLDER/bin:$PATH" exec "$FOLDER/scripts/"{script}"#)])
            .env("FOLDER", self.folder.path())
            .env("SERVICE_URL", "https://service.example/")
            .env("SMOKE_KEY", "hush")
            .env("DEPLOY_TESTS", "tests")
            .env("DEPLOY_POLL_SECONDS", "0")
            .env("DEPLOY_HEALTH_PAUSE", "0")
            .env("DEPLOY_WAIT_SECONDS", wait_seconds)
            .output()
            .unwrap()
    }

    /// The first two words of all that was called, in order.
    fn called(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("called")).unwrap_or_default();
        text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("called")).unwrap_or_default()
    }
}

/// Deploys to staging, within as long as a busy machine takes for a few enquiries.
#[track_caller]
fn deploy(deployments: &[&str], failing: &[&str], code: i32) -> (Platform, String) {
    let platform = Platform::new(deployments, failing);
    let output = platform.run("60", "deploy-railway.sh staging");
    assert_eq!(output.status.code(), Some(code), "{}", printed(&output));
    (platform, printed(&output))
}

#[test]
fn a_deployment_is_checked_at_every_step() {
    let deployments = ["a SUCCESS", "a SUCCESS", "b BUILDING", "b DEPLOYING", "b SUCCESS"];
    let (platform, said) = deploy(&deployments, &[], 0);
    let steps = [
        "env check",
        "tests",
        "up --ci",
        "healthcheck --url",
        "smoke https://service.example",
        "deploy record",
    ];
    assert_eq!(platform.called(), steps);
    assert!(said.contains("validated https://service.example\n"), "{said}");
    assert!(platform.calls().contains("record --id b --status success"), "{}", platform.calls());
    assert!(!said.contains("hush") && !platform.calls().contains("hush"), "the key is shown");
    deploy(&["", "b SUCCESS"], &[], 0);
}

#[test]
fn wrong_variables_deploy_nothing() {
    let (platform, _) = deploy(&["a SUCCESS"], &["env check"], 1);
    assert_eq!(platform.called(), ["env check"]);
}

#[test]
fn a_failed_deployment_fails_without_rollback() {
    let (platform, said) = deploy(&["a SUCCESS", "b BUILDING", "b FAILED"], &[], 1);
    assert!(said.contains("railway logs b"), "{said}");
    assert_eq!(platform.called().last().unwrap(), "deploy record", "the previous one still serves");
    assert!(platform.calls().contains("record --id b --status failed"));
}

#[test]
fn a_bad_deployment_is_rolled_back() {
    for failing in ["healthcheck", "smoke"] {
        let (platform, said) = deploy(&["a SUCCESS", "b SUCCESS"], &[failing], 1);
        let called = platform.called();
        assert_eq!(called[called.len() - 2..], ["deploy record", "deploy rollback"], "{failing}: {said}");
        let attempts = called.iter().filter(|call| call.starts_with("healthcheck")).count();
        assert_eq!(attempts, if failing == "healthcheck" { 10 } else { 1 });
    }
}

#[test]
fn an_endless_deployment_is_given_up() {
    let platform = Platform::new(&["a SUCCESS", "b DEPLOYING"], &[]);
    let output = platform.run("1", "deploy-railway.sh staging");
    assert_eq!(output.status.code(), Some(3), "{}", printed(&output));
}

#[test]
fn an_emergency_skips_the_tests_alone() {
    let platform = Platform::new(&["a SUCCESS", "b SUCCESS"], &[]);
    let output = platform.run("60", "emergency-deploy.sh production 'the login is down'");
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let called = platform.called();
    assert!(
        !called.contains(&"tests".to_owned()) && called.contains(&"smoke https://service.example".to_owned())
    );
    assert!(platform.calls().contains("env check --file - --production"));
    assert!(platform.calls().contains("the login is down"), "the record says why: {}", platform.calls());
    let without = platform.run("60", "emergency-deploy.sh production");
    assert_eq!(without.status.code(), Some(64));
}
