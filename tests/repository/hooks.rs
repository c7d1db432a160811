//! The git hooks, in a repository of their own: real git and rustfmt, and a cargo that only writes down its arguments.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::printed;
use crate::support::root;

/// A program of a few lines.
pub(super) fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/usr/bin/env bash\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A copy of a file of the repository, with its permissions.
pub(super) fn copy(name: &str, to: &Path) {
    let target = to.join(name);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::copy(root().join(name), target).unwrap();
}

/// A git repository with this project's hooks, and one commit.
struct Clone {
    folder: tempfile::TempDir,
}

impl Clone {
    fn new() -> Self {
        let clone = Self { folder: tempfile::tempdir().unwrap() };
        for name in [
            "Makefile",
            "rustfmt.toml",
            ".env.example",
            ".githooks/pre-commit",
            ".githooks/pre-push",
            ".githooks/affected",
            "scripts/find-secrets.sh",
            "backend/src/flags/definitions.rs",
        ] {
            copy(name, &clone.path("work"));
        }
        for entry in fs::read_dir(root().join("backend/src/config")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            copy(&format!("backend/src/config/{name}"), &clone.path("work"));
        }
        write_program(
            &clone.path("bin/cargo"),
            &format!("echo \"$*\" >> {}", clone.path("cargo.log").display()),
        );
        clone.run_ok(
            "git init --quiet --initial-branch=main && git config user.name t && git config user.email t@t",
        );
        clone.run_ok("git add . && git commit --quiet --message first && make hooks");
        clone
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs shell commands in the repository.
    fn run(&self, commands: &str) -> Output {
        // A hook may run this test itself: git's own variables would then lead to the wrong repository.
        let own = r#"unset $(git rev-parse --local-env-vars); PATH="$BIN:$PATH"; "#;
        let mut command = Command::new("bash");
        command.current_dir(self.path("work")).env("BIN", self.path("bin"));
        command.arg("-c").arg(format!("{own}{commands}")).output().unwrap()
    }

    #[track_caller]
    fn run_ok(&self, commands: &str) {
        let output = self.run(commands);
        assert!(output.status.success(), "{commands}: {}", printed(&output));
    }

    /// Stages one file and commits.
    fn commit(&self, name: &str, text: &str) -> Output {
        let path = self.path("work").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.run(&format!("git add {name} && git commit --quiet --message change"))
    }

    #[track_caller]
    fn assert_refused(&self, name: &str, text: &str, printed_text: &str) {
        let output = self.commit(name, text);
        assert!(!output.status.success() && printed(&output).contains(printed_text), "{}", printed(&output));
        self.run_ok(&format!("git rm --quiet --force --cached {name}"));
    }

    /// The arguments of each call of cargo.
    fn cargo_calls(&self) -> String {
        fs::read_to_string(self.path("cargo.log")).unwrap_or_default()
    }
}

#[test]
fn a_staged_secret_is_refused() {
    let clone = Clone::new();
    // In two parts, so that this file does not look like one that holds a secret.
    let key = format!("{}{}", "sk-or-v1-", "0123456789abcdef".repeat(4));
    clone.assert_refused("notes.txt", &format!("first\nkey={key}\n"), "notes.txt:2");
    clone.assert_refused(".env", "A=1\n", ".env  is a file for secrets");
    let output = clone.commit("notes.txt", &format!("key={key} not-a-secret\n"));
    assert!(output.status.success(), "{}", printed(&output));
}

#[test]
fn an_unformatted_file_is_refused() {
    let clone = Clone::new();
    clone.assert_refused("src/main.rs", "fn main( ) { }\n", "src/main.rs is not formatted");
    assert_eq!(clone.cargo_calls(), "", "lints of a refused commit");
    // The index counts, not the working tree.
    fs::write(clone.path("work/src/main.rs"), "fn main( ) { }\n").unwrap();
    clone.run_ok("git add src && printf 'fn main() {}\\n' > src/main.rs");
    assert!(!clone.run("git commit --quiet --message change").status.success());
    clone.run_ok("git add src && git commit --quiet --message change");
    assert!(clone.cargo_calls().starts_with("clippy "), "{}", clone.cargo_calls());
}

#[test]
fn an_undocumented_variable_is_refused() {
    let clone = Clone::new();
    let name = "backend/src/config/more.rs";
    clone.assert_refused(name, "const NAME: &str = \"NEW_SETTING\";\n", "< NEW_SETTING");
    let example = fs::read_to_string(root().join(".env.example")).unwrap();
    clone.assert_refused(".env.example", &format!("{example}OLD_SETTING=\n"), "> OLD_SETTING");
    fs::remove_file(clone.path("work").join(name)).unwrap();
    let output = clone.commit(".env.example", &format!("{example}# more\n"));
    assert!(output.status.success(), "{}", printed(&output));
}

#[test]
fn a_push_runs_tests_of_changed_parts() {
    let clone = Clone::new();
    clone.run_ok("git init --quiet --bare ../remote && git remote add origin ../remote && git push --quiet origin main");
    clone.run_ok(": > ../cargo.log");
    assert!(clone.commit("prisma/schema.prisma", "// changed\n").status.success());
    clone.run_ok("git push --quiet origin main");
    let calls = clone.cargo_calls();
    for part in ["check ", "nextest run ", "deployment::env_example", "openapi::client", "migrations"] {
        assert!(calls.contains(part), "{part}: {calls}");
    }
    assert!(!calls.contains("openrouter"), "{calls}");

    write_program(&clone.path("bin/cargo"), "exit 1");
    assert!(clone.commit("notes.txt", "more\n").status.success());
    assert!(!clone.run("git push --quiet origin main").status.success());
}

#[test]
fn affected_tests_name_modules_that_exist() {
    let text = fs::read_to_string(root().join(".githooks/affected")).unwrap();
    let binary = fs::read_to_string(root().join("tests/main.rs")).unwrap();
    let mut names = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let filters = line.split("test(/^").skip(1).filter_map(|filter| filter.split_once("::/)"));
        for name in filters.flat_map(|(names, _)| names.trim_matches(['(', ')']).split('|')) {
            assert!(binary.contains(&format!("mod {name};")), "tests/main.rs has no {name}");
            names += 1;
        }
    }
    assert!(names > 10, "the search for names has become blind: {names}");
}
