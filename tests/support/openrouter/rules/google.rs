//! Google's structured output, as the Gemini API checks it.
//!
//! Source: "Structured outputs" of the Gemini API (<https://ai.google.dev/gemini-api/docs/structured-output>) and the
//! `Schema` message of its reference: each node has one `type`; keywords that the message lacks are unknown names. The
//! sentences and shapes are those of public reports: zed-industries/zed#44875 (`const`), pickeld/pick-a-recipe#29
//! (`additionalProperties` at older endpoints), n4ze3m/page-assist#406 and Alishahryar1/free-claude-code#542 (the
//! OpenAI-compatible endpoint wraps the error in an array).

use serde_json::{Value, json};

use super::{
    Provider, Refusal, passed_on, sent_schema,
    walk::{self, Node},
};

const ROOT: &str = "generation_config.response_schema";

/// Which of Google's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    Today,
    /// Answers with an object, and does not know `additionalProperties`.
    Older,
}

const UNKNOWN: [&str; 12] = [
    "oneOf",
    "allOf",
    "not",
    "if",
    "const",
    "$schema",
    "$id",
    "patternProperties",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "uniqueItems",
];

pub(super) fn complaint(body: &Value, age: Age) -> Option<Refusal> {
    let schema = sent_schema(body)?;
    walk::nodes(schema).iter().find_map(|node| bad_node(node, age)).map(|why| refuse(&why, age))
}

fn bad_node(node: &Node<'_>, age: Age) -> Option<String> {
    let at = node.dotted(ROOT);
    let older = ["additionalProperties", "$ref", "$defs"];
    let more = if age == Age::Older { &older[..] } else { &[] };
    if let Some(name) = UNKNOWN.iter().chain(more).find(|name| node.has(name)) {
        return Some(format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field."
        ));
    }
    if !["type", "anyOf", "$ref"].iter().any(|keyword| node.has(keyword)) {
        return Some(format!("* GenerateContentRequest.{at}: schema didn't specify the schema type field."));
    }
    if node.is("array") && !node.has("items") {
        return Some(format!("* GenerateContentRequest.{at}.items: missing field."));
    }
    let is_empty =
        node.is("object") && node.schema["properties"].as_object().is_none_or(serde_json::Map::is_empty);
    is_empty.then(|| format!("* GenerateContentRequest.{at}.properties: should be non-empty for OBJECT type"))
}

fn refuse(message: &str, age: Age) -> Refusal {
    let error = json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}});
    match age {
        Age::Today => passed_on(Provider::Google, &json!([error])),
        Age::Older => passed_on(Provider::OlderGoogle, &error),
    }
}
