//! A walk over a JSON Schema, node by node, as every provider's check of it does.

use serde_json::Value;

/// A subschema, and the way to it from the root.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) schema: &'a Value,
    /// The keys on the way: `properties`, the property's name, `items` …
    pub(super) path: Vec<String>,
    /// Objects and arrays on the way, this one included.
    pub(super) depth: usize,
}

impl Node<'_> {
    pub(super) fn has(&self, keyword: &str) -> bool {
        self.schema.get(keyword).is_some()
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        match &self.schema["type"] {
            Value::String(given) => given == kind,
            Value::Array(given) => given.iter().any(|given| given == kind),
            _ => false,
        }
    }

    /// The path as Python writes a tuple, which is how OpenAI names a place.
    pub(super) fn tuple(&self) -> String {
        let quoted: Vec<String> = self.path.iter().map(|key| format!("'{key}'")).collect();
        match &quoted[..] {
            [single] => format!("({single},)"),
            several => format!("({})", several.join(", ")),
        }
    }

    /// The path as Google writes one, below `root`.
    pub(super) fn dotted(&self, root: &str) -> String {
        let mut text = root.to_owned();
        let mut keys = self.path.iter();
        while let Some(key) = keys.next() {
            match key.as_str() {
                "properties" => text += &format!(".properties[{}]", keys.next().map_or("", String::as_str)),
                "anyOf" => text += &format!(".any_of[{}]", keys.next().map_or("", String::as_str)),
                other => text += &format!(".{other}"),
            }
        }
        text
    }
}

/// All subschemas, the root first.
pub(super) fn nodes(root: &Value) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    visit(root, &mut Vec::new(), 0, &mut found);
    found
}

fn visit<'a>(schema: &'a Value, path: &mut Vec<String>, above: usize, found: &mut Vec<Node<'a>>) {
    let holds = schema.get("properties").is_some() || schema.get("items").is_some();
    let depth = above + usize::from(holds);
    found.push(Node { schema, path: path.clone(), depth });
    for map in ["properties", "$defs", "definitions"] {
        for (name, inner) in schema[map].as_object().into_iter().flatten() {
            path.extend([map.to_owned(), name.clone()]);
            // Definitions are counted where they are used.
            visit(inner, path, if map == "properties" { depth } else { 0 }, found);
            path.truncate(path.len() - 2);
        }
    }
    for list in ["anyOf", "oneOf", "allOf"] {
        for (position, inner) in schema[list].as_array().into_iter().flatten().enumerate() {
            path.extend([list.to_owned(), position.to_string()]);
            visit(inner, path, depth, found);
            path.truncate(path.len() - 2);
        }
    }
    if let Some(inner) = schema.get("items").filter(|items| items.is_object()) {
        path.push("items".to_owned());
        visit(inner, path, depth, found);
        path.pop();
    }
}
