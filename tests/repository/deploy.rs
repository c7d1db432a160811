//! The deployment script, with a fake of Railway's command.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use super::{
    hooks::{copy, write_program},
    printed,
};

struct Platform {
    folder: tempfile::TempDir,
}

impl Platform {
    /// A platform that shows these deployments, one an enquiry; the last stays.
    fn new(deployments: &[&str]) -> Self {
        let platform = Self { folder: tempfile::tempdir().unwrap() };
        copy("scripts/deploy-railway.sh", platform.folder.path());
        write_program(&platform.path("tests/validate-migration.sh"), "echo \"validated $1\"");
        let lines: Vec<_> = deployments
            .iter()
            .map(|deployment| match deployment.split_once(' ') {
                Some((id, status)) => format!(r#"[{{"id":"{id}","status":"{status}"}}]"#),
                None => "[]".to_owned(),
            })
            .collect();
        fs::write(platform.path("deployments"), lines.join("\n") + "\n").unwrap();
        let list = "head -n1 deployments; (($(wc -l <deployments) == 1)) || sed -i 1d deployments";
        let program = format!("case $1 in up) echo \"$*\" ;; deployment) cd \"$FOLDER\"; {list} ;; esac");
        write_program(&platform.path("bin/railway"), &program);
        platform
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn deploy(&self, wait_seconds: &str) -> Output {
        Command::new("bash")
            .args(["-c", r#"PATH="$FOLDER/bin:$PATH" exec "$FOLDER/scripts/deploy-railway.sh" staging"#])
            .env("FOLDER", self.folder.path())
            .env("SERVICE_URL", "https://service.example")
            .env("DEPLOY_POLL_SECONDS", "0")
            .env("DEPLOY_WAIT_SECONDS", wait_seconds)
            .output()
            .unwrap()
    }
}

#[track_caller]
fn assert_deploy(deployments: &[&str], code: i32, text: &str) {
    // As long as a busy machine takes for a few enquiries.
    assert_deploy_within("60", deployments, code, text);
}

#[track_caller]
fn assert_deploy_within(wait_seconds: &str, deployments: &[&str], code: i32, text: &str) {
    let output = Platform::new(deployments).deploy(wait_seconds);
    assert_eq!(output.status.code(), Some(code), "{}", printed(&output));
    assert!(printed(&output).contains(text), "{}", printed(&output));
}

#[test]
fn a_deployment_is_awaited_then_validated() {
    let deployments = ["a SUCCESS", "a SUCCESS", "b BUILDING", "b DEPLOYING", "b SUCCESS"];
    assert_deploy(&deployments, 0, "validated https://service.example");
    assert_deploy(&["", "b SUCCESS"], 0, "up --ci --environment staging --service backend");
}

#[test]
fn a_failed_deployment_fails() {
    assert_deploy(&["a SUCCESS", "b BUILDING", "b FAILED"], 1, "railway logs b");
}

#[test]
fn an_endless_deployment_is_given_up() {
    assert_deploy_within("1", &["a SUCCESS", "b DEPLOYING"], 3, "still DEPLOYING");
}
