//! Finds the object in a model's reply that is its answer.
//!
//! The order is: the whole content, an object in a code fence, the last object within other text, the
//! arguments of a tool call. The reasoning counts only if the content is empty. Objects within a block of
//! thoughts, or in the prompt, are never taken.

use std::borrow::Cow;

use serde_json::Value;

use super::scan::{Object, scan};
use crate::{
    llm::{Oddities, Oddity, ReplyParts},
    stages::schema::StageSchema,
    tolerant_json,
};

/// The longest text that is searched. The longest valid answer has about 70,000 characters. With all of them
/// escaped, it still fits.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// The most objects, lists or strings around the answer.
const WRAPPINGS_MAX: usize = 3;

/// An object that may be the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) value: Value,
    /// The deviations that the search tolerated.
    pub(super) oddities: Oddities,
}

/// Looks for the answer that satisfies `schema`. `is_finished` says whether the endpoint confirms that the
/// reply is whole. Without that, an object within other text may be a part of something, so only a bare one
/// is taken. `stands_in_prompt` gets an object that satisfies the schema.
///
/// # Errors
///
/// The violations of the best candidate, if no object is the answer.
pub(super) fn find(
    schema: &StageSchema,
    parts: &ReplyParts,
    is_finished: bool,
    stands_in_prompt: &dyn Fn(&Value) -> bool,
) -> Result<Found, Vec<String>> {
    let mut search = Search { schema, stands_in_prompt, refused: None };
    let mut no_object = None;
    for content in Variant::of(&parts.content) {
        match search.whole(&content) {
            Ok(found) => return Ok(found),
            Err(error) => no_object.get_or_insert(error),
        };
        if let Some(found) = is_finished.then(|| search.inside(&content)).flatten() {
            return Ok(found);
        }
    }
    if is_finished {
        if let Some(found) = parts.tool_calls.iter().find_map(|arguments| search.anywhere(arguments)) {
            return Ok(found.with(Oddity::ToolCall));
        }
        let is_silent = Variant::of(&parts.content).all(|content| !scan(&content.text).says_something);
        if let Some(found) = is_silent.then(|| search.anywhere(&parts.reasoning)).flatten() {
            return Ok(found.with(Oddity::AnswerInReasoning));
        }
    }
    let no_object =
        no_object.unwrap_or_else(|| format!("it is empty or has more than {TEXT_BYTES_MAX} bytes"));
    Err(match search.refused {
        Some(Refused { violations, .. }) => violations,
        None => vec![format!("/: the answer is not one JSON object ({no_object})")],
    })
}

/// Every object of a text that satisfies the schema, also in a wrapping. Somebody else than the model has
/// written it.
pub(super) fn answers_in(schema: &StageSchema, text: &str) -> Vec<Value> {
    let objects = Variant::of(text).flat_map(|variant| scan(&variant.text).objects);
    objects.filter_map(|object| unwrapped_to(schema, object.value).map(|(value, _)| value)).collect()
}

impl Found {
    fn with(mut self, oddity: Oddity) -> Self {
        self.oddities.insert(oddity);
        self
    }
}

/// A text as it is searched.
struct Variant<'t> {
    text: Cow<'t, str>,
    oddities: Oddities,
}

impl<'t> Variant<'t> {
    /// The text without white space and byte order marks around it, and with halves of surrogate pairs
    /// marked. If strings hold control characters, a second variant has them escaped. A blank or too long
    /// text has no variant.
    fn of(text: &'t str) -> impl Iterator<Item = Self> {
        let bare = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
        let is_searched = !bare.is_empty() && bare.len() <= TEXT_BYTES_MAX;
        let mut oddities = Oddities::default();
        if text.contains('\u{FEFF}') {
            oddities.insert(Oddity::ByteOrderMark);
        }
        let plain = is_searched.then(|| {
            let text = tolerant_json::mark(bare, &mut oddities);
            Self { text, oddities }
        });
        let escaped = plain.as_ref().and_then(|plain| tolerant_json::with_escaped_controls(&plain.text));
        let escaped = escaped.map(|text| {
            let mut oddities = oddities;
            oddities.insert(Oddity::ControlCharacter);
            Self { text: Cow::Owned(text), oddities }
        });
        plain.into_iter().chain(escaped)
    }
}

