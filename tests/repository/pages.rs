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

/// All pages below `docs/`, as one text.
fn manual() -> String {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn the_manual_names_every_setting() {
    let manual = manual();
    let names: BTreeSet<&str> = quoted(&manual).into_iter().collect();
    let example = fs::read_to_string(root().join(".env.example")).unwrap();
    let settings =
        example.lines().filter(|line| !line.starts_with("# ")).filter_map(|line| line.split_once('='));
    // The platform sets its own variables, nobody else.
    let ours =
        settings.map(|(name, _)| name.trim_start_matches('#')).filter(|name| !name.starts_with("RAILWAY_"));
    let missing: Vec<_> = ours.filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "no page below docs/ names {missing:?}");
}

#[test]
fn the_errors_page_names_every_code() {
    let page = fs::read_to_string(root().join("docs/ERRORS.md")).unwrap();
    let of_runs = fs::read_to_string(root().join("pipeline/src/failure.rs")).unwrap();
    let of_runs = of_runs.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> \""));
    let of_runs: Vec<_> =
        of_runs.filter_map(|(_, code)| code.split_once('"')).map(|(code, _)| code).collect();
    assert!(of_runs.len() > 10, "the search for codes has become blind: {of_runs:?}");
    for code in backend::http::codes::ALL.iter().map(|code| code.name).chain(of_runs) {
        assert!(page.contains(&format!("`{code}`")), "docs/ERRORS.md does not name {code}");
    }
}
