//! What whole-system tests share: the real binary in a folder of its own, with an environment of its own.

pub(crate) mod blob;
pub(crate) mod hostile;
pub(crate) mod openrouter;
pub(crate) mod postgres;
pub(crate) mod prisma;
pub(crate) mod proxy;
pub(crate) mod service;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A sample document of the repository.
pub(crate) fn sample(name: &str) -> PathBuf {
    root().join("data/samples").join(name)
}

/// `innovation` with nothing of this machine's environment, using the repository's brands.
pub(crate) fn innovation(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_innovation"));
    command.env_clear().env("APP_BASE_DIR", root()).args(arguments);
    command
}

/// A run named `r1` that keeps its results in a temporary folder.
pub(crate) struct Run {
    pub(crate) out: tempfile::TempDir,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self { out: tempfile::tempdir().unwrap() }
    }

    /// `innovation run SOURCE --brand BRAND --run-id r1 --out …` and what else is given.
    pub(crate) fn command(&self, source: &Path, brand: &str, more: &[&str]) -> Command {
        let mut command = innovation(&["run"]);
        command
            .arg(source)
            .args(["--brand", brand, "--run-id", "r1", "--out"])
            .arg(self.out.path())
            .args(more);
        command
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.out.path().join("r1")
    }

    /// A JSON file below the run's folder.
    pub(crate) fn json(&self, name: &str) -> Value {
        let path = self.folder().join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&bytes).unwrap()
    }

    pub(crate) fn report(&self) -> String {
        std::fs::read_to_string(self.folder().join("report.md")).unwrap()
    }
}

/// The record files of the four stages.
pub(crate) const STAGE_FILES: [&str; 4] =
    ["stage1/inspirations.json", "stage2/trends.json", "stage3/lessons.json", "stage4/context.json"];

/// What a command wrote to stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that a command succeeded, and shows what it said if not.
#[track_caller]
pub(crate) fn assert_ok(output: &Output) {
    assert!(output.status.success(), "{:?}\n{}", output.status, stderr(output));
}
