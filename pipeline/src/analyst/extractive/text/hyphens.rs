//! Joins hard-wrapped lines to paragraphs.

use std::collections::HashSet;

use crate::{
    analyst::extractive::stop::{Stop, Stopped},
    document::Document,
};

const HYPHENS: [char; 3] = ['-', '‐', '\u{ad}'];

/// Joins hard-wrapped lines. The document's other words tell whether a hyphen at a line's end belongs to the
/// word. No set is ever iterated, so their order cannot matter.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    words: HashSet<String>,
    compounds: HashSet<String>,
}

impl Joiner {
    pub(crate) fn new(document: &Document, stop: &Stop) -> Result<Self, Stopped> {
        let mut joiner = Self::default();
        let lines = || document.pages.iter().flat_map(|page| page.text.lines());
        // Without a hyphen at a line's end, nobody asks for the words.
        if !lines().any(|line| line.trim_end().ends_with(HYPHENS)) {
            return Ok(joiner);
        }
        for line in lines() {
            stop.check()?;
            for token in line.split_whitespace() {
                let bare = token.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
                if token.ends_with(HYPHENS) || bare.is_empty() {
                    continue;
                }
                if bare.contains(HYPHENS) {
                    joiner.compounds.insert(bare.replace('‐', "-"));
                } else {
                    joiner.words.insert(bare);
                }
            }
        }
        Ok(joiner)
    }

    pub(crate) fn join(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            self.append(&mut text, line);
        }
        text.replace('\u{ad}', "")
    }

    /// Adds a line to a text.
    pub(crate) fn append(&self, text: &mut String, line: &str) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let broken = text.ends_with(HYPHENS)
            && text.chars().rev().nth(1).is_some_and(char::is_alphabetic)
            && first.chars().next().is_some_and(char::is_lowercase);
        if broken {
            if !self.keeps_hyphen(text, first) {
                text.pop();
            }
        } else if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(first);
        for word in words {
            text.push(' ');
            text.push_str(word);
        }
    }

    /// Whether the hyphen between the end of `left` and the start of `right` belongs to the word.
    fn keeps_hyphen(&self, left: &str, right: &str) -> bool {
        const PREFIXES: [&str; 14] = [
            "non", "self", "well", "long", "short", "high", "low", "full", "half", "two", "ready", "co",
            "ex", "cross",
        ];
        if left.ends_with('\u{ad}') {
            return false;
        }
        let head = left.split_whitespace().next_back().unwrap_or_default().trim_end_matches(HYPHENS);
        let head = head.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let tail = right.split_whitespace().next().unwrap_or_default();
        let tail = tail.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if self.compounds.contains(&format!("{head}-{tail}")) {
            return true;
        }
        if self.words.contains(&format!("{head}{tail}")) || left.ends_with('‐') {
            return false;
        }
        head.contains('-')
            || PREFIXES.contains(&head.as_str())
            || (self.words.contains(&head) && self.words.contains(&tail) && tail.len() > 2)
    }
}
