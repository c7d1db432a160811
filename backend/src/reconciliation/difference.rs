//! Where two versions of a run differ, field by field and line by line.

use std::collections::BTreeMap;

use serde_json::Value;
use storage::{Part, RunRecord, sync::Versions};

/// The most rows of one part. A report has some hundred lines, a stage some thousand fields.
pub const ROWS_MAX: usize = 400;

/// The longest text of a cell, in characters.
const CELL_MAX: usize = 400;

/// One part of a run that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartDifference {
    pub part: Part,
    /// Whether somebody changed the row by hand.
    pub is_changed_by_hand: bool,
    /// The fields or lines that differ.
    pub rows: Vec<DifferenceRow>,
    /// How many fields or lines are equal.
    pub equal: usize,
    /// Whether more rows differ than are shown.
    pub is_cut: bool,
}

/// A field or a line that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferenceRow {
    /// The field's path, or the line's number.
    pub place: String,
    /// None if the database's version does not have it.
    pub database: Option<String>,
    /// None if the files' version does not have it.
    pub files: Option<String>,
}

/// The differences of both versions, part by part.
pub(super) fn compare(versions: &Versions) -> Vec<PartDifference> {
    let sides = (versions.row.as_ref(), versions.file.as_ref());
    versions
        .differing
        .iter()
        .map(|part| {
            let by_hand = versions.damaged.get(part);
            let database = match by_hand {
                Some(text) => fields_of_text(*part, text),
                None => sides.0.map(|row| fields(*part, row)).unwrap_or_default(),
            };
            let files = sides.1.map(|file| fields(*part, file)).unwrap_or_default();
            joined(*part, by_hand.is_some(), &database, &files)
        })
        .collect()
}

type Fields = BTreeMap<String, String>;

fn joined(part: Part, is_changed_by_hand: bool, database: &Fields, files: &Fields) -> PartDifference {
    let mut places: Vec<&String> = database.keys().chain(files.keys()).collect();
    places.sort_unstable();
    places.dedup();
    let all = places.len();
    let differing: Vec<DifferenceRow> = places
        .into_iter()
        .filter(|place| database.get(*place) != files.get(*place))
        .map(|place| DifferenceRow {
            place: place.clone(),
            database: database.get(place).map(|text| cut(text)),
            files: files.get(place).map(|text| cut(text)),
        })
        .collect();
    let (equal, is_cut) = (all - differing.len(), differing.len() > ROWS_MAX);
    let rows = differing.into_iter().take(ROWS_MAX).collect();
    PartDifference { part, is_changed_by_hand, rows, equal, is_cut }
}

fn fields(part: Part, side: &RunRecord) -> Fields {
    match part {
        Part::Status => status_fields(side),
        Part::Report => side.report.as_deref().map(lines).unwrap_or_default(),
        Part::Stage(stage) => {
            let record = side.stages.get(&stage).and_then(|held| serde_json::to_value(&held.record).ok());
            record.map(|record| flat(&record)).unwrap_or_default()
        }
    }
}

fn fields_of_text(part: Part, text: &str) -> Fields {
    match (part, serde_json::from_str::<Value>(text)) {
        (Part::Stage(_), Ok(value)) => flat(&value),
        _ => lines(text),
    }
}

fn status_fields(side: &RunRecord) -> Fields {
    let mut fields = Fields::new();
    let status = serde_json::to_value(side.status).unwrap_or_default();
    fields.insert("status".to_owned(), shown(&status));
    fields.insert("generation".to_owned(), side.generation.to_string());
    if let Some(at) = side.finished_at {
        fields.insert("finished_at".to_owned(), at.to_rfc3339());
    }
    if let Some(failure) = &side.failure {
        fields.insert("error".to_owned(), failure.to_string());
    }
    if let Some(request) = &side.request {
        fields.insert("document".to_owned(), request.source.clone());
        fields.insert("company".to_owned(), request.brand_id.to_string());
    }
    fields
}

/// Line numbers sort as numbers.
fn lines(text: &str) -> Fields {
    text.lines()
        .enumerate()
        .map(|(number, line)| (format!("line {:>5}", number + 1), line.to_owned()))
        .collect()
}

/// The leaves of a JSON value by their paths.
fn flat(value: &Value) -> Fields {
    let (mut fields, mut open) = (Fields::new(), vec![(String::new(), value)]);
    while let Some((path, value)) = open.pop() {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::Object(members) if !members.is_empty() => {
                open.extend(members.iter().map(|(name, value)| (below(name), value)));
            }
            Value::Array(items) if !items.is_empty() => {
                open.extend(
                    items.iter().enumerate().map(|(n, value)| (below(&format!("{:02}", n + 1)), value)),
                );
            }
            leaf => {
                fields.insert(path, shown(leaf));
            }
        }
    }
    fields
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CELL_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_leaves_that_differ_are_shown() {
        let database = flat(&json!({ "a": { "b": 1, "c": [] }, "d": ["x", "y"] }));
        let files = flat(&json!({ "a": { "b": 2, "c": [] }, "d": ["x"], "e": null }));
        let difference = joined(Part::Report, false, &database, &files);
        let rows: Vec<_> = difference
            .rows
            .iter()
            .map(|row| (row.place.as_str(), row.database.as_deref(), row.files.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [("a.b", Some("1"), Some("2")), ("d.02", Some("y"), None), ("e", None, Some("null"))]
        );
        assert_eq!((difference.equal, difference.is_cut), (2, false));
    }

    #[test]
    fn rows_and_cells_have_limits() {
        let long = "x\n".repeat(2 * ROWS_MAX) + &"y".repeat(2 * CELL_MAX);
        let difference = joined(Part::Report, false, &lines(&long), &Fields::new());
        assert!(difference.is_cut && difference.rows.len() == ROWS_MAX);
        assert_eq!(cut(&"y".repeat(2 * CELL_MAX)).chars().count(), CELL_MAX + 1);
    }
}
