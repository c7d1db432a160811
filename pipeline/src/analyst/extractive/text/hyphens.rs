//! Joins hard-wrapped lines to paragraphs.

use std::collections::BTreeSet;

use crate::document::Document;

const HYPHENS: [char; 3] = ['-', '‐', '\u{ad}'];

/// Joins hard-wrapped lines. The document's other words tell whether a hyphen at a line's end belongs to the
/// word.
#[derive(Debug)]
pub(crate) struct Joiner {
    words: BTreeSet<String>,
    compounds: BTreeSet<String>,
}

impl Joiner {
    pub(crate) fn new(document: &Document) -> Self {
        let mut words = BTreeSet::new();
        let mut compounds = BTreeSet::new();
        for line in document.pages.iter().flat_map(|page| page.text.lines()) {
            for token in line.split_whitespace() {
                let bare = token.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
                if token.ends_with(HYPHENS) || bare.is_empty() {
                    continue;
                }
                if bare.contains(HYPHENS) {
                    compounds.insert(bare.replace('‐', "-"));
                } else {
                    words.insert(bare);
                }
            }
        }
        Self { words, compounds }
    }

    pub(crate) fn join(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let broken = text.ends_with(HYPHENS)
                && text.chars().rev().nth(1).is_some_and(char::is_alphabetic)
                && line.chars().next().is_some_and(char::is_lowercase);
            if broken {
                if !self.keeps_hyphen(&text, &line) {
                    text.pop();
                }
            } else if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&line);
        }
        text.replace('\u{ad}', "")
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
