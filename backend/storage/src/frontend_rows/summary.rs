//! Builds the fields of the launch page, at the top level of the first row's JSON. They follow from the
//! records. They are stored in `StageOutput` only, never in a record.
//!
//! The page splits `coreMechanism` at each number with a full stop or closing parenthesis, else at hyphens,
//! else at full stops. So it gets a numbered list whose entries contain no such number.

use pipeline::{record::StageRecord, run::Stage};
use serde_json::{Map, Value, json};

/// The most mechanisms that the page shows.
const MECHANISMS_MAX: usize = 3;

/// The most industries that fit into the page's column.
const INDUSTRIES_MAX: usize = 8;

/// The fields that follow from one record.
fn fields(record: &StageRecord) -> Map<String, Value> {
    let items =
        |name: &str| record.payload.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut fields = Map::new();
    match record.meta.stage {
        Stage::InputProcessing => {
            let inspirations = items("inspirations");
            if let Some(first) = inspirations.first() {
                fields.insert("trendTitle".to_owned(), text(first, "title").into());
                fields.insert("coreMechanism".to_owned(), core_mechanism(inspirations).into());
            }
            fields.insert("mechanisms".to_owned(), inspirations.iter().map(mechanism).collect());
        }
        Stage::SignalAmplification => {}
        Stage::GeneralTranslation => {
            let mut industries: Vec<&str> = Vec::new();
            let named = items("lessons").iter().filter_map(|lesson| lesson["transfers_to"].as_array());
            for industry in named.flatten().filter_map(Value::as_str) {
                if industries.len() < INDUSTRIES_MAX && !industries.contains(&industry) {
                    industries.push(industry);
                }
            }
            fields.insert("patternTransfersTo".to_owned(), industries.into());
        }
        Stage::BrandContextualization => {
            if let Some(first) = items("opportunities").first() {
                fields.insert("businessImpact".to_owned(), text(first, "pitch").into());
            }
        }
    }
    fields
}

/// The fields of all records.
pub(super) fn all(records: &[StageRecord]) -> Value {
    records.iter().flat_map(fields).collect::<Map<_, _>>().into()
}

/// The fields that the first row gets with its own record, as a JSON object. Empty for other stages.
pub(crate) fn own_fields(record: &StageRecord) -> String {
    let fields = if record.meta.stage == Stage::InputProcessing { fields(record) } else { Map::new() };
    Value::Object(fields).to_string()
}

/// The fields that a later stage adds to the first row, as members before its closing brace.
pub(crate) fn later_fields(record: &StageRecord) -> String {
    if record.meta.stage == Stage::InputProcessing {
        return String::new();
    }
    fields(record)
        .into_iter()
        .fold(String::new(), |members, (name, value)| format!("{members}, {}: {value}", Value::String(name)))
}

fn text<'v>(item: &'v Value, name: &str) -> &'v str {
    item.get(name).and_then(Value::as_str).unwrap_or_default().trim()
}

/// A mechanism in the form of the page's stage 1 report.
fn mechanism(inspiration: &Value) -> Value {
    json!({
        "title": text(inspiration, "title"),
        "concreteExample": text(inspiration, "summary"),
        "underlyingMechanism": text(inspiration, "mechanism"),
    })
}

fn core_mechanism(inspirations: &[Value]) -> String {
    let entries = inspirations.iter().take(MECHANISMS_MAX).map(|inspiration| {
        // If the page would split the mechanism, the entry shows the title instead.
        [text(inspiration, "mechanism"), text(inspiration, "title")]
            .into_iter()
            .find(|text| !text.is_empty() && !is_cut(text))
            .unwrap_or("See the report")
            .to_owned()
    });
    let entries: Vec<String> = entries.collect();
    match entries.as_slice() {
        [one] => one.clone(),
        all => {
            (1..).zip(all).map(|(number, entry)| format!("{number}. {entry}")).collect::<Vec<_>>().join("\n")
        }
    }
}

/// Whether the page would treat a number inside the text as the start of a list entry.
fn is_cut(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| matches!(pair, [b'0'..=b'9', b'.' | b')']))
}
