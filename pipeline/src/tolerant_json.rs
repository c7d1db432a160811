//! JSON as model endpoints really send it: with repeated keys, halves of surrogate pairs, broken bytes, several values.
//!
//! `serde_json` refuses half of an escaped surrogate pair, and bytes that are no UTF-8. A provider cuts its text into tokens,
//! and a token may end between two halves or two bytes. So [`text_of`] replaces each stray half or byte by a
//! character of a private plane, and [`join`] puts neighbours together again once the whole text is there.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::llm::{Oddities, Oddity};

/// Marks the lone surrogate U+D800; the others follow. The last private plane, which no text of a model uses.
const SURROGATE_BASE: u32 = 0x10_F000;
const SURROGATES: std::ops::Range<u32> = SURROGATE_BASE..SURROGATE_BASE + 0x800;
/// Marks the stray byte 0x00; the others follow.
const BYTE_BASE: u32 = 0x10_F800;
const BYTES: std::ops::Range<u32> = BYTE_BASE..BYTE_BASE + 0x100;

/// The JSON values of a text, and the rest where the text goes on with something else.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    pub values: Vec<Value>,
    pub rest: Option<Rest>,
}

/// The text behind the last whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    pub text: String,
    /// Whether it is a value that does not end.
    pub is_cut_off: bool,
}

/// Reads the JSON values of `bytes`, one after the other. Adds to `oddities` what it had to tolerate. The texts in the values
/// may hold markers: see [`join`].
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

/// The text with null in place of `NaN` and `Infinity`, which some servers write and JSON does not know; none where it holds
/// none of them outside of strings.
fn with_null_numbers(text: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return None;
    }
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    let (mut in_string, mut after_backslash) = (false, false);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            _ if std::mem::take(&mut after_backslash) => {}
            b'\\' if in_string => after_backslash = true,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                let rest = text.get(at..).unwrap_or_default();
                if let Some(word) = WORDS.iter().find(|word| rest.starts_with(**word)) {
                    out.push_str(text.get(copied..at).unwrap_or_default());
                    out.push_str("null");
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    (copied > 0).then_some(out)
}

/// Reads the one JSON value that a text is. The text went through [`mark`]; the value holds no markers.
///
/// # Errors
///
/// `text` is no JSON, or more than one value.
pub fn value(text: &str, oddities: &mut Oddities) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = one(&mut reader, oddities)?;
    reader.end()?;
    Ok(joined(value))
}

/// Reads the JSON value with which a text begins; returns it with its length in bytes. The text went through [`mark`]; the
/// value holds no markers.
///
/// # Errors
///
/// `text` does not begin with a JSON value. [`serde_json::Error::is_eof`] tells a value that does not end.
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

/// The bytes as a text that `serde_json` accepts: stray bytes and lone surrogates have become markers.
fn text_of<'a>(bytes: &'a [u8], oddities: &mut Oddities) -> Cow<'a, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => mark(text, oddities),
        Err(_) => {
            oddities.insert(Oddity::BrokenEncoding);
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                text.push_str(&mark(chunk.valid(), oddities));
                mark_bytes(&mut text, chunk.invalid());
            }
            Cow::Owned(text)
        }
    }
}

/// The text with a marker in place of each escape of half a surrogate pair. A character that looks like a marker, itself or
/// as an escaped pair, becomes markers of its bytes, so that [`join`] gives it back.
pub fn mark<'a>(text: &'a str, oddities: &mut Oddities) -> Cow<'a, str> {
    let may_hold_halves = text.contains("\\ud") || text.contains("\\uD");
    if !may_hold_halves && !text.contains(is_marker) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let (mut marked, mut copied, mut at) = (String::new(), 0, 0);
    // U+10F000 and above begin with these bytes.
    while let Some(found) = memchr::memchr2(b'\\', 0xF4, bytes.get(at..).unwrap_or_default()) {
        let start = at + found;
        if bytes.get(start) == Some(&0xF4) {
            at = start + 4;
            if text.get(start..at).is_some_and(|character| character.contains(is_marker)) {
                marked.push_str(text.get(copied..start).unwrap_or_default());
                mark_bytes(&mut marked, bytes.get(start..at).unwrap_or_default());
                copied = at;
            }
            continue;
        }
        let unit = escaped_unit(bytes, start);
        at = start + if unit.is_some() { 6 } else { 2 };
        let Some(unit) = unit.filter(|unit| (0xD800..0xE000).contains(unit)) else { continue };
        let low = escaped_unit(bytes, at).filter(|low| unit < 0xDC00 && (0xDC00..0xE000).contains(low));
        let mut buffer = [0; 4];
        match low {
            Some(low) => {
                at += 6;
                let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                let Some(character) = char::from_u32(code).filter(|c| is_marker(*c)) else { continue };
                marked.push_str(text.get(copied..start).unwrap_or_default());
                mark_bytes(&mut marked, character.encode_utf8(&mut buffer).as_bytes());
            }
            None => {
                oddities.insert(Oddity::LoneSurrogate);
                marked.push_str(text.get(copied..start).unwrap_or_default());
                marked.extend(char::from_u32(SURROGATE_BASE + unit - 0xD800));
            }
        }
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    marked.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(marked)
}

