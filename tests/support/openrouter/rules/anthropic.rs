//! Anthropic's strict structured output.
//!
//! Source: "Structured outputs", its section "JSON Schema limitations"
//! (<https://docs.claude.com/en/docs/build-with-claude/structured-outputs>): no numeric constraints, no string
//! constraints, no array constraints beyond `minItems` of 0 or 1, no `additionalProperties` other than `false`, no
//! recursion, at most 16 unions. The sentences are those of public reports: agentjido/req_llm#302 and #707,
//! ghostlobster/memorize-everything#93 (bounds), vercel/ai#12876 (`oneOf`), sherifkozman/the-llm-council#55 (through
//! OpenRouter).

use serde_json::{Value, json};

use super::{
    Provider, Refusal, passed_on, sent_schema,
    walk::{self, Node},
};

/// The keywords that each type may not have.
const UNSUPPORTED: [(&str, &[&str]); 5] = [
    ("array", &["maxItems", "uniqueItems", "contains", "prefixItems"]),
    ("string", &["minLength", "maxLength"]),
    ("integer", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    ("number", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    ("object", &["minProperties", "maxProperties", "patternProperties"]),
];
const UNIONS_MAX: usize = 16;
/// `cache_control` marks in one request.
const BREAKPOINTS_MAX: usize = 4;

pub(super) fn complaint(body: &Value) -> Option<Refusal> {
    let marks = marks(body);
    if marks > BREAKPOINTS_MAX {
        return Some(refuse(&format!(
            "A maximum of {BREAKPOINTS_MAX} blocks with cache_control may be provided. Found {marks}."
        )));
    }
    let schema = sent_schema(body)?;
    let nodes = walk::nodes(schema);
    let why = nodes.iter().find_map(bad_node).or_else(|| recursion(schema, &nodes)).or_else(|| {
        let unions = nodes.iter().filter(|node| node.has("anyOf") || node.schema["type"].is_array()).count();
        (unions > UNIONS_MAX).then(|| {
            format!("Schema contains too many parameters with union types ({unions} parameters), limit: {UNIONS_MAX}")
        })
    })?;
    Some(refuse(&format!("output_config.format.schema: {why}")))
}

fn marks(body: &Value) -> usize {
    let messages = body["messages"].as_array().into_iter().flatten();
    let parts = messages.filter_map(|message| message["content"].as_array()).flatten();
    parts.filter(|part| part.get("cache_control").is_some()).count()
}

fn bad_node(node: &Node<'_>) -> Option<String> {
    for keyword in ["oneOf", "not", "if", "allOf"] {
        if node.has(keyword) {
            return Some(format!("Schema type '{keyword}' is not supported"));
        }
    }
    for (kind, keywords) in UNSUPPORTED {
        if let Some(keyword) = keywords.iter().find(|keyword| node.is(kind) && node.has(keyword)) {
            return Some(format!("For '{kind}' type, property '{keyword}' is not supported"));
        }
    }
    if node.is("array") && node.schema["minItems"].as_u64().is_some_and(|least| least > 1) {
        return Some("For 'array' type, 'minItems' values other than 0 or 1 are not supported".to_owned());
    }
    let is_open = node.is("object") && node.schema["additionalProperties"] != false;
    is_open.then(|| "For 'object' type, 'additionalProperties' must be explicitly set to false".to_owned())
}

/// A definition that leads to itself, or a reference to the root.
fn recursion(root: &Value, nodes: &[Node<'_>]) -> Option<String> {
    let refers = nodes.iter().filter_map(|node| node.schema["$ref"].as_str());
    let circular = refers.into_iter().any(|name| name == "#" || leads_back(root, name, name, 0));
    circular.then(|| "Circular reference detected in schema definitions".to_owned())
}

fn leads_back(root: &Value, from: &str, to: &str, depth: usize) -> bool {
    // Longer than any chain of references that is not circular.
    const CHAIN_MAX: usize = 64;
    let Some(inner) = from.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) else { return false };
    let nodes = walk::nodes(inner);
    let mut next = nodes.iter().filter_map(|node| node.schema["$ref"].as_str());
    depth < CHAIN_MAX && next.any(|next| next == to || next != from && leads_back(root, next, to, depth + 1))
}

fn refuse(message: &str) -> Refusal {
    let error = json!({"type": "invalid_request_error", "message": message});
    passed_on(Provider::Anthropic, &json!({"type": "error", "error": error, "request_id": "req_stand_in"}))
}
