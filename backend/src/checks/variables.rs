//! All variables of the environment, as `.env.example` lists them. A test compares that list with the code.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The list itself, for people.
pub const EXAMPLE: &str = include_str!("../../../.env.example");

/// Ends of the names of variables whose values are secret, or may hold a secret.
const SECRET_ENDS: [&str; 8] = ["KEY", "KEYS", "KEY_ID", "TOKEN", "SECRET", "SECRETS", "URL", "HEADERS"];

/// Names that the platform sets in every service, and that say nothing about its settings.
const PLATFORM: &str = "RAILWAY_";

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// The default. None where there is none, or where it depends on something else.
    pub default: Option<&'static str>,
    pub description: String,
}

/// All variables that the service reads.
#[must_use]
pub fn all() -> Vec<Variable> {
    let (mut all, mut description) = (Vec::new(), String::new());
    for line in EXAMPLE.lines() {
        if let Some(prose) = line.strip_prefix("# ") {
            let is_heading = prose.starts_with("----");
            if is_heading {
                description.clear();
            } else {
                description = format!("{description} {prose}").trim().to_owned();
            }
            continue;
        }
        let Some((name, default)) = line.trim_start_matches('#').split_once('=') else {
            description.clear();
            continue;
        };
        let default = Some(default).filter(|default| !default.is_empty());
        all.push(Variable { name, default, description: std::mem::take(&mut description) });
    }
    all
}

/// Whether the platform sets a variable in every service.
#[must_use]
pub fn is_of_platform(name: &str) -> bool {
    name.starts_with(PLATFORM)
}

/// Whether a variable's value must not be shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRET_ENDS.iter().any(|end| name.ends_with(end)) || name.ends_with("NON_POOLING")
}

/// The JSON Schema of the whole environment. Each value is a text, as the environment has it.
#[must_use]
pub fn schema() -> Value {
    let mut properties = Map::new();
    for Variable { name, default, description } in all() {
        let mut property = json!({ "type": "string" });
        if let Some(property) = property.as_object_mut() {
            if !description.is_empty() {
                property.insert("description".to_owned(), json!(description));
            }
            if is_secret(name) {
                property.insert("writeOnly".to_owned(), json!(true));
            }
            if let Some(default) = default {
                property.insert("default".to_owned(), json!(default));
                if let Some(pattern) = pattern(default) {
                    property.insert("pattern".to_owned(), json!(pattern));
                }
            }
        }
        properties.insert(name.to_owned(), property);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The environment of innovation",
        "type": "object",
        "properties": properties,
        "additionalProperties": { "type": "string" },
    })
}

/// The form of all values of a variable with this default. An empty value counts as unset.
fn pattern(default: &str) -> Option<&'static str> {
    match default {
        "true" | "false" => Some("^\\s*(?i:true|1|yes|on|false|0|no|off)?\\s*$"),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => Some("^\\s*[0-9]*\\s*$"),
        _ => None,
    }
}

/// How two environments differ, by names alone. No value is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Set here, and not there.
    pub only_here: Vec<String>,
    /// Set there, and not here.
    pub only_there: Vec<String>,
    /// Set on both sides to other values.
    pub different: Vec<String>,
    /// Set there, and read by nothing.
    pub unread: Vec<String>,
}

impl Drift {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares this environment with a platform's. Variables that the service does not read count there alone, because a shell
/// is full of them. A variable that is unset equals its default.
#[must_use]
pub fn drift(here: &BTreeMap<String, String>, there: &BTreeMap<String, String>) -> Drift {
    let known = all();
    let mut drift = Drift::default();
    let value = |side: &BTreeMap<String, String>, name: &str| {
        side.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    for Variable { name, default, .. } in &known {
        // The platform sets them for each of its processes, and nobody else has them.
        if name.starts_with(PLATFORM) {
            continue;
        }
        let default = default.map(str::to_owned);
        let (ours, theirs) = (value(here, name), value(there, name));
        if ours.clone().or(default.clone()) == theirs.clone().or(default) {
            continue;
        }
        let list = match (ours, theirs) {
            (Some(_), Some(_)) => &mut drift.different,
            (Some(_), None) => &mut drift.only_here,
            (None, _) => &mut drift.only_there,
        };
        list.push((*name).to_owned());
    }
    let is_read = |name: &str| known.iter().any(|variable| variable.name == name);
    drift.unread =
        there.keys().filter(|name| !name.starts_with(PLATFORM) && !is_read(name)).cloned().collect();
    drift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_list_has_defaults_and_descriptions() {
        let all = all();
        let port = all.iter().find(|variable| variable.name == "PORT").unwrap();
        assert_eq!(port.default, Some("8000"));
        let database = all.iter().find(|variable| variable.name == "DATABASE_URL").unwrap();
        assert!(database.default.is_none() && database.description.contains("pooler"), "{database:?}");
    }

    #[test]
    fn drift_names_variables_and_no_values() {
        let here =
            environment(&[("PORT", "8000"), ("DATABASE_URL", "hush"), ("LOG_LEVEL", "info"), ("HOME", "/")]);
        let there = environment(&[
            ("DATABASE_URL", "hush-hush"),
            ("LEASE_SECONDS", "20"),
            ("DATABSE_URL", "typo"),
            ("RAILWAY_PROJECT_ID", "x"),
        ]);
        let drift = drift(&here, &there);
        let expected = Drift {
            only_here: vec!["LOG_LEVEL".to_owned()],
            only_there: vec!["LEASE_SECONDS".to_owned()],
            different: vec!["DATABASE_URL".to_owned()],
            unread: vec!["DATABSE_URL".to_owned()],
        };
        assert_eq!(drift, expected);
        assert!(!serde_json::to_string(&drift).unwrap().contains("hush"));
    }

    #[test]
    fn the_schema_accepts_the_defaults() {
        let schema = schema();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let defaults: Map<String, Value> = all()
            .iter()
            .filter_map(|variable| Some((variable.name.to_owned(), json!(variable.default?))))
            .collect();
        assert!(defaults.len() > 40, "{}", defaults.len());
        assert!(validator.is_valid(&Value::Object(defaults)));
        assert!(!validator.is_valid(&json!({ "PORT": "eighty" })));
    }
}
