//! The checks of a profile: all of them, whatever the first one finds.

use serde_json::{Map, Value};
use serde_yaml::Spanned;

use super::{
    id::BrandId,
    limits::{FILE_BYTES_MAX, LIST_ENTRIES_MAX, NOTES_BYTES_MAX, TEXT_CHARS_MAX},
    problems::{BrandProblem, BrandProblems},
    profile::BrandProfile,
    yaml::{self, Node},
};

type Pairs = [(Spanned<Node>, Spanned<Node>)];

/// The fields a profile may or must have. The order is that of the documentation, and of the problems
/// that have no line.
const TEXT_FIELDS: [&str; 4] = ["brand_name", "country", "industry", "positioning"];
const OPTIONAL_TEXT_FIELD: &str = "tone";
/// With the fewest entries; 0 for an optional list.
const LIST_FIELDS: [(&str, usize); 7] = [
    ("product_portfolio", 3),
    ("target_customers", 2),
    ("recent_innovations", 2),
    ("strategic_priorities", 3),
    ("brand_values", 3),
    ("competitors", 0),
    ("constraints", 0),
];

/// Fields that profiles in use write in a second way: ours first.
const SPELLINGS: [(&str, &str); 2] = [("brand_name", "company_name"), ("product_portfolio", "portfolio")];

/// How this profile writes a field. Where it writes both, the second is a field of its own.
fn written<'n>(name: &'n str, pairs: &Pairs) -> &'n str {
    let second = SPELLINGS.iter().find(|(first, _)| *first == name).map(|(_, second)| *second);
    second.filter(|second| find(name, pairs).is_none() && find(second, pairs).is_some()).unwrap_or(name)
}

impl BrandProfile {
    /// Reads a profile from YAML, with the notes that lie beside it.
    ///
    /// Every problem is reported at once: missing or empty fields, wrong types, too few or too many
    /// entries, texts beyond [`TEXT_CHARS_MAX`], files beyond [`FILE_BYTES_MAX`], notes beyond
    /// [`NOTES_BYTES_MAX`]. Callers report them as [`BrandProblems::CODE`].
    pub fn from_yaml(id: BrandId, yaml: &str, research_notes: Option<String>) -> Result<Self, BrandProblems> {
        profile(id, yaml, research_notes)
    }
}

fn profile(id: BrandId, yaml: &str, research_notes: Option<String>) -> Result<BrandProfile, BrandProblems> {
    let mut checker = Checker::default();
    checker.file_size(yaml);
    let research_notes = checker.notes(&id, research_notes);
    let root = if checker.problems.is_empty() { yaml::parse(yaml) } else { Ok(Node::Null) };
    let profile = match root {
        Ok(Node::Mapping(pairs)) => Some(checker.fields(&id, &pairs, research_notes)),
        // A file or notes too large to look into have been reported already.
        Ok(_) if !checker.problems.is_empty() => None,
        Ok(other) => {
            checker.add(
                "file",
                None,
                match other {
                    Node::Null => "is empty".to_owned(),
                    other => format!("is {} where `field: value` lines are expected", other.kind()),
                },
                "start from an existing profile and change its values",
            );
            None
        }
        Err(problem) => {
            checker.problems.push(problem);
            None
        }
    };
    match profile {
        Some(profile) if checker.problems.is_empty() => Ok(profile),
        _ => Err(BrandProblems::new(id, checker.problems)),
    }
}

#[derive(Debug, Default)]
struct Checker {
    problems: Vec<BrandProblem>,
}

impl Checker {
    fn add(&mut self, field: &str, line: Option<u64>, message: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(BrandProblem {
            field: field.to_owned(),
            line,
            message: message.into(),
            advice: advice.into(),
        });
    }

    fn file_size(&mut self, yaml: &str) {
        if yaml.len() > FILE_BYTES_MAX {
            self.add(
                "file",
                None,
                format!("has {} bytes, more than {FILE_BYTES_MAX}", yaml.len()),
                "keep the profile short; long material belongs in the research notes",
            );
        }
    }

    fn notes(&mut self, id: &BrandId, notes: Option<String>) -> Option<String> {
        let notes = notes.filter(|notes| !notes.trim().is_empty())?;
        if notes.len() > NOTES_BYTES_MAX {
            self.add(
                "research_notes",
                None,
                format!("have {} bytes, more than {NOTES_BYTES_MAX}", notes.len()),
                format!("shorten brand-research/{id}.md"),
            );
        }
        Some(notes)
    }

    fn fields(&mut self, id: &BrandId, pairs: &Pairs, research_notes: Option<String>) -> BrandProfile {
        self.keys("", pairs);
        let [brand_name, country, industry, positioning] =
            TEXT_FIELDS.map(|name| self.text(name, pairs, true).unwrap_or_default());
        let tone = self.text(OPTIONAL_TEXT_FIELD, pairs, false);
        let [
            product_portfolio,
            target_customers,
            recent_innovations,
            strategic_priorities,
            brand_values,
            competitors,
            constraints,
        ] = LIST_FIELDS.map(|(name, entries_min)| self.list(name, entries_min, pairs));
        BrandProfile {
            id: id.clone(),
            brand_name,
            country,
            industry,
            positioning,
            product_portfolio,
            target_customers,
            recent_innovations,
            strategic_priorities,
            brand_values,
            competitors,
            constraints,
            tone,
            other: self.unknown_fields(id, pairs),
            research_notes,
        }
    }

