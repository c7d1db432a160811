//! The names and statements of the runbook exist: SQL, events, metrics.

use std::{collections::BTreeSet, fs};

use super::{blocks, runbook};
use crate::{
    storage::migrated,
    support::{
        postgres::{Postgres, query},
        root,
    },
};

/// The words of a text that begin with `start`, as far as they are made of name characters.
fn words_with(text: &str, start: &str) -> BTreeSet<String> {
    let rest = text.split(start).skip(1);
    let name = |rest: &str| {
        rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_' || c.is_ascii_digit()).collect()
    };
    rest.map(name).filter(|name: &String| !name.is_empty()).collect()
}

#[tokio::test]
async fn every_sql_statement_runs_and_only_reads() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let page = runbook();
    let statements: Vec<_> = blocks(&page)
        .into_iter()
        .filter(|block| block.kind == "sql")
        .flat_map(|block| block.text.split_inclusive(";\n").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(statements.len() > 10, "the search for statements has become blind");
    for statement in statements {
        query(&url, &format!("BEGIN READ ONLY;\n{statement}\nROLLBACK")).await;
    }
}

#[test]
fn every_event_is_in_the_list() {
    let list = fs::read_to_string(root().join("docs/LOGGING.md")).unwrap();
    let known: BTreeSet<_> = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let named = words_with(&runbook(), "event=");
    assert!(named.len() > 25, "the search for events has become blind: {named:?}");
    let unknown: Vec<_> = named.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_metric_is_in_the_list() {
    // Another test compares this list with the metrics that the service exports.
    let list = fs::read_to_string(root().join("docs/TELEMETRY.md")).unwrap();
    let named = words_with(&runbook(), "innovation_");
    assert!(named.len() >= 4, "the search for metrics has become blind: {named:?}");
    for name in named {
        // The exposition format adds the suffix of a counter.
        let name = format!("innovation_{}", name.strip_suffix("_total").unwrap_or(&name));
        assert!(list.contains(&format!("`{name}`")), "{name}");
    }
}
