//! docs/CHECKS.md against the commands.

use std::collections::BTreeSet;

use super::report;
use crate::support::{root, service::TestEnv};

#[tokio::test]
async fn the_document_lists_every_check() {
    let env = TestEnv::files_only().await;
    let mut asked = BTreeSet::new();
    for command in ["doctor", "preflight", "gate", "audit security"] {
        let seen = report(&env, &[], command);
        let checks = seen.body["checks"].as_array().unwrap();
        for check in checks {
            asked.insert(format!("{} {command}", check["id"].as_str().unwrap()));
        }
    }
    let text = std::fs::read_to_string(root().join("docs/CHECKS.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| id |")).skip(2);
    let mut listed = BTreeSet::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let id = cells[0].trim_matches('`');
        listed.extend(cells[2].split(", ").map(|command| format!("{id} {command}")));
    }
    assert_eq!(asked, listed);
}
