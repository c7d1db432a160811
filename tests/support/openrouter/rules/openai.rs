//! OpenAI's strict structured output.
//!
//! Source: the guide "Structured model outputs", its section "Supported schemas"
//! (<https://platform.openai.com/docs/guides/structured-outputs>): the root is an object and no `anyOf`; every field is
//! required; `additionalProperties: false` in every object; no `allOf`, `not`, `dependentRequired`,
//! `dependentSchemas`, `if`; 5,000 properties; ten levels of nesting (five before 2025); 120,000 characters of names and
//! words; 1,000 words of enums. The sentences are those of public reports: danny-avila/LibreChat#6971 (no type),
//! GREsau/schemars#34 (`oneOf`), tidyverse/ellmer#671 (nesting), pydantic/pydantic-ai#4490 (bounds have been taken since 2025).

use serde_json::{Value, json};

use super::{Provider, Refusal, passed_on, sent_schema, walk};

const NAME_CHARS_MAX: usize = 64;
const PROPERTIES_MAX: usize = 5_000;
const LEVELS_MAX: usize = 10;
const CHARS_MAX: usize = 120_000;
const ENUM_WORDS_MAX: usize = 1_000;

/// The keywords of the subset.
const KEYWORDS: [&str; 26] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "$ref",
    "$defs",
    "definitions",
    "$schema",
    "$id",
    "title",
    "description",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
];

pub(super) fn complaint(body: &Value) -> Option<Refusal> {
    let format = &body["response_format"];
    if format["type"] == "json_object" {
        return super::json_mode::without_the_word(Provider::OpenAi, body);
    }
    let schema = sent_schema(body)?;
    let name = format["json_schema"]["name"].as_str().unwrap_or_default();
    if let Some(why) = bad_name(name) {
        return Some(refuse(&why, "response_format.json_schema.name"));
    }
    // Without `strict` the schema is a hint.
    if format["json_schema"]["strict"] != true {
        return None;
    }
    let why = bad_root(schema).or_else(|| bad_node(schema)).or_else(|| too_large(schema))?;
    Some(refuse(&format!("Invalid schema for response_format '{name}': {why}"), "response_format"))
}

fn bad_name(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_good = !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(fits);
    (!is_good).then(|| {
        format!(
            "Invalid 'response_format.json_schema.name': string does not match pattern. Expected a string of at most \
             {NAME_CHARS_MAX} characters that matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
    })
}

fn bad_root(schema: &Value) -> Option<String> {
    let kind = schema["type"].as_str().unwrap_or("None");
    (kind != "object" || schema.get("anyOf").is_some())
        .then(|| format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."))
}

fn bad_node(schema: &Value) -> Option<String> {
    walk::nodes(schema).iter().find_map(|node| {
        let at = node.tuple();
        let keys = node.schema.as_object()?;
        if let Some(unknown) = keys.keys().find(|key| !KEYWORDS.contains(&key.as_str())) {
            return Some(format!("In context={at}, '{unknown}' is not permitted."));
        }
        if !["type", "anyOf", "enum", "const", "$ref"].iter().any(|keyword| node.has(keyword)) {
            return Some(format!("In context={at}, schema must have a 'type' key."));
        }
        if node.is("array") && !node.has("items") {
            return Some(format!("In context={at}, array schema missing items."));
        }
        node.is("object").then(|| bad_object(node.schema, &at))?
    })
}

fn bad_object(object: &Value, at: &str) -> Option<String> {
    if object["additionalProperties"] != false {
        return Some(format!(
            "In context={at}, 'additionalProperties' is required to be supplied and to be false."
        ));
    }
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = object["properties"].as_object();
    let missing = properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .find(|name| !required.contains(&name.as_str()))?;
    Some(format!(
        "In context={at}, 'required' is required to be supplied and to be an array including every key in properties. \
         Missing '{missing}'."
    ))
}

fn too_large(schema: &Value) -> Option<String> {
    let nodes = walk::nodes(schema);
    let levels = nodes.iter().map(|node| node.depth).max().unwrap_or_default();
    if levels > LEVELS_MAX {
        return Some(format!("{levels} levels of nesting exceeds limit of {LEVELS_MAX}."));
    }
    let names: Vec<&String> = nodes
        .iter()
        .filter_map(|node| node.schema["properties"].as_object())
        .flat_map(|map| map.keys())
        .collect();
    if names.len() > PROPERTIES_MAX {
        return Some(format!("{} object properties exceeds limit of {PROPERTIES_MAX}.", names.len()));
    }
    let words: Vec<&Value> =
        nodes.iter().filter_map(|node| node.schema["enum"].as_array()).flatten().collect();
    if words.len() > ENUM_WORDS_MAX {
        return Some(format!("{} enum values exceeds limit of {ENUM_WORDS_MAX}.", words.len()));
    }
    let chars = names.iter().map(|name| name.len()).sum::<usize>()
        + words.iter().filter_map(|word| word.as_str()).map(str::len).sum::<usize>();
    (chars > CHARS_MAX).then(|| format!("total string length of {chars} exceeds limit of {CHARS_MAX}."))
}

fn refuse(message: &str, param: &str) -> Refusal {
    let error = json!({"message": message, "type": "invalid_request_error", "param": param, "code": null});
    passed_on(Provider::OpenAi, &json!({"error": error}))
}
