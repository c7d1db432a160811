//! The log's events: each line of code that logs names one, and docs/LOGGING.md lists exactly these.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{code_lines, root, rust_files};

/// Everything that may log.
const SOURCES: [&str; 4] = ["backend/src", "backend/storage/src", "backend/foundation/src", "pipeline/src"];

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// One call of a logging macro.
struct Call {
    place: String,
    level: &'static str,
    event: Option<String>,
}

/// The arguments of a macro call, of which `text` begins behind the opening parenthesis.
fn arguments(text: &str) -> &str {
    let (mut depth, mut is_text, mut is_escaped) = (1, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

fn calls() -> Vec<Call> {
    let root = root();
    let mut calls = Vec::new();
    for path in SOURCES.iter().flat_map(|folder| rust_files(&root.join(folder))) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = code_lines(&text).into_iter().map(|(_, line)| line).collect();
        let code = lines.join("\n");
        for level in LEVELS {
            for (at, found) in code.match_indices(&format!("{level}!(")) {
                if code[..at].ends_with(|character: char| character.is_alphanumeric() || character == '_') {
                    continue;
                }
                let arguments = arguments(&code[at + found.len()..]);
                let event = arguments.split_once("event = \"").and_then(|(_, rest)| rest.split_once('"'));
                let first = arguments.trim().lines().next().unwrap_or_default();
                calls.push(Call {
                    place: format!("{}: {level}!({first}", path.strip_prefix(&root).unwrap().display()),
                    level,
                    event: event.map(|(name, _)| name.to_owned()),
                });
            }
        }
    }
    calls
}

/// The events of docs/LOGGING.md with their levels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("docs/LOGGING.md")).unwrap();
    let mut is_events = false;
    let mut events = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        is_events = if cells.len() < 5 { false } else { is_events || cells[1] == "event" };
        if let Some(name) = cells.get(1).and_then(|cell| cell.strip_prefix('`')).filter(|_| is_events) {
            let levels = cells[2].split(", ").map(str::to_owned).collect();
            let before = events.insert(name.trim_end_matches('`').to_owned(), levels);
            assert!(before.is_none(), "docs/LOGGING.md lists {name} twice");
        }
    }
    events
}

#[test]
fn every_log_line_names_its_event() {
    let calls = calls();
    assert!(calls.len() > 100, "{}: the sources are elsewhere", calls.len());
    let is_good = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let bad = calls.iter().filter(|call| !call.event.as_deref().is_some_and(is_good));
    let bad: Vec<&str> = bad.map(|call| call.place.as_str()).collect();
    assert!(bad.is_empty(), "without an event in snake_case:\n{}", bad.join("\n"));
}

#[test]
fn the_documentation_lists_exactly_the_events() {
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in calls() {
        events.entry(call.event.unwrap_or_default()).or_default().insert(call.level.to_owned());
    }
    let documented = documented();
    let names = |map: &BTreeMap<String, _>| map.keys().cloned().collect::<BTreeSet<String>>();
    let (in_code, in_docs) = (names(&events), names(&documented));
    assert!(
        in_code == in_docs,
        "only in the code: {:?}\nonly in docs/LOGGING.md: {:?}",
        in_code.difference(&in_docs).collect::<Vec<_>>(),
        in_docs.difference(&in_code).collect::<Vec<_>>()
    );
    let differ: Vec<_> = events.iter().filter(|(name, levels)| documented[*name] != **levels).collect();
    assert!(differ.is_empty(), "with other levels in docs/LOGGING.md: {differ:?}");
}
