//! `.env.example` against the code, both ways.

use std::collections::{BTreeMap, BTreeSet};

use backend::{
    config::{Config, Purpose},
    flags::definitions,
};

use crate::support::{code_lines, root, rust_files};

/// `NAME=value` and `#NAME=value` (a default); prose has a space after its #.
fn example() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join(".env.example")).unwrap();
    let entries: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("# ") && !line.is_empty())
        .map(|line| line.trim_start_matches('#').split_once('=').unwrap_or_else(|| panic!("{line}")))
        .collect();
    let variables: BTreeMap<_, _> =
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(variables.len(), entries.len(), "a variable stands there twice");
    variables
}

/// Every string of `config/` that is the name of a variable, and the variables of flags.
fn names_in_code() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = definitions::ALL.iter().map(|flag| flag.variable.to_owned()).collect();
    for path in rust_files(&root().join("backend/src/config")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (_, line) in code_lines(&text) {
            // Every second piece of a line is inside quotes.
            let strings = line.split('"').skip(1).step_by(2);
            names.extend(strings.filter(|string| is_name(string)).map(str::to_owned));
        }
    }
    names
}

fn is_name(text: &str) -> bool {
    text.len() > 2
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

#[test]
fn it_lists_exactly_the_settings_of_the_code() {
    let (listed, read): (BTreeSet<_>, _) = (example().into_keys().collect(), names_in_code());
    assert!(read.len() > 40, "the search in the code has become blind: {read:?}");
    let missing: Vec<_> = read.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&read).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}, unknown: {unknown:?}");
}

#[test]
fn the_defaults_that_it_shows_are_the_defaults() {
    let read = |variables| {
        let mut config = Config::from_variables(variables, Purpose::Service).unwrap();
        // A flag of the environment has another source than a default, and the same value.
        let flags = std::mem::take(&mut config.modes.flags);
        for (key, value) in flags {
            assert_eq!(value, definitions::find(key).unwrap().default, "{key}");
        }
        format!("{config:#?}")
    };
    assert_eq!(read(example()), read(BTreeMap::new()));
}

#[test]
fn no_secret_stands_in_it() {
    for (name, value) in example() {
        let is_secret =
            ["KEY", "KEYS", "TOKEN", "SECRET", "URL", "POOLING"].iter().any(|end| name.ends_with(end));
        let is_switch = value == "false";
        assert!(value.is_empty() || is_switch || !is_secret || name == "OPENROUTER_BASE_URL", "{name}");
    }
}
