//! The release: a clean tree, with a tag, of the commit that runs.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::json;
use tokio::process::Command;

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
};

/// `git status` of a large tree takes a second. The check itself has five.
const GIT_TIMEOUT: Duration = Duration::from_secs(4);

const OUTSIDE: &str = "this folder is no git repository, or git is not installed";
const GO: &str = "cd REPOSITORY && innovation gate --strict";

/// The output of a git command. None if it fails.
async fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(GIT_TIMEOUT, command.output()).await.ok()?.ok()?;
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
                    .next("git add --all && git commit");
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
