//! Makes the two renderings of a Rust type's schema.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The keywords of the schema that is sent. The strict modes of OpenAI, Anthropic and Google accept all of
/// them.
pub(super) const SENT_KEYWORDS: [&str; 8] =
    ["type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "description"];

/// The bounds, which only the checked schema holds.
pub(super) const BOUNDS: [&str; 6] = ["minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum"];

/// The schema of an answer, with every keyword that either rendering uses. It is inlined and closed, and
/// requires every property. Enumerations are typed lists of words, and nullable values are `anyOf`.
/// Properties that the pipeline sets (`readOnly`) are left out.
pub(super) fn normal_form<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    normalise(&mut schema);
    schema
}

/// The rendering for providers. Descriptions state the bounds, for models that see only the schema.
pub(super) fn sent(normal: &Value) -> Value {
    render(normal, &|object| {
        let described = description(object);
        object.retain(|key, _| SENT_KEYWORDS.contains(&key.as_str()));
        if let Some(described) = described {
            object.insert("description".to_owned(), Value::String(described));
        }
    })
}

/// The rendering for the check and for the prompt.
pub(super) fn checked(normal: &Value) -> Value {
    render(normal, &|object| {
        object.remove("description");
    })
}

fn normalise(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    words_of_variants(object);
    object.retain(|key, _| SENT_KEYWORDS.contains(&key.as_str()) || BOUNDS.contains(&key.as_str()));
    split_nullable(object);
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.retain(|_, property| property.get("readOnly") != Some(&Value::Bool(true)));
        let names: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
        properties.values_mut().for_each(normalise);
        object.insert("required".to_owned(), Value::Array(names));
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some(items) = object.get_mut("items") {
        normalise(items);
    }
    if let Some(Value::Array(variants)) = object.get_mut("anyOf") {
        variants.iter_mut().for_each(normalise);
    }
}

/// Turns `const`, and `oneOf` over `const`, into a typed `enum`. The generator writes them for enumerations
/// with documented variants. The variants' descriptions join the one of the whole.
fn words_of_variants(object: &mut Map<String, Value>) {
    if let Some(word) = object.remove("const") {
        object.insert("enum".to_owned(), json!([word]));
    }
    let Some(Value::Array(variants)) = object.remove("oneOf") else {
        if object.contains_key("enum") {
            object.entry("type").or_insert_with(|| json!("string"));
        }
        return;
    };
    let mut words = Vec::new();
    let mut meanings: Vec<String> =
        object.get("description").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    for variant in &variants {
        let listed = variant.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
        for word in variant.get("const").cloned().into_iter().chain(listed) {
            if let (Some(name), Some(meaning)) =
                (word.as_str(), variant.get("description").and_then(Value::as_str))
            {
                meanings.push(format!("{name}: {meaning}"));
            }
            words.push(word);
        }
    }
    object.insert("type".to_owned(), json!("string"));
    object.insert("enum".to_owned(), Value::Array(words));
    if !meanings.is_empty() {
        object.insert("description".to_owned(), Value::String(meanings.join(" ")));
    }
}

/// Turns `"type": ["string", "null"]` into `anyOf` of the value's schema and null. The description stays
/// outside.
fn split_nullable(object: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = object.get("type") else { return };
    let Some(kind) = types.iter().find(|kind| *kind != "null").cloned() else { return };
    let description = object.remove("description");
    let mut value_schema = std::mem::take(object);
    value_schema.insert("type".to_owned(), kind);
    object.insert("anyOf".to_owned(), json!([value_schema, {"type": "null"}]));
    if let Some(description) = description {
        object.insert("description".to_owned(), description);
    }
}

/// A copy in which `edit` has changed every node.
fn render(schema: &Value, edit: &dyn Fn(&mut Map<String, Value>)) -> Value {
    let mut schema = schema.clone();
    edit_nodes(&mut schema, edit);
    schema
}

fn edit_nodes(schema: &mut Value, edit: &dyn Fn(&mut Map<String, Value>)) {
    let Value::Object(object) = schema else { return };
    edit(object);
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(|property| edit_nodes(property, edit));
    }
    if let Some(items) = object.get_mut("items") {
        edit_nodes(items, edit);
    }
    if let Some(Value::Array(variants)) = object.get_mut("anyOf") {
        variants.iter_mut().for_each(|variant| edit_nodes(variant, edit));
    }
}

/// The node's description in one line, followed by its bounds in words.
fn description(object: &Map<String, Value>) -> Option<String> {
    let written = object.get("description").and_then(Value::as_str).unwrap_or_default();
    let written = written.split_whitespace().collect::<Vec<_>>().join(" ");
    let bound = |name: &str| object.get(name).and_then(Value::as_u64);
    let ranges = [
        range(bound("minItems"), bound("maxItems"), " items"),
        range(bound("minLength"), bound("maxLength"), " characters"),
        range(bound("minimum"), bound("maximum"), ""),
    ];
    let parts: Vec<String> = Some(written)
        .filter(|text| !text.is_empty())
        .into_iter()
        .chain(ranges.into_iter().flatten())
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn range(least: Option<u64>, most: Option<u64>, unit: &str) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}.")),
        (Some(least), None) => Some(format!("At least {least}{unit}.")),
        (None, Some(most)) => Some(format!("At most {most}{unit}.")),
        (None, None) => None,
    }
}
