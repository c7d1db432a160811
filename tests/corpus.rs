//! The fuzz targets' corpus, replayed: what was found once stays found.

#[path = "../fuzz/entries.rs"]
mod entries;

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
