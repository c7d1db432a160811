//! Checks of single values and keys. Every problem is kept, so that all are reported at once.

use serde_yaml::Spanned;

use super::{
    field_names::Pairs,
    limits::{LIST_ENTRIES_MAX, TEXT_CHARS_MAX},
    problems::BrandProblem,
    yaml::{self, Node},
};

#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) problems: Vec<BrandProblem>,
}

impl Checker {
    pub(super) fn add(
        &mut self,
        field: &str,
        line: Option<u64>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.problems.push(BrandProblem {
            field: field.to_owned(),
            line,
            message: message.into(),
            advice: advice.into(),
        });
    }

    /// Checks that keys are text and occur once.
    pub(super) fn keys(&mut self, path: &str, pairs: &Pairs) {
        let mut seen: Vec<(String, Option<u64>)> = Vec::new();
        for (key, _) in pairs {
            let line = yaml::line(key);
            let Some(name) = key.value.key_text() else {
                let field = if path.is_empty() { "file" } else { path };
                self.add(
                    field,
                    line,
                    format!("has a field name that is {}", key.value.kind()),
                    "use a plain word as the name",
                );
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(earlier, _)| *earlier == name) {
                let place = first.map_or_else(String::new, |first| format!(" (first on line {first})"));
                self.add(&joined(path, &name), line, format!("stands twice{place}"), "keep one of the two");
            } else {
                seen.push((name, line));
            }
        }
    }

    /// Takes a value that must be text.
    pub(super) fn entry(&mut self, path: &str, node: &Spanned<Node>) -> Option<String> {
        let line = yaml::line(node);
        match &node.value {
            Node::Text(text) => {
                let text = text.trim();
                self.text_limits(path, line, text);
                (!text.is_empty()).then(|| text.to_owned())
            }
            Node::Null => {
                self.add(path, line, "is empty", "write a text, or remove the line");
                None
            }
            other => {
                let advice = match other {
                    Node::Mapping(_) => "put the whole text in quotes: a `: ` inside makes it a mapping",
                    Node::List(_) => "write one text, or one entry a line",
                    _ => "put it in quotes",
                };
                self.add(path, line, format!("is {} where text is expected", other.kind()), advice);
                None
            }
        }
    }

    pub(super) fn list_length(&mut self, name: &str, line: Option<u64>, entries: usize) {
        if entries > LIST_ENTRIES_MAX {
            let message = format!("has {} where at most {LIST_ENTRIES_MAX} are read", count(entries));
            self.add(name, line, message, "keep what matters most");
        }
    }

    pub(super) fn text_limits(&mut self, path: &str, line: Option<u64>, text: &str) {
        if text.is_empty() {
            self.add(path, line, "is an empty text", "write a text, or remove the line");
        }
        let chars = text.chars().count();
        if chars > TEXT_CHARS_MAX {
            let message = format!("has {chars} characters where at most {TEXT_CHARS_MAX} are read");
            self.add(path, line, message, "shorten it");
        }
        if let Some(control) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            let message = format!("holds the control character U+{:04X}", u32::from(control));
            self.add(path, line, message, "remove it");
        }
    }

    pub(super) fn unknown_value(&mut self, path: &str, node: &Spanned<Node>) {
        let line = yaml::line(node);
        match &node.value {
            Node::Null | Node::Bool(_) | Node::Number(_) => {}
            Node::Text(text) => self.text_limits(path, line, text.trim()),
            Node::List(items) => {
                self.list_length(path, line, items.len());
                for (index, item) in items.iter().take(LIST_ENTRIES_MAX).enumerate() {
                    self.unknown_value(&format!("{path}[{}]", index + 1), item);
                }
            }
            Node::Mapping(pairs) => {
                self.keys(path, pairs);
                self.list_length(path, line, pairs.len());
                for (key, value) in pairs.iter().take(LIST_ENTRIES_MAX) {
                    if let Some(name) = key.value.key_text() {
                        self.unknown_value(&joined(path, &name), value);
                    }
                }
            }
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

pub(super) fn count(entries: usize) -> String {
    match entries {
        1 => "1 entry".to_owned(),
        _ => format!("{entries} entries"),
    }
}
