//! The fields of an event or a span, and the cleaning of their texts.

use std::{collections::BTreeMap, fmt};

use pipeline::visible_text::is_invisible;
use serde_json::Value;
use tracing::field::{Field, Visit};

/// The longest text of one field, in bytes. A longer text would be a document.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Fields by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(BTreeMap<&'static str, Value>);

impl Fields {
    /// Adds another's fields, which override fields of the same name.
    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(name, value)| (*name, value.clone())));
    }

    /// The event's message. `tracing` treats it as a field.
    pub(super) fn take_message(&mut self) -> String {
        match self.0.remove("message") {
            Some(Value::String(message)) => message,
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    pub(super) fn into_inner(self) -> BTreeMap<&'static str, Value> {
        self.0
    }

    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name(), value.into());
    }

    fn set_text(&mut self, field: &Field, text: &str) {
        let cut = text.floor_char_boundary(TEXT_BYTES_MAX);
        let text = match text.get(..cut) {
            Some(start) if cut < text.len() => format!("{start}… ({} bytes)", text.len()),
            _ => text.to_owned(),
        };
        self.set(field, text);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.set(field, value),
            Err(_) => self.set(field, value.to_string()),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.set(field, value),
            Err(_) => self.set(field, value.to_string()),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.set(field, number),
            // JSON has neither infinities nor NaN.
            None => self.set(field, value.to_string()),
        }
    }

    /// Records the error and its causes.
    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.set_text(field, &text);
    }
}

/// Whether a character may mislead a terminal or a reader. A log shows each as an escape, because its reader looks for causes.
fn is_harmful(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

fn without(text: &str, is_allowed: impl Fn(char) -> bool) -> String {
    if !text.chars().any(is_harmful) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        if is_harmful(c) && !is_allowed(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// Cleans a text for a JSON line. JSON escapes line breaks, but a reader of JSON would restore other control
/// characters.
pub(super) fn for_json(text: &str) -> String {
    without(text, |c| matches!(c, '\n' | '\t'))
}

/// Cleans a text for a line on a terminal.
pub(super) fn for_terminal(text: &str) -> String {
    without(text, |_| false)
}

/// Cleans a field's value for a terminal, in quotes if its end would not be visible.
pub(super) fn quoted(text: &str) -> String {
    let text = for_terminal(text);
    if text.is_empty() || text.contains([' ', '"', '=']) {
        format!("\"{}\"", text.replace('"', "\\\""))
    } else {
        text
    }
}