fn is_marker(character: char) -> bool {
    let code = u32::from(character);
    SURROGATES.contains(&code) || BYTES.contains(&code)
}

fn mark_bytes(text: &mut String, bytes: &[u8]) {
    text.extend(bytes.iter().filter_map(|byte| char::from_u32(BYTE_BASE + u32::from(*byte))));
}

/// The text with control characters in its JSON strings escaped: models write line breaks into strings. Only the outermost
/// braces tell where a string may begin, so text around the JSON is left as it is.
#[must_use]
pub fn with_escaped_controls(text: &str) -> Option<String> {
    let (mut escaped, mut copied) = (String::new(), 0);
    let (mut depth, mut in_string, mut after_backslash) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if std::mem::take(&mut after_backslash) => {}
            b'\\' if in_string => after_backslash = true,
            b'"' if depth > 0 => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            0..0x20 if in_string => {
                escaped.push_str(text.get(copied..at).unwrap_or_default());
                escaped.push_str(&format!("\\u{byte:04x}"));
                copied = at + 1;
            }
            _ => {}
        }
    }
    if copied == 0 {
        return None;
    }
    escaped.push_str(text.get(copied..).unwrap_or_default());
    Some(escaped)
}

/// The UTF-16 unit of the escape `\uXXXX` at `start`.
fn escaped_unit(bytes: &[u8], start: usize) -> Option<u32> {
    let escape = bytes.get(start..start + 6)?;
    let digits = std::str::from_utf8(escape.strip_prefix(b"\\u")?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// The text with its markers resolved: neighbouring halves and bytes become the characters that they are parts of, what
/// stays alone becomes U+FFFD.
#[must_use]
pub fn join(text: String) -> String {
    if !text.contains(is_marker) {
        return text;
    }
    let mut joined = String::with_capacity(text.len());
    let (mut units, mut bytes): (Vec<u16>, Vec<u8>) = (Vec::new(), Vec::new());
    for character in text.chars() {
        let code = u32::from(character);
        if SURROGATES.contains(&code) {
            end_bytes(&mut joined, &mut bytes);
            units.extend(u16::try_from(code - SURROGATE_BASE + 0xD800));
        } else if BYTES.contains(&code) {
            end_units(&mut joined, &mut units);
            bytes.extend(u8::try_from(code - BYTE_BASE));
        } else {
            end_units(&mut joined, &mut units);
            end_bytes(&mut joined, &mut bytes);
            joined.push(character);
        }
    }
    end_units(&mut joined, &mut units);
    end_bytes(&mut joined, &mut bytes);
    joined
}

fn end_units(text: &mut String, units: &mut Vec<u16>) {
    text.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

fn end_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    text.push_str(&String::from_utf8_lossy(bytes));
    bytes.clear();
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

/// Builds a value; of a repeated key the last one counts, except that null does not replace a value.
#[derive(Clone, Copy)]
struct Tolerant<'a> {
    duplicates: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Tolerant<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tolerant<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            match object.get_mut(&key) {
                Some(earlier) => {
                    self.duplicates.set(true);
                    if !value.is_null() {
                        *earlier = value;
                    }
                }
                None => {
                    object.insert(key, value);
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(bytes: &[u8]) -> (Vec<Value>, Vec<Oddity>) {
        let mut oddities = Oddities::default();
        let found = values(bytes, &mut oddities);
        assert_eq!(found.rest, None);
        (found.values, oddities.iter().collect())
    }

    #[test]
    fn the_last_value_of_a_key_counts_unless_null() {
        let (values, oddities) = read(br#"{"a":1,"b":null,"a":2,"b":3,"b":null}"#);
        assert_eq!(values, [json!({"a": 2, "b": 3})]);
        assert_eq!(oddities, [Oddity::DuplicateKeys]);
    }

    #[test]
    fn several_values_are_read_in_turn() {
        let (values, oddities) = read(b" {\"a\":1}\n[2] \"x\" ");
        assert_eq!(values, [json!({"a": 1}), json!([2]), json!("x")]);
        assert_eq!(oddities, [Oddity::SeveralValues]);
        let cut = super::values(b"{\"a\":1} {", &mut Oddities::default());
        assert_eq!((cut.values, cut.rest.unwrap().is_cut_off), (vec![json!({"a": 1})], true));
        let trailing = super::values(b"{\"a\":1}\ndata: [DONE]", &mut Oddities::default());
        let rest = Rest { text: "data: [DONE]".to_owned(), is_cut_off: false };
        assert_eq!((trailing.values, trailing.rest), (vec![json!({"a": 1})], Some(rest)));
        assert_eq!(
            read(b"{\"a\":NaN,\"b\":[-Infinity],\"c\":\"NaN\"}").0,
            [json!({"a": null, "b": [null], "c": "NaN"})]
        );
    }

    #[test]
    fn halves_of_a_pair_meet_again() {
        let halves = [&br#""\ud83d""#[..], br#""\uDED2 \\ud83d \ud83d\ude00 \udc00!""#];
        let text: String = halves
            .into_iter()
            .flat_map(|half| read(half).0)
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect();
        assert_eq!(join(text), "\u{1F6D2} \\ud83d \u{1F600} \u{FFFD}!");
    }

    #[test]
    fn bytes_of_a_character_meet_again() {
        let (first, oddities) = read(b"\"tin\xE2\x82\"");
        let (second, _) = read(b"\"\xAC 5 \xFF\"");
        let text = first[0].as_str().unwrap().to_owned() + second[0].as_str().unwrap();
        assert_eq!(join(text), "tin€ 5 \u{FFFD}");
        assert_eq!(oddities, [Oddity::BrokenEncoding]);
    }

    #[test]
    fn a_character_that_looks_like_a_marker_survives() {
        let text = "\u{10F041}\u{10F841}x";
        for json in [serde_json::to_string(text).unwrap(), r#""\udbfc\udc41\udbfe\udc41x""#.to_owned()] {
            let (values, oddities) = read(json.as_bytes());
            assert_eq!(join(values[0].as_str().unwrap().to_owned()), text, "{json}");
            assert!(oddities.is_empty());
        }
    }

    #[test]
    fn the_length_of_the_first_value_is_told() {
        let mut oddities = Oddities::default();
        assert_eq!(first_value("{\"a\": [1]} and more", &mut oddities).unwrap(), (json!({"a": [1]}), 10));
        assert!(first_value("{\"a\": [1", &mut oddities).unwrap_err().is_eof());
    }

    #[test]
    fn control_characters_are_escaped_in_strings_only() {
        let text = "An \"aside\n\" {\n \"a\": \"one\ntwo \\\"\tq\\\"\"}\n";
        let escaped = with_escaped_controls(text).unwrap();
        assert_eq!(escaped, "An \"aside\n\" {\n \"a\": \"one\\u000atwo \\\"\\u0009q\\\"\"}\n");
        assert_eq!(with_escaped_controls("{\n\"a\": 1\n}"), None);
    }

    proptest! {
        #[test]
        fn plain_json_is_read_as_it_is(text in any::<String>(), number in any::<i64>()) {
            let value = json!({"text": text, "list": [number, null, true, 0.5]});
            prop_assert_eq!(super::value(&value.to_string(), &mut Oddities::default()).unwrap(), value.clone());
            let (values, oddities) = read(value.to_string().as_bytes());
            prop_assert_eq!(values, [value]);
            prop_assert!(oddities.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut oddities = Oddities::default();
            let _ = values(&bytes, &mut oddities);
            let _ = join(text_of(&bytes, &mut oddities).into_owned());
        }
    }
}
