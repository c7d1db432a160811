//! No file uses another that uses it: the imports of each crate form no circle.

use super::name_of;
use crate::support::{modules::ModuleGraph, root};

/// The crates of the workspace, by the folders of their roots.
const CRATES: &[&str] = &["pipeline/src", "backend/foundation/src", "backend/storage/src", "backend/src"];

#[test]
fn files_import_each_other_without_circles() {
    let mut circles = Vec::new();
    for krate in CRATES {
        for circle in ModuleGraph::read(&root().join(krate)).circles() {
            circles.push(circle.iter().map(|path| name_of(path)).collect::<Vec<_>>().join(", "));
        }
    }
    assert!(circles.is_empty(), "these files import each other:\n{}", circles.join("\n"));
}
