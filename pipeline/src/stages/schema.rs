//! The JSON Schema of each stage's answer: the one that is sent is the one that is checked.

use std::sync::{Arc, LazyLock};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::{BrandContextualization, GeneralTranslation, InputProcessing, SignalAmplification};
use crate::run::Stage;

/// The keywords that every provider's strict structured output takes. Anything else that the generator
/// writes (`$schema`, `format`, `title`, `description` …) is left out, so that no endpoint refuses the
/// schema and none checks less than we do.
const KEYWORDS: [&str; 14] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
];

/// The most schema violations that are named when an answer is refused: a model asked again can use a few,
/// not hundreds.
const VIOLATIONS_MAX: usize = 12;

/// The schema of one stage's answer, compiled.
#[derive(Debug)]
pub struct StageSchema {
    pub name: &'static str,
    pub json: Arc<Value>,
    validator: Option<jsonschema::Validator>,
}

impl StageSchema {
    /// Checks a value; returns every violation (up to a limit) as `path: what is wrong`.
    pub fn check(&self, value: &Value) -> Result<(), Vec<String>> {
        let Some(validator) = &self.validator else {
            return Err(vec!["the stage's schema does not compile".to_owned()]);
        };
        let violations: Vec<String> = validator
            .iter_errors(value)
            .take(VIOLATIONS_MAX)
            .map(|error| {
                let path = error.instance_path().to_string();
                let path = if path.is_empty() { "/".to_owned() } else { path };
                let mut what = error.to_string();
                // The message quotes the offending value, which may be a page long.
                if what.chars().count() > 200 {
                    what = what.chars().take(200).collect::<String>() + "…";
                }
                format!("{path}: {what}")
            })
            .collect();
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}

/// The schema of a stage's answer.
#[must_use]
pub fn of(stage: Stage) -> &'static StageSchema {
    static SCHEMAS: LazyLock<[StageSchema; 4]> = LazyLock::new(|| {
        [
            build::<InputProcessing>("input_processing"),
            build::<SignalAmplification>("signal_amplification"),
            build::<GeneralTranslation>("general_translation"),
            build::<BrandContextualization>("brand_contextualization"),
        ]
    });
    let [first, second, third, fourth] = &*SCHEMAS;
    match stage {
        Stage::InputProcessing => first,
        Stage::SignalAmplification => second,
        Stage::GeneralTranslation => third,
        Stage::BrandContextualization => fourth,
    }
}

fn build<T: JsonSchema>(name: &'static str) -> StageSchema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut json = settings.into_generator().into_root_schema_for::<T>().to_value();
    reduce(&mut json);
    StageSchema { name, validator: jsonschema::validator_for(&json).ok(), json: Arc::new(json) }
}

/// Reduces a generated schema to [`KEYWORDS`] and to what the analyst is asked for (`readOnly` is set by the pipeline);
/// every property becomes required (strict mode asks for it)
/// and nullable unions become `anyOf`.
fn reduce(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    object.retain(|key, _| KEYWORDS.contains(&key.as_str()));
    if let Some(Value::Array(types)) = object.get("type")
        && types.len() == 2
        && types.iter().any(|t| t == "null")
    {
        let mut value_schema = object.clone();
        if let Some(kind) = types.iter().find(|t| *t != "null").cloned() {
            value_schema.insert("type".to_owned(), kind);
        }
        object.clear();
        object.insert(
            "anyOf".to_owned(),
            Value::Array(vec![Value::Object(value_schema), serde_json::json!({"type": "null"})]),
        );
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.retain(|_, property| property.get("readOnly") != Some(&Value::Bool(true)));
        let names: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
        properties.values_mut().for_each(reduce);
        object.insert("required".to_owned(), Value::Array(names));
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some(items) = object.get_mut("items") {
        reduce(items);
    }
    if let Some(Value::Array(variants)) = object.get_mut("anyOf") {
        variants.iter_mut().for_each(reduce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keywords_in(schema: &Value, found: &mut Vec<String>) {
        if let Value::Object(object) = schema {
            for (key, value) in object {
                found.push(key.clone());
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        properties.values().for_each(|inner| keywords_in(inner, found));
                    }
                    (_, Value::Array(list)) => list.iter().for_each(|inner| keywords_in(inner, found)),
                    (_, inner) => keywords_in(inner, found),
                }
            }
        }
    }

    #[test]
    fn schemas_use_only_keywords_that_strict_mode_takes() {
        for stage in Stage::ALL {
            let mut found = Vec::new();
            keywords_in(&of(stage).json, &mut found);
            found.retain(|key| !KEYWORDS.contains(&key.as_str()));
            assert!(found.is_empty(), "{stage}: {found:?}\n{:#}", of(stage).json);
            assert!(of(stage).validator.is_some(), "{stage} compiles");
        }
    }

    #[test]
    fn the_model_is_not_asked_for_what_the_pipeline_sets() {
        let text = of(Stage::InputProcessing).json.to_string();
        assert!(!text.contains("\"status\"") && !text.contains("\"id\""), "{text}");
    }

    #[test]
    fn a_violation_names_its_place() {
        let violations =
            of(Stage::InputProcessing).check(&serde_json::json!({"inspirations": [{}]})).unwrap_err();
        assert!(violations.iter().any(|v| v.starts_with("/inspirations")), "{violations:?}");
    }
}
