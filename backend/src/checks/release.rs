//! The release: a clean tree, with a tag, of the commit that runs, and dependencies without known vulnerabilities.

use std::{
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
};

/// `git status` of a large tree, or `cargo deny` without the network, takes a second. The check itself has five.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(4);

const OUTSIDE: &str = "this folder is no git repository, or git is not installed";
const GO: &str = "cd REPOSITORY && innovation gate --strict";

/// The output of a program in a folder. None if it cannot be started, or takes too long.
async fn run(program: &str, folder: &Path, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(COMMAND_TIMEOUT, command.output()).await.ok()?.ok()
}

/// The output of a git command. None if it fails.
async fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = run("git", folder, arguments).await?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(super) fn clean_tree(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("clean-tree", "The release is a commit, without local changes", Severity::Major, move || {
        let deps = deps.clone();
        async move {
            let ours = deps.identity.git_sha.as_str();
            let Some(status) = git(&deps.folder, &["status", "--porcelain"]).await else {
                // The platform builds an image from a commit, so nothing is uncommitted in it.
                return if ours == "unknown" {
                    Finding::could_not_check(OUTSIDE).next(GO)
                } else {
                    Finding::ok(format!("this image was built from commit {ours}"))
                };
            };
            let changed: Vec<&str> = status.lines().collect();
            if !changed.is_empty() {
                return Finding::fail(format!("{} files have changes that are not committed", changed.len()))
                    .with(json!({ "files": changed.iter().take(20).collect::<Vec<_>>() }))
                    .next(format!(
                        "git add --all && git commit --message 'Prepare release {}'",
                        deps.identity.version
                    ));
            }
            let head = git(&deps.folder, &["rev-parse", "HEAD"]).await.unwrap_or_default();
            if ours != "unknown" && !head.starts_with(ours) && !ours.starts_with(&head) {
                return Finding::fail(format!(
                    "the tree is at {head}, and this program was built from {ours}"
                ))
                .next(format!("git checkout {ours}"));
            }
            Finding::ok(format!("the tree is clean at {head}"))
        }
    })
}

pub(super) fn tag(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("tag", "The release has a tag", Severity::Minor, move || {
        let deps = deps.clone();
        async move {
            let Some(tags) = git(&deps.folder, &["tag", "--points-at", "HEAD"]).await else {
                return Finding::could_not_check(OUTSIDE).next(GO);
            };
            match tags.lines().next() {
                Some(tag) => Finding::ok(format!("the commit has the tag {tag}")),
                None => Finding::fail("the commit has no tag")
                    .next(format!("git tag -a v{} -m 'Release {0}'", deps.identity.version)),
            }
        }
    })
}

/// A line of `cargo deny --format json` that matters here: <https://embarkstudios.github.io/cargo-deny/cli/common.html>.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "fields", rename_all = "snake_case")]
enum DenyLine {
    Diagnostic {
        severity: String,
        message: String,
        advisory: Option<Advisory>,
    },
    /// The last line of a check that came to its end.
    Summary {},
}

#[derive(Debug, Deserialize)]
struct Advisory {
    id: String,
    package: String,
}

/// The advisories that concern a dependency, by the database that lies on this machine. None if they cannot be told.
async fn advisories(folder: &Path) -> Option<Vec<(Advisory, String)>> {
    let arguments = ["deny", "--format", "json", "check", "--disable-fetch", "advisories"];
    let output = run("cargo", folder, &arguments).await?;
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<DenyLine> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    lines.iter().any(|line| matches!(line, DenyLine::Summary {})).then_some(())?;
    let found = lines.into_iter().filter_map(|line| match line {
        DenyLine::Diagnostic { severity, message, advisory: Some(advisory) } if severity == "error" => {
            Some((advisory, message))
        }
        DenyLine::Diagnostic { .. } | DenyLine::Summary {} => None,
    });
    Some(found.collect())
}

pub(super) fn dependencies(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("dependencies", "No dependency has a known vulnerability", Severity::Major, move || {
        let deps = deps.clone();
        async move {
            let Some(found) = advisories(&deps.folder).await else {
                let what = "this folder has no Cargo.lock, or this machine has no cargo deny with its advisory database";
                return Finding::could_not_check(what).next("make advisories");
            };
            if found.is_empty() {
                return Finding::ok("cargo deny knows no advisory against a dependency");
            }
            let told: Vec<String> = found
                .iter()
                .map(|(Advisory { id, package }, what)| format!("{package}: {id}, {what}"))
                .collect();
            let mut packages: Vec<&str> =
                found.iter().map(|(advisory, _)| advisory.package.as_str()).collect();
            packages.sort_unstable();
            packages.dedup();
            Finding::fail(told.join("; ")).next(format!("cargo update {}", packages.join(" ")))
        }
    })
}
