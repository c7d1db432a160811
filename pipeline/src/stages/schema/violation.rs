//! One schema violation, in words that a model can act on.

use jsonschema::{ValidationError, error::ValidationErrorKind};
use serde_json::Value;

/// A message may quote the offending value, which may be a page long.
const CHARS_MAX: usize = 200;

/// Describes a violation as `path: problem`. A violated bound comes with the bound and the value's length.
pub(super) fn describe(error: &ValidationError<'_>) -> String {
    // A nullable value fails as a whole. The branch with the value's type has the reason.
    if let ValidationErrorKind::AnyOf { context } = error.kind()
        && let Some(inner) =
            context.iter().find(|branch| !branch.iter().any(is_about_type)).and_then(|b| b.first())
    {
        return describe(inner);
    }
    let path = error.instance_path().to_string();
    let path = if path.is_empty() { "/" } else { &path };
    let mut what = bound(error).unwrap_or_else(|| error.to_string());
    if what.chars().count() > CHARS_MAX {
        what = what.chars().take(CHARS_MAX).collect::<String>() + "…";
    }
    format!("{path}: {what}")
}

/// The lists that have more items than the schema allows, the outer ones first.
pub(super) fn lists_too_long(schema: &Value, value: &Value, most: usize) -> Vec<String> {
    let mut found = Vec::new();
    note_long_lists(schema, value, "", most, &mut found);
    found
}

fn note_long_lists(schema: &Value, value: &Value, path: &str, most: usize, found: &mut Vec<String>) {
    match value {
        _ if found.len() >= most => {}
        Value::Array(list) => {
            let limit =
                schema.get("maxItems").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
            if let Some(limit) = limit.filter(|limit| list.len() > *limit) {
                found.push(format!("{path}: has {} items, at most {limit} are allowed", list.len()));
            } else if let Some(items) = schema.get("items") {
                let indexed = list.iter().enumerate();
                indexed.for_each(|(at, item)| {
                    note_long_lists(items, item, &format!("{path}/{at}"), most, found)
                });
            }
        }
        Value::Object(object) => {
            let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            for (name, property) in properties {
                if let Some(value) = object.get(name) {
                    note_long_lists(property, value, &format!("{path}/{name}"), most, found);
                }
            }
        }
        _ => {}
    }
}

fn is_about_type(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. })
}

fn bound(error: &ValidationError<'_>) -> Option<String> {
    let instance = error.instance();
    let items = instance.as_array().map_or(0, Vec::len);
    let characters = instance.as_str().map_or(0, |text| text.chars().count());
    Some(match error.kind() {
        ValidationErrorKind::MinItems { limit } => {
            format!("has {items} items, at least {limit} are required")
        }
        ValidationErrorKind::MaxItems { limit } => format!("has {items} items, at most {limit} are allowed"),
        ValidationErrorKind::MinLength { limit } => {
            format!("has {characters} characters, at least {limit} are required")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("has {characters} characters, at most {limit} are allowed")
        }
        ValidationErrorKind::Minimum { limit } => {
            format!("is {}, at least {limit} is required", number(instance))
        }
        ValidationErrorKind::Maximum { limit } => {
            format!("is {}, at most {limit} is allowed", number(instance))
        }
        _ => return None,
    })
}

fn number(instance: &Value) -> String {
    instance.as_number().map(ToString::to_string).unwrap_or_default()
}
