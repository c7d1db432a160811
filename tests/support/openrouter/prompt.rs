//! Reads a request's messages as a model does: the material between its marker lines, the task outside of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::Value;

use super::lock;

/// A line of the document, and the page on which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) page: u64,
    pub(super) text: String,
}

/// The messages of a request.
#[derive(Debug)]
pub(super) struct Prompt {
    /// All texts, in order.
    text: String,
}

/// Longer lines are quoted from their beginning only, in characters.
const QUOTE_CHARS_MAX: usize = 600;
/// Quotes that are looked for, and the fewest lines that a short document gives.
const QUOTES_MAX: usize = 3;
const QUOTES_MIN: usize = 2;

impl Prompt {
    pub(super) fn of(body: &Value) -> Self {
        let mut texts = Vec::new();
        for message in body["messages"].as_array().into_iter().flatten() {
            match &message["content"] {
                Value::String(text) => texts.push(text.as_str()),
                Value::Array(parts) => texts.extend(parts.iter().filter_map(|part| part["text"].as_str())),
                _ => {}
            }
        }
        Self { text: texts.join("\n\n") }
    }

    pub(super) fn chars(&self) -> usize {
        self.text.len()
    }

    /// The blocks of material: the word on the marker line, and what stands below it.
    fn blocks(&self) -> impl Iterator<Item = (&str, &str)> {
        Split(&self.text).filter_map(|part| match part {
            Part::Block(kind, text) => Some((kind, text)),
            Part::Outside(_) => None,
        })
    }

    /// The material that is one JSON object.
    pub(super) fn objects(&self) -> Vec<Value> {
        let objects = self.blocks().filter(|(_, text)| text.trim_start().starts_with('{'));
        objects.filter_map(|(_, text)| serde_json::from_str(text).ok()).collect()
    }

    /// The longest lines of the document's pages, one a page where there are enough.
    pub(super) fn quotes(&self) -> Vec<Quote> {
        let mut pages: Vec<(u64, Vec<&str>)> = Vec::new();
        let document = self.blocks().find(|(kind, _)| *kind == "document").map_or("", |(_, text)| text);
        for line in document.lines() {
            if let Some(marker) = line.strip_prefix("<<<PAGE ") {
                let number = marker.split(' ').next().and_then(|number| number.parse().ok());
                pages.extend(number.map(|number| (number, Vec::new())));
            } else if let Some((_, lines)) = pages.last_mut().filter(|_| !line.trim().is_empty()) {
                lines.push(line.trim());
            }
        }
        for (_, lines) in &mut pages {
            lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
        }
        let mut ranked: Vec<(usize, u64, &str)> = Vec::new();
        for (page, lines) in &pages {
            ranked.extend(lines.iter().take(QUOTES_MIN).enumerate().map(|(rank, line)| (rank, *page, *line)));
        }
        let firsts = ranked.iter().filter(|(rank, ..)| *rank == 0).count();
        ranked.retain(|(rank, ..)| *rank == 0 || firsts < QUOTES_MIN);
        ranked.sort_by_key(|(rank, _, line)| (*rank, std::cmp::Reverse(line.len().min(80))));
        ranked.truncate(QUOTES_MAX);
        let quote = |(_, page, line): (_, u64, &str)| Quote {
            page,
            text: line.chars().take(QUOTE_CHARS_MAX).collect(),
        };
        ranked.into_iter().map(quote).collect()
    }

    /// The words in capitals that the task names for a field: ``- `horizon`: NOW within six months, NEXT …``.
    pub(super) fn words_of(&self, field: &str) -> Vec<String> {
        let start = format!("- `{field}`:");
        let outside = Split(&self.text).filter_map(|part| match part {
            Part::Outside(text) => Some(text),
            Part::Block(..) => None,
        });
        let line = outside
            .flat_map(str::lines)
            .filter_map(|line| line.strip_prefix(&start))
            .last()
            .unwrap_or_default();
        let is_word =
            |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(is_word).map(str::to_owned).collect()
    }

    /// The last JSON Schema that stands outside of the material.
    pub(super) fn schema(&self, known: &Schemas) -> Option<Arc<Value>> {
        let outside = Split(&self.text).filter_map(|part| match part {
            Part::Outside(text) => Some(text),
            Part::Block(..) => None,
        });
        let texts = outside.flat_map(objects_in).filter(|text| text.contains("\"properties\""));
        texts.filter_map(|text| known.read(text)).last()
    }
}

/// Schemas that were read before, by their text: reading one costs more than writing an answer to it.
#[derive(Debug, Default)]
pub(super) struct Schemas(Mutex<HashMap<String, Option<Arc<Value>>>>);

impl Schemas {
    fn read(&self, text: &str) -> Option<Arc<Value>> {
        if let Some(known) = lock(&self.0).get(text) {
            return known.clone();
        }
        let read =
            serde_json::from_str::<Value>(text).ok().filter(|value| value["type"] == "object").map(Arc::new);
        lock(&self.0).insert(text.to_owned(), read.clone());
        read
    }
}

enum Part<'a> {
    Outside(&'a str),
    Block(&'a str, &'a str),
}

/// Splits a text into material and what is no material.
struct Split<'a>(&'a str);

const BEGIN: &str = "<<<BEGIN ";

impl<'a> Iterator for Split<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let rest = self.0;
        if rest.is_empty() {
            return None;
        }
        let start = rest.find(BEGIN).unwrap_or(rest.len());
        if start > 0 {
            self.0 = &rest[start..];
            return Some(Part::Outside(&rest[..start]));
        }
        let block = rest[BEGIN.len()..].split_once(">>>").and_then(|(label, body)| {
            // The prompt's rules speak of a line `<<<BEGIN …>>>`: a marker has a word and a token.
            let (kind, _) = label.split_once(' ')?;
            let close = format!("<<<END {label}>>>");
            let end = body.find(&close)?;
            Some((kind, body[..end].trim_start_matches('\n'), &body[end + close.len()..]))
        });
        let Some((kind, text, after)) = block else {
            let (marker, after) = rest.split_at(BEGIN.len());
            self.0 = after;
            return Some(Part::Outside(marker));
        };
        self.0 = after;
        Some(Part::Block(kind, text))
    }
}

/// The outermost pairs of braces, by a count that knows strings.
fn objects_in(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find('{')?;
            let from = &rest[start..];
            if let Some(end) = end_of_object(from) {
                rest = &from[end..];
                return Some(&from[..end]);
            }
            rest = &from[1..];
        }
    })
}

fn end_of_object(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(position + 1);
        }
    }
    None
}
