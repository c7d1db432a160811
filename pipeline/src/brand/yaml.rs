//! YAML as a tree with line numbers, so that one pass can report every problem of a profile.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_yaml::{Options, Spanned, options::DuplicateKeyPolicy};

use super::{limits::FILE_BYTES_MAX, problems::BrandProblem};

/// The deepest nesting that is read; profiles need 3.
const DEPTH_MAX: usize = 32;
/// The most nodes of one file, aliases expanded: a profile at all its limits has about 1,100.
const NODES_MAX: usize = 20_000;
/// The most text of one file with its aliases expanded, in bytes: four times the largest file.
const EXPANDED_BYTES_MAX: usize = 4 * FILE_BYTES_MAX;

/// A YAML value. Mappings keep their order and their duplicates.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<Node>, Spanned<Node>)>),
}

impl Node {
    /// The kind of the value, for people.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }

    /// The value of a mapping's key as text; numbers and booleans count as their spelling.
    pub(super) fn key_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Null | Self::List(_) | Self::Mapping(_) => None,
        }
    }

    /// The value as JSON. Of duplicate keys the last wins (they have been reported before).
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.trim().to_owned()),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Mapping(pairs) => pairs
                .iter()
                .filter_map(|(key, value)| Some((key.value.key_text()?, value.value.to_json())))
                .collect::<Map<_, _>>()
                .into(),
        }
    }
}

/// The line of a node, if the parser knows it.
pub(super) fn line<T>(node: &Spanned<T>) -> Option<u64> {
    let line = node.referenced.line();
    (line > 0).then_some(line)
}

/// Reads a file's YAML. An error is the only problem of the file, because nothing else can be checked.
pub(super) fn parse(yaml: &str) -> Result<Node, BrandProblem> {
    serde_yaml::from_str_with_options::<Spanned<Node>>(yaml, options()).map(|root| root.value).map_err(
        |error| {
            let plain = error.without_snippet();
            BrandProblem {
                field: "file".to_owned(),
                line: plain.location().map(|at| at.line()).filter(|line| *line > 0),
                message: format!("is not YAML that can be read ({plain})"),
                advice: "correct the syntax; a text that holds `: `, ` #` or starts with a special \
                         character needs quotes"
                    .to_owned(),
            }
        },
    )
}

fn options() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 3 * NODES_MAX,
            max_recorded_anchor_events: NODES_MAX,
            max_recorded_anchor_bytes: EXPANDED_BYTES_MAX,
            max_total_scalar_bytes: EXPANDED_BYTES_MAX,
            max_documents: 1,
            max_merge_keys: 100,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: 8,
        },
        // The checks report duplicates with all other problems, so the parser must pass them on.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // Only `true` and `false` are booleans: the country `NO` is Norway.
        strict_booleans: true,
        with_snippet: false,
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        Number::from_f64(value).map(Node::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Node::Mapping(pairs))
    }
}
