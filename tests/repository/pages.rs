//! The pages for contributors: every file that they name is there.

use std::{collections::BTreeSet, fs, path::PathBuf};

use crate::support::root;

/// The folders whose files the pages name. `docs/` is left to its links.
const FOLDERS: [&str; 11] = [
    ".github/",
    ".githooks/",
    ".railway/",
    "backend/",
    "clients/",
    "data/",
    "fuzz/",
    "pipeline/",
    "prisma/",
    "scripts/",
    "tests/",
];

fn pages() -> Vec<PathBuf> {
    let contributing =
        fs::read_dir(root().join("docs/contributing")).unwrap().map(|entry| entry.unwrap().path());
    let top = ["CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name));
    contributing.chain(top).collect()
}

/// The words in backticks, outside of blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_named_file_exists() {
    let mut names = BTreeSet::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for name in quoted(&text) {
            let is_pattern = name.contains(|c: char| c.is_whitespace() || c == '*') || has_placeholder(name);
            if is_pattern || !FOLDERS.iter().any(|folder| name.starts_with(folder)) {
                continue;
            }
            assert!(root().join(name).exists(), "{} names {name}", page.display());
            names.insert(name.to_owned());
        }
    }
    assert!(names.len() > 40, "the search for names has become blind: {names:?}");
}

/// Whether a part of a path stands for a name to choose: `NAME.rs`, `ID.yaml`.
fn has_placeholder(path: &str) -> bool {
    let stem = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
    ["NAME", "ID", "SECTION"].contains(&stem)
}

#[test]
fn every_link_leads_to_a_file() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
        {
            if target.starts_with("https://") {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{} links to {target}", page.display());
        }
    }
}