    /// Keys must be text and stand once.
    fn keys(&mut self, path: &str, pairs: &Pairs) {
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

    fn text(&mut self, name: &str, pairs: &Pairs, required: bool) -> Option<String> {
        let name = written(name, pairs);
        let Some((key, value)) = find(name, pairs) else {
            if required {
                self.add(name, None, "is missing", format!("add a line `{name}: …`"));
            }
            return None;
        };
        match &value.value {
            Node::Null if !required => None,
            Node::Null => {
                self.add(name, yaml::line(key), "is empty", "write its value after the colon");
                None
            }
            _ => self.entry(name, value),
        }
    }

    fn list(&mut self, name: &str, entries_min: usize, pairs: &Pairs) -> Vec<String> {
        let name = written(name, pairs);
        let Some((key, value)) = find(name, pairs) else {
            if entries_min > 0 {
                self.add(
                    name,
                    None,
                    "is missing",
                    format!("add a list `{name}:` of at least {entries_min} lines `- …`"),
                );
            }
            return Vec::new();
        };
        let line = yaml::line(key);
        match &value.value {
            Node::Null if entries_min == 0 => Vec::new(),
            Node::Null => {
                let advice = format!("write at least {entries_min} entries below it, each on a line `- …`");
                self.add(name, line, "is empty", advice);
                Vec::new()
            }
            Node::List(items) => self.entries(name, line, entries_min, items),
            other => {
                self.add(
                    name,
                    line,
                    format!("is {} where a list is expected", other.kind()),
                    "write each entry on a line `- …` of its own",
                );
                Vec::new()
            }
        }
    }

    fn entries(
        &mut self,
        name: &str,
        line: Option<u64>,
        entries_min: usize,
        items: &[Spanned<Node>],
    ) -> Vec<String> {
        if items.len() < entries_min {
            let message = format!("has {} where at least {entries_min} are needed", count(items.len()));
            self.add(name, line, message, format!("add {} more", entries_min - items.len()));
        }
        self.list_length(name, line, items.len());
        items
            .iter()
            .take(LIST_ENTRIES_MAX)
            .enumerate()
            .filter_map(|(index, item)| self.entry(&format!("{name}[{}]", index + 1), item))
            .collect()
    }

    fn list_length(&mut self, name: &str, line: Option<u64>, entries: usize) {
        if entries > LIST_ENTRIES_MAX {
            let message = format!("has {} where at most {LIST_ENTRIES_MAX} are read", count(entries));
            self.add(name, line, message, "keep what matters most");
        }
    }

    /// A value that must be text.
    fn entry(&mut self, path: &str, node: &Spanned<Node>) -> Option<String> {
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

    fn text_limits(&mut self, path: &str, line: Option<u64>, text: &str) {
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

    /// Fields that this version does not know are kept, within the same limits.
    fn unknown_fields(&mut self, id: &BrandId, pairs: &Pairs) -> Map<String, Value> {
        let mut other = Map::new();
        for (key, value) in pairs {
            let Some(name) = key.value.key_text() else {
                continue;
            };
            match name.as_str() {
                "id" => {
                    let same = matches!(&value.value, Node::Text(text) if text.trim() == id.as_str());
                    if !same {
                        let message = format!("is not {id}, the name of the file");
                        self.add("id", yaml::line(key), message, "remove the line");
                    }
                }
                "research_notes" => self.add(
                    "research_notes",
                    yaml::line(key),
                    "does not belong in the profile",
                    format!("move it to brand-research/{id}.md"),
                ),
                name if is_known(name, pairs) => {}
                _ => {
                    self.unknown_value(&name, value);
                    other.insert(name, value.value.to_json());
                }
            }
        }
        other
    }

    fn unknown_value(&mut self, path: &str, node: &Spanned<Node>) {
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

fn find<'a>(name: &str, pairs: &'a Pairs) -> Option<&'a (Spanned<Node>, Spanned<Node>)> {
    pairs.iter().find(|(key, _)| matches!(&key.value, Node::Text(text) if text == name))
}

fn is_known(name: &str, pairs: &Pairs) -> bool {
    SPELLINGS.iter().any(|(first, second)| *second == name && written(first, pairs) == name)
        || TEXT_FIELDS.contains(&name)
        || name == OPTIONAL_TEXT_FIELD
        || LIST_FIELDS.iter().any(|(field, _)| *field == name)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn count(entries: usize) -> String {
    match entries {
        1 => "1 entry".to_owned(),
        _ => format!("{entries} entries"),
    }
}
