//! The container image: it cannot be built in a test, but what it will hold can be laid out in a folder, by the script
//! that the `Dockerfile` uses, and started from there as the image's user.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{assert_ok, innovation, ports::free_port, root, sample, script, service::Service};

fn dockerfile() -> String {
    std::fs::read_to_string(root().join("Dockerfile")).unwrap()
}

/// The image's files, laid out in a folder that any user can look into.
pub(super) struct Staged {
    folder: tempfile::TempDir,
}

impl Staged {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let staged = Self { folder };
        assert_ok(&staged.script().output().unwrap());
        staged
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self) -> Command {
        let mut command = script(&root().join("scripts/stage-image.sh"));
        command.arg(self.folder.path()).arg(env!("CARGO_BIN_EXE_innovation"));
        command
    }

    /// A command from there, as the image's user.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.script();
        command.arg("--").args(words);
        command
    }
}

/// The numbers of the user that a process runs as.
fn user_of(pid: u32) -> u32 {
    std::fs::metadata(format!("/proc/{pid}")).unwrap().uid()
}

fn expected_user() -> u32 {
    let own = user_of(std::process::id());
    if own == 0 { 10_001 } else { own }
}

#[tokio::test]
async fn the_image_serves_unprivileged_and_writes_results_only() {
    let staged = Staged::new();
    let port = free_port();
    let mut command = staged.command(&["innovation", "serve"]);
    // As on Railway, with a database that is away.
    command
        .env("RAILWAY_ENVIRONMENT", "production")
        .env("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "30")
        .env("SINGLE_REPLICA", "true")
        .env("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
        .env("BACKEND_API_KEYS", "0123456789abcdef")
        .env("PORT", port.to_string());
    let mut service = Service::start(command, port, staged.folder.path()).await;
    assert_eq!(user_of(service.id()), expected_user());
    let (status, health) = service.get("/health").await.unwrap();
    assert_eq!(status, 200, "Railway waits for exactly this: {health}");
    assert_eq!((&health["environment"], &health["status"]), (&"production".into(), &"degraded".into()));
    let (status, brands) = service.get("/brands").await.unwrap();
    assert!(status == 200 && brands.to_string().contains("lactalis-canada"), "{brands}");

    let check =
        staged.command(&["innovation", "healthcheck"]).env("PORT", port.to_string()).output().unwrap();
    assert_ok(&check);
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));

    // Nothing but the results belongs to the user.
    for name in ["usr/local/bin/innovation", "app", "app/data", "app/data/brand-profiles"] {
        let metadata = std::fs::metadata(staged.path(name)).unwrap();
        assert_eq!(metadata.mode() & 0o022, 0, "{name} can be written to by others");
        assert_ne!(metadata.uid(), 10_001, "{name}");
    }
    assert_eq!(std::fs::metadata(staged.path("app/data/test-outputs")).unwrap().uid(), expected_user());
}

#[test]
fn the_staged_image_runs_the_whole_pipeline() {
    let staged = Staged::new();
    std::fs::copy(sample("spotted-innovation.md"), staged.path("document.md")).unwrap();
    let document = staged.path("document.md");
    let words =
        ["innovation", "run", document.to_str().unwrap(), "--brand", "lactalis-canada", "--run-id", "staged"];
    assert_ok(&staged.command(&words).stdin(Stdio::null()).output().unwrap());
    let report = staged.path("app/data/test-outputs/staged/report.md");
    assert!(std::fs::read_to_string(&report).unwrap().starts_with("# Opportunities for Lactalis"));
    assert_eq!(std::fs::metadata(&report).unwrap().uid(), expected_user());
}

#[test]
fn the_dockerfile_matches_its_sources() {
    let dockerfile = dockerfile();
    let says = |line: &str| assert!(dockerfile.contains(line), "the Dockerfile does not say {line:?}");
    let toolchain = std::fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let version =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    says(&format!("FROM rust:{version}-slim-trixie AS build\n"));
    says("FROM debian:trixie-slim\n");
    says("\nUSER 10001:10001\n");
    let script = std::fs::read_to_string(root().join("scripts/stage-image.sh")).unwrap();
    assert!(script.contains("\nuser=10001\n"));
    says("CMD [\"innovation\", \"healthcheck\"]\n");
    says("CMD [\"innovation\", \"serve\"]\n");
    assert_ok(&innovation(&["healthcheck", "--help"]).output().unwrap());
    assert!(
        !dockerfile.contains("SECRET") && !dockerfile.contains("_KEY"),
        "an image's layers keep no secret"
    );
}

/// The packages that the image installs, with these arguments of its build.
fn installed(arguments: &[(&str, &str)]) -> Vec<String> {
    let dockerfile = dockerfile();
    let (_, image) = dockerfile.rsplit_once("\nFROM ").unwrap();
    let (_, step) = image.split_once("\nRUN if ").unwrap();
    let step = step.split("\n").take_while(|line| !line.trim().is_empty());
    let lines: Vec<&str> = step
        .scan(true, |goes_on, line| std::mem::replace(goes_on, line.ends_with('\\')).then_some(line))
        .collect();
    // The commands that the step calls only say so.
    let commands = tempfile::tempdir().unwrap();
    for name in ["apt-get", "rm"] {
        let command = commands.path().join(name);
        std::fs::write(&command, format!("#!/bin/sh\necho {name} \"$@\"\n")).unwrap();
        std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new("/bin/sh")
        .args(["-c", &format!("if {}", lines.join("\n"))])
        .env_clear()
        .env("PATH", commands.path())
        .envs(arguments.iter().copied())
        .output()
        .unwrap();
    assert_ok(&output);
    let said = String::from_utf8(output.stdout).unwrap();
    let install = said.lines().find_map(|line| line.strip_prefix("apt-get install ")).unwrap_or_default();
    install.split(' ').filter(|word| !word.is_empty() && !word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn the_image_installs_ocr_on_request() {
    for without in [&[][..], &[("WITH_OCR", "")], &[("WITH_OCR", "0")]] {
        assert_eq!(installed(without), Vec::<String>::new(), "{without:?}");
    }
    assert_eq!(installed(&[("WITH_OCR", "1")]), ["tesseract-ocr", "tesseract-ocr-eng"]);
    let languages = [("WITH_OCR", "1"), ("OCR_PACKAGES", "tesseract-ocr-deu tesseract-ocr-fra")];
    assert_eq!(
        installed(&languages),
        ["tesseract-ocr", "tesseract-ocr-eng", "tesseract-ocr-deu", "tesseract-ocr-fra"]
    );
}

#[test]
fn the_dockerfile_copies_every_member() {
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    assert!(members.len() > 1);
    let dockerfile = dockerfile();
    for member in members {
        let copies = |what: String| assert!(dockerfile.contains(&what), "the Dockerfile lacks {what:?}");
        copies(format!("COPY {member}/Cargo.toml {member}/\n"));
        copies(format!("COPY {member}/src {member}/src\n"));
    }
}

#[test]
fn everything_the_dockerfile_copies_exists() {
    let ignore = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    let kept: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignore.lines().any(|line| line == "*"), "all else is ignored");
    for name in &kept {
        assert!(root().join(name).exists(), ".dockerignore names {name}, which is not there");
        assert!(!name.contains(".env") || *name == ".env.example", "{name}");
    }
    let dockerfile = dockerfile();
    let copied = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--"));
    for line in copied {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.pop();
        for source in words {
            let is_kept =
                |name: &&str| Path::new(name).starts_with(source) || Path::new(source).starts_with(name);
            assert!(kept.iter().any(is_kept), "COPY {source}: it is ignored");
        }
    }
}
