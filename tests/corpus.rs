//! The fuzz targets' corpus, replayed: what was found once stays found.

#[path = "../fuzz/entries.rs"]
mod entries;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::root;

/// Feeds every file of a corpus to its target; returns how many there were.
fn replay(target: &str, entry: fn(&[u8])) -> usize {
    let folder = root().join("fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    for file in &files {
        entry(&std::fs::read(file).unwrap());
    }
    files.len()
}

#[test]
fn the_corpus_of_documents_is_harmless() {
    assert!(replay("document", entries::document) >= 10);
}

#[test]
fn the_corpus_of_rtf_is_harmless() {
    assert!(replay("rtf", entries::rtf) >= 2);
}

#[test]
fn the_corpus_of_answers_is_harmless() {
    assert!(replay("answer", entries::answer) >= 10);
}

#[test]
fn the_corpus_of_streams_is_harmless() {
    assert!(replay("stream", entries::stream) >= 10);
}

/// The packages of a lock file, each with the names of its dependencies. Ours have no source, and no version in their key.
fn packages(lock: &str) -> BTreeMap<String, BTreeSet<String>> {
    let lock = std::fs::read_to_string(root().join(lock)).unwrap();
    let words = |line: &str| line.trim().trim_matches(['"', ',']).split(' ').next().unwrap().to_owned();
    let value = |package: &str, key: &str| {
        package.split_once(&format!("{key} = \"")).unwrap().1.split('"').next().unwrap().to_owned()
    };
    lock.split("[[package]]")
        .skip(1)
        .map(|package| {
            let is_ours = !package.contains("\nsource = ");
            let version = if is_ours { String::new() } else { format!(" {}", value(package, "version")) };
            let list = package.split_once("dependencies = [").map_or("", |(_, rest)| rest);
            let entries = list.lines().skip(1).take_while(|line| *line != "]");
            (format!("{}{version}", value(package, "name")), entries.map(words).collect())
        })
        .collect()
}

#[test]
fn the_fuzz_lock_knows_all_dependencies() {
    // `cargo audit` reads this lock file, and each build of the targets begins with it.
    let (ours, fuzzed) = (packages("Cargo.lock"), packages("fuzz/Cargo.lock"));
    for (member, folder) in [("pipeline", "pipeline"), ("backend", "backend"), ("storage", "backend/storage")]
    {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let (_, tests) = manifest.split_once("[dev-dependencies]").unwrap();
        let is_for_tests = |name: &str| {
            name == member || tests.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(name))
        };
        let is_optional = |name: &str| {
            manifest.lines().any(|line| line.starts_with(name) && line.contains("optional = true"))
        };
        let missing: Vec<&String> = ours[member]
            .difference(&fuzzed[member])
            .filter(|name| !is_for_tests(name) && !is_optional(name))
            .collect();
        assert!(
            missing.is_empty(),
            "`cargo update --manifest-path fuzz/Cargo.toml --workspace`: {missing:?}"
        );
    }
    // A feature that is switched on here may need a package more. Only the tests' certificates need this one.
    let is_for_tests = |package: &str, name: &str| package.starts_with("x509-parser ") && name == "ring";
    for (package, needs) in fuzzed.iter().filter(|(package, _)| package.contains(' ')) {
        let missing = ours.get(package).into_iter().flatten().filter(|name| !needs.contains(*name));
        let missing: Vec<&String> = missing.filter(|name| !is_for_tests(package, name)).collect();
        assert!(missing.is_empty(), "cargo metadata --manifest-path fuzz/Cargo.toml: {package} {missing:?}");
    }
}

#[test]
fn every_fuzz_target_has_a_corpus() {
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let targets: Vec<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .map(|bin| bin.split_once("name = \"").unwrap().1.split('"').next().unwrap())
        .collect();
    let files = std::fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap().count();
    assert!(files == targets.len() && files > 0, "{targets:?}");
    for target in targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
        assert!(root().join("fuzz/corpus").join(target).read_dir().unwrap().next().is_some(), "{target}");
    }
}
