//! Shared by the whole-system tests: the real binary, with a folder and an environment of its own.

pub(crate) mod agreement;
pub(crate) mod blob;
pub(crate) mod collector;
pub(crate) mod distinct;
pub(crate) mod frontend;
pub(crate) mod golden;
pub(crate) mod hostile;
pub(crate) mod log;
pub(crate) mod modules;
pub(crate) mod openrouter;
pub(crate) mod origin;
pub(crate) mod pgbouncer;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod prisma;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod railway_api;
pub(crate) mod receiver;
pub(crate) mod s3;
pub(crate) mod scans;
pub(crate) mod server_thread;
pub(crate) mod service;
pub(crate) mod tls;
pub(crate) mod wait;

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
        read_json(&self.folder().join(name))
    }

    pub(crate) fn manifest(&self) -> Value {
        read_manifest(&self.folder())
    }

    pub(crate) fn report(&self) -> String {
        std::fs::read_to_string(self.folder().join("report.md")).unwrap()
    }
}

/// A JSON file.
pub(crate) fn read_json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The manifest in a run's folder.
pub(crate) fn read_manifest(run_folder: &Path) -> Value {
    read_json(&run_folder.join("run.json"))
}

/// The record files of the four stages.
pub(crate) const STAGE_FILES: [&str; 4] =
    ["stage1/inspirations.json", "stage2/trends.json", "stage3/lessons.json", "stage4/context.json"];

/// A script with the binary first on its path, and nothing else of this machine's environment.
pub(crate) fn script(path: &Path) -> Command {
    // Where this machine keeps its programs is the one thing that a script cannot do without.
    #[allow(clippy::disallowed_methods)]
    let programs = std::env::var("PATH").unwrap();
    let ours = Path::new(env!("CARGO_BIN_EXE_innovation")).parent().unwrap();
    let mut command = Command::new(path);
    command.env_clear().env("PATH", format!("{}:{programs}", ours.display()));
    command
}

/// The stderr of a command.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that a command succeeded; a failure shows its stderr.
#[track_caller]
pub(crate) fn assert_ok(output: &Output) {
    assert!(output.status.success(), "{:?}\n{}", output.status, stderr(output));
}

/// Lines of code with their numbers, without comments and without items for tests.
pub(crate) fn code_lines(text: &str) -> Vec<(usize, &str)> {
    let mut skipped = TestItem::None;
    let mut code = Vec::new();
    for (index, line) in text.lines().enumerate() {
        skipped = match skipped {
            TestItem::None if line.starts_with("#[cfg(test)]") => TestItem::Head,
            TestItem::None => {
                if !line.trim_start().starts_with("//") {
                    code.push((index + 1, line));
                }
                TestItem::None
            }
            TestItem::Head if line.ends_with('{') => TestItem::Body,
            TestItem::Head if line.ends_with(';') => TestItem::None,
            TestItem::Body if line.starts_with('}') => TestItem::None,
            other => other,
        };
    }
    code
}

/// The place of a line in an item for tests.
enum TestItem {
    None,
    Head,
    Body,
}

/// The files of code below a folder, without those that hold tests alone.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            // Unit tests in files of their own may use what they test with.
            && !path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains("test"))
        {
            files.push(path);
        }
    }
    files
}
