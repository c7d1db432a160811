//! No file uses another that uses it: the imports of each crate form no circle.

use std::collections::BTreeSet;

use super::name_of;
use crate::support::{modules::ModuleGraph, root};

/// The crates of the workspace, by the folders of their roots.
const CRATES: &[&str] = &["pipeline/src", "backend/foundation/src", "backend/storage/src", "backend/src"];

/// The circles of imports that are still there. Each circle that the test finds must lie within one of these lists. A
/// file that is in no circle any more must leave its list, so the lists only shrink.
const CIRCLES_LEFT: &[&[&str]] = &[];

#[test]
fn files_import_each_other_without_circles() {
    let mut found: Vec<Vec<String>> = Vec::new();
    for krate in CRATES {
        let circles = ModuleGraph::read(&root().join(krate)).circles();
        found
            .extend(circles.iter().map(|circle| circle.iter().map(|path| name_of(path)).collect::<Vec<_>>()));
    }
    let mut problems = Vec::new();
    for circle in &found {
        let is_listed = |left: &&&[&str]| circle.iter().all(|file| left.contains(&file.as_str()));
        if !CIRCLES_LEFT.iter().any(|left| is_listed(&left)) {
            problems.push(format!("these files import each other: {}", circle.join(", ")));
        }
    }
    let in_circles: BTreeSet<&str> = found.iter().flatten().map(String::as_str).collect();
    let gone = CIRCLES_LEFT.iter().copied().flatten().filter(|file| !in_circles.contains(**file));
    problems.extend(gone.map(|file| format!("{file} is in no circle now, take it off the list")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
