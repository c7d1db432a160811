//! Reads JSON as model endpoints really send it: with repeated keys, halves of surrogate pairs, broken bytes,
//! or several values.
//!
//! `serde_json` refuses half of an escaped surrogate pair, and bytes that are no UTF-8. A provider cuts its
//! text into tokens, and a token may end between two halves or two bytes. So `text_of` replaces each stray
//! half or byte by a character of a private plane. [`join`] puts neighbours together again when the whole
//! text is there.

mod markers;
mod rewrites;
#[cfg(test)]
mod tests;
mod visitor;

use std::cell::Cell;

use serde::de::DeserializeSeed;
use serde_json::Value;

use self::{markers::text_of, rewrites::with_null_numbers, visitor::Tolerant};
pub use self::{
    markers::{join, mark},
    rewrites::with_escaped_controls,
};
use crate::llm::{Oddities, Oddity};

/// The JSON values of a text, and the rest if the text continues with something else.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    pub values: Vec<Value>,
    pub rest: Option<Rest>,
}

/// The text behind the last whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    pub text: String,
    /// Whether the rest is the beginning of a value.
    pub is_cut_off: bool,
}

/// Reads the JSON values of `bytes`, one after the other. Adds the tolerated deviations to `oddities`. Texts
/// in the values may hold markers: see [`join`].
#[must_use]
pub fn values(bytes: &[u8], oddities: &mut Oddities) -> Values {
    let text = text_of(bytes, oddities);
    let found = values_of(&text, oddities);
    match found.rest.as_ref().and_then(|_| with_null_numbers(&text)) {
        Some(text) => values_of(&text, oddities),
        None => found,
    }
}

fn values_of(text: &str, oddities: &mut Oddities) -> Values {
    let (mut found, mut at) = (Values::default(), 0);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        if rest.trim().is_empty() {
            break;
        }
        match raw_first_value(rest, oddities) {
            Ok((value, length)) => {
                found.values.push(value);
                at += length;
            }
            Err(error) => {
                found.rest = Some(Rest { text: rest.trim().to_owned(), is_cut_off: error.is_eof() });
                break;
            }
        }
    }
    if found.values.len() > 1 {
        oddities.insert(Oddity::SeveralValues);
    }
    found
}

fn raw_first_value(text: &str, oddities: &mut Oddities) -> serde_json::Result<(Value, usize)> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = one(&mut reader, oddities)?;
    let rest: serde_json::StreamDeserializer<'_, _, serde::de::IgnoredAny> = reader.into_iter();
    Ok((value, rest.byte_offset()))
}

/// Reads a text that is one JSON value. The text went through [`mark`]. The value holds no markers.
///
/// # Errors
///
/// `text` is no JSON, or holds more than one value.
pub fn value(text: &str, oddities: &mut Oddities) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = one(&mut reader, oddities)?;
    reader.end()?;
    Ok(joined(value))
}

/// Reads the JSON value at the beginning of a text, and returns it with its length in bytes. The text went
/// through [`mark`]. The value holds no markers.
///
/// # Errors
///
/// `text` does not begin with a JSON value. [`serde_json::Error::is_eof`] means that the value does not end.
pub fn first_value(text: &str, oddities: &mut Oddities) -> serde_json::Result<(Value, usize)> {
    let (value, length) = raw_first_value(text, oddities)?;
    Ok((joined(value), length))
}

fn one<'de, R: serde_json::de::Read<'de>>(
    reader: &mut serde_json::Deserializer<R>,
    oddities: &mut Oddities,
) -> serde_json::Result<Value> {
    let duplicates = Cell::new(false);
    let value = Tolerant { duplicates: &duplicates }.deserialize(reader)?;
    if duplicates.get() {
        oddities.insert(Oddity::DuplicateKeys);
    }
    Ok(value)
}

/// The value with [`join`] applied to every text in it.
fn joined(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(join(text)),
        Value::Array(list) => Value::Array(list.into_iter().map(joined).collect()),
        Value::Object(object) => {
            Value::Object(object.into_iter().map(|(key, value)| (join(key), joined(value))).collect())
        }
        other => other,
    }
}
