//! The real Prisma CLI and client, installed by `scripts/setup.sh`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{assert_ok, root, stderr};

/// The Node package that has them.
fn package() -> PathBuf {
    root().join("tests/support/prisma")
}

/// A folder with a schema and migrations, on one database.
pub(crate) struct Prisma {
    url: String,
    folder: PathBuf,
    // Below the package, or what is generated there would not find the client's runtime.
    _copy: Option<TempDir>,
}

impl Prisma {
    /// The repository's own schema and migrations.
    pub(crate) fn of_repository(url: &str) -> Self {
        Self { url: url.to_owned(), folder: root().join("prisma"), _copy: None }
    }

    /// A copy with the first so many migrations, to change and to generate in.
    pub(crate) fn copy(url: &str, count: usize) -> Self {
        let work = package().join(".work");
        std::fs::create_dir_all(&work).unwrap();
        let copy = tempfile::tempdir_in(work).unwrap();
        let folder = copy.path().join("prisma");
        let ours = root().join("prisma");
        std::fs::create_dir_all(folder.join("migrations")).unwrap();
        for name in ["schema.prisma", "migrations/migration_lock.toml"] {
            std::fs::copy(ours.join(name), folder.join(name)).unwrap();
        }
        let prisma = Self { url: url.to_owned(), folder, _copy: Some(copy) };
        for name in migration_names().iter().take(count) {
            let script = std::fs::read_to_string(ours.join("migrations").join(name).join("migration.sql"));
            prisma.add_migration(name, &script.unwrap());
        }
        prisma
    }

    /// The schema of the previous release in place of this one's: its client is the one that the frontend still runs while
    /// this release migrates the database.
    pub(crate) fn with_previous_schema(self) -> Self {
        let previous = root().join("tests/fixtures/previous-release/schema.prisma");
        std::fs::copy(previous, self.folder.join("schema.prisma")).unwrap();
        self
    }

    pub(crate) fn add_migration(&self, name: &str, sql: &str) {
        let folder = self.folder.join("migrations").join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("migration.sql"), sql).unwrap();
    }

    /// `prisma ARGUMENTS…`; everything that it says.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let cli = package().join("node_modules/prisma/build/index.js");
        assert!(cli.exists(), "the Prisma CLI is not installed: run `make setup`");
        let output = self.node().arg(cli).args(arguments).output().unwrap();
        Said::new(&output)
    }

    /// Generates the client and runs a script of `tests/support/prisma/` with it; the answer is what it prints.
    pub(crate) fn client(&self, script: &str, argument: &str) -> Value {
        let generated = self.run(&["generate"]);
        assert!(generated.ok, "{}", generated.text);
        let output = self
            .node()
            .args(["--import", "tsx"])
            .arg(package().join(script))
            .arg(self.folder.parent().unwrap().join("generated/prisma/client.ts"))
            .arg(argument)
            .output()
            .unwrap();
        assert_ok(&output);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn node(&self) -> Command {
        let mut node = Command::new("node");
        node.current_dir(package())
            .env("DATABASE_URL", &self.url)
            .env("PRISMA_FOLDER", &self.folder)
            .env("PRISMA_SCHEMA_ENGINE_BINARY", package().join("schema-engine-shim.mjs"))
            .env("PRISMA_HIDE_UPDATE_MESSAGE", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env("NO_COLOR", "1");
        node
    }
}

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn new(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(output);
        Self { ok: output.status.success(), text }
    }

    /// Asserts how it ended and that it said something.
    #[track_caller]
    pub(crate) fn assert(&self, ok: bool, said: &str) {
        assert!(
            self.ok == ok && self.text.contains(said),
            "expected {said:?}, ok: {ok}; got {}: {}",
            self.ok,
            self.text
        );
    }
}

/// The repository's migrations, in order.
pub(crate) fn migration_names() -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(&root()).join("prisma/migrations")).unwrap();
    let folders = entries.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