struct Search<'a> {
    schema: &'a StageSchema,
    stands_in_prompt: &'a dyn Fn(&Value) -> bool,
    /// The best object that is not the answer.
    refused: Option<Refused>,
}

struct Refused {
    length: usize,
    violations: Vec<String>,
}

impl Search<'_> {
    /// The answer as the whole of a text. The error says why the text is no JSON, or that its object is
    /// refused.
    fn whole(&mut self, text: &Variant<'_>) -> Result<Found, String> {
        let mut oddities = text.oddities;
        let value = tolerant_json::value(&text.text, &mut oddities).map_err(|error| error.to_string())?;
        self.judge(value, text.text.len(), oddities).ok_or_else(|| "it is another JSON value".to_owned())
    }

    /// The answer within a text, outside of thoughts: the last one in a code fence, else the last one between
    /// other words. If the text ends in the middle of an object, an earlier one may be a draft, so none is
    /// taken.
    fn inside(&mut self, text: &Variant<'_>) -> Option<Found> {
        let scanned = scan(&text.text);
        let (mut fenced, mut embedded) = (None, None);
        let is_alone = scanned.objects.len() == 1 && scanned.holds_thoughts;
        for Object { value, length, is_fenced, mut oddities } in scanned.objects {
            oddities |= text.oddities;
            if scanned.holds_thoughts {
                oddities.insert(Oddity::ThinkBlock);
            }
            let Some(found) = self.judge(value, length, oddities) else { continue };
            if is_fenced {
                fenced = Some(found.with(Oddity::CodeFence));
            } else {
                embedded = Some(if is_alone { found } else { found.with(Oddity::SurroundingText) });
            }
        }
        fenced.or(embedded).filter(|_| !scanned.is_cut_off)
    }

    /// The answer as the whole of a text, or within it.
    fn anywhere(&mut self, text: &str) -> Option<Found> {
        Variant::of(text).find_map(|variant| self.whole(&variant).ok().or_else(|| self.inside(&variant)))
    }

    /// The value, or the one object within it, if it satisfies the schema and does not stand in the prompt.
    fn judge(&mut self, value: Value, length: usize, mut oddities: Oddities) -> Option<Found> {
        if value.is_object() && !self.schema.accepts(&value) {
            let schema = self.schema;
            self.refuse(length, || schema.check(&value).err().unwrap_or_default());
        }
        let (value, wrappings) = unwrapped_to(self.schema, value)?;
        if (self.stands_in_prompt)(&value) {
            self.refuse(length, || vec!["/: the answer repeats an object of the prompt".to_owned()]);
            return None;
        }
        if wrappings > 0 {
            oddities.insert(Oddity::WrappedObject);
        }
        Some(Found { value, oddities })
    }

    /// Keeps the violations of the longest object, which is most likely the intended answer.
    fn refuse(&mut self, length: usize, violations: impl FnOnce() -> Vec<String>) {
        if self.refused.as_ref().is_none_or(|refused| refused.length < length) {
            self.refused = Some(Refused { length, violations: violations() });
        }
    }
}

/// The value that satisfies the schema, itself or within wrappings, and the number of wrappings.
fn unwrapped_to(schema: &StageSchema, mut value: Value) -> Option<(Value, usize)> {
    for wrappings in 0..=WRAPPINGS_MAX {
        if schema.accepts(&value) {
            return Some((value, wrappings));
        }
        value = unwrapped(value)?;
    }
    None
}

/// The only item of a list, the only member of an object, the arguments of a tool call, or the JSON in a string.
fn unwrapped(value: Value) -> Option<Value> {
    match value {
        Value::String(text) => {
            let text = tolerant_json::mark(text.trim(), &mut Oddities::default());
            tolerant_json::value(&text, &mut Oddities::default()).ok()
        }
        Value::Array(list) if list.len() == 1 => list.into_iter().next(),
        Value::Object(mut object) => {
            let arguments =
                ["arguments", "parameters", "input"].into_iter().find_map(|name| object.remove(name));
            arguments.or_else(|| {
                if object.len() == 1 { object.into_iter().next().map(|(_, only)| only) } else { None }
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
