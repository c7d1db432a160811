//! The checks of a profile. All of them run, so that all problems are reported at once.

use serde_json::{Map, Value};
use serde_yaml::Spanned;

use super::{
    field_names::{LIST_FIELDS, OPTIONAL_TEXT_FIELD, Pairs, TEXT_FIELDS, find, is_known, written},
    id::BrandId,
    limits::{FILE_BYTES_MAX, LIST_ENTRIES_MAX, NOTES_BYTES_MAX},
    problems::BrandProblems,
    profile::BrandProfile,
    values::{Checker, count},
    yaml::{self, Node},
};

impl BrandProfile {
    /// Reads a profile from YAML, together with its research notes.
    ///
    /// Callers report the problems as [`BrandProblems::CODE`].
    ///
    /// # Errors
    ///
    /// Every problem of the profile: missing or empty fields, wrong types, too few or too many entries. Texts
    /// beyond [`TEXT_CHARS_MAX`](super::TEXT_CHARS_MAX), files beyond [`FILE_BYTES_MAX`] and notes beyond
    /// [`NOTES_BYTES_MAX`] are problems as well.
    pub fn from_yaml(id: BrandId, yaml: &str, research_notes: Option<String>) -> Result<Self, BrandProblems> {
        profile(id, yaml, research_notes)
    }
}

fn profile(id: BrandId, yaml: &str, research_notes: Option<String>) -> Result<BrandProfile, BrandProblems> {
    let mut checker = Checker::default();
    file_size(&mut checker, yaml);
    let research_notes = notes(&mut checker, &id, research_notes);
    let root = if checker.problems.is_empty() { yaml::parse(yaml) } else { Ok(Node::Null) };
    let profile = match root {
        Ok(Node::Mapping(pairs)) => Some(fields(&mut checker, &id, &pairs, research_notes)),
        // A file or notes that are too large have been reported already.
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

fn file_size(checker: &mut Checker, yaml: &str) {
    if yaml.len() > FILE_BYTES_MAX {
        checker.add(
            "file",
            None,
            format!("has {} bytes, more than {FILE_BYTES_MAX}", yaml.len()),
            "keep the profile short; long material belongs in the research notes",
        );
    }
}

fn notes(checker: &mut Checker, id: &BrandId, notes: Option<String>) -> Option<String> {
    let notes = notes.filter(|notes| !notes.trim().is_empty())?;
    if notes.len() > NOTES_BYTES_MAX {
        checker.add(
            "research_notes",
            None,
            format!("have {} bytes, more than {NOTES_BYTES_MAX}", notes.len()),
            format!("shorten brand-research/{id}.md"),
        );
    }
    Some(notes)
}

fn fields(
    checker: &mut Checker,
    id: &BrandId,
    pairs: &Pairs,
    research_notes: Option<String>,
) -> BrandProfile {
    checker.keys("", pairs);
    let [brand_name, country, industry, positioning] =
        TEXT_FIELDS.map(|name| text(checker, name, pairs, true).unwrap_or_default());
    let tone = text(checker, OPTIONAL_TEXT_FIELD, pairs, false);
    let [
        product_portfolio,
        target_customers,
        recent_innovations,
        strategic_priorities,
        brand_values,
        competitors,
        constraints,
    ] = LIST_FIELDS.map(|(name, entries_min)| list(checker, name, entries_min, pairs));
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
        other: unknown_fields(checker, id, pairs),
        research_notes,
    }
}

fn text(checker: &mut Checker, name: &str, pairs: &Pairs, required: bool) -> Option<String> {
    let name = written(name, pairs);
    let Some((key, value)) = find(name, pairs) else {
        if required {
            checker.add(name, None, "is missing", format!("add a line `{name}: …`"));
        }
        return None;
    };
    match &value.value {
        Node::Null if !required => None,
        Node::Null => {
            checker.add(name, yaml::line(key), "is empty", "write its value after the colon");
            None
        }
        _ => checker.entry(name, value),
    }
}

fn list(checker: &mut Checker, name: &str, entries_min: usize, pairs: &Pairs) -> Vec<String> {
    let name = written(name, pairs);
    let Some((key, value)) = find(name, pairs) else {
        if entries_min > 0 {
            checker.add(
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
            checker.add(name, line, "is empty", advice);
            Vec::new()
        }
        Node::List(items) => entries(checker, name, line, entries_min, items),
        other => {
            checker.add(
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
    checker: &mut Checker,
    name: &str,
    line: Option<u64>,
    entries_min: usize,
    items: &[Spanned<Node>],
) -> Vec<String> {
    if items.len() < entries_min {
        let message = format!("has {} where at least {entries_min} are needed", count(items.len()));
        checker.add(name, line, message, format!("add {} more", entries_min - items.len()));
    }
    checker.list_length(name, line, items.len());
    items
        .iter()
        .take(LIST_ENTRIES_MAX)
        .enumerate()
        .filter_map(|(index, item)| checker.entry(&format!("{name}[{}]", index + 1), item))
        .collect()
}

/// Keeps fields that this version does not know, within the same limits.
fn unknown_fields(checker: &mut Checker, id: &BrandId, pairs: &Pairs) -> Map<String, Value> {
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
                    checker.add("id", yaml::line(key), message, "remove the line");
                }
            }
            "research_notes" => checker.add(
                "research_notes",
                yaml::line(key),
                "does not belong in the profile",
                format!("move it to brand-research/{id}.md"),
            ),
            name if is_known(name, pairs) => {}
            _ => {
                checker.unknown_value(&name, value);
                other.insert(name, value.value.to_json());
            }
        }
    }
    other
}
