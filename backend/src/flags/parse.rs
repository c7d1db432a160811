//! Reads the values of flags: words of the environment, of FLAGS_FILE and of commands, and JSON.

use serde_json::Value as Json;
use storage::mode::{is_known, is_true};

use super::{
    definitions::{ALL, Definition, Kind, find},
    layers::Values,
    value::Value,
};

/// The value that a word says. None if it says none of this flag.
#[must_use]
pub fn of_text(flag: &Definition, text: &str) -> Option<Value> {
    let text = text.trim();
    match flag.kind {
        Kind::Boolean => is_known(text).then(|| Value::Boolean(is_true(text))),
        Kind::Percentage => {
            let number = text.strip_suffix('%').unwrap_or(text).trim();
            match number.parse() {
                Ok(share @ 0..=100_u8) => Some(Value::Percentage(share)),
                Ok(_) => None,
                Err(_) if is_known(text) => Some(Value::Percentage(if is_true(text) { 100 } else { 0 })),
                Err(_) => None,
            }
        }
    }
}

/// The value of a JSON text. None if it is no value of this flag.
#[must_use]
pub fn of_json(flag: &Definition, json: &Json) -> Option<Value> {
    match (flag.kind, json) {
        (Kind::Boolean, Json::Bool(is_on)) => Some(Value::Boolean(*is_on)),
        (Kind::Percentage, Json::Number(number)) => {
            let share = u8::try_from(number.as_u64()?).ok()?;
            (share <= 100).then_some(Value::Percentage(share))
        }
        _ => None,
    }
}

/// The values that a flag has, for people.
#[must_use]
pub const fn allowed(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "true or false",
        Kind::Percentage => "a whole number from 0 to 100",
    }
}

/// Reads the lines of a flags file: `KEY=value`, and comments.
///
/// # Errors
///
/// A sentence about the first line that is wrong.
pub(super) fn of_file(text: &str) -> Result<Values, String> {
    let mut values = Values::new();
    for (number, line) in text.lines().enumerate() {
        let (number, line) = (number + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, word) = line.split_once('=').ok_or_else(|| format!("line {number} is not KEY=value"))?;
        let Some(flag) = find(key.trim()) else {
            let known: Vec<_> = ALL.iter().map(|flag| flag.key).collect();
            return Err(format!("line {number} names no flag; known: {}", known.join(", ")));
        };
        let value = of_text(flag, word).ok_or_else(|| {
            format!("line {number} has a value of {} that is not {}", flag.key, allowed(flag.kind))
        })?;
        values.insert(flag.key, value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flags::definitions::{EXTRACTION_POOL, PAUSE_CLAIMS};

    #[test]
    fn only_values_of_the_kind_are_read() {
        let share = |text| of_text(&EXTRACTION_POOL, text);
        assert_eq!(share(" 25 % "), Some(Value::Percentage(25)));
        assert_eq!((share("on"), share("0")), (Some(Value::Percentage(100)), Some(Value::Percentage(0))));
        for bad in ["101", "-1", "1.5", "half", ""] {
            assert_eq!(share(bad), None, "{bad:?}");
        }
        assert_eq!(of_text(&PAUSE_CLAIMS, "Yes"), Some(Value::Boolean(true)));
        assert_eq!(of_text(&PAUSE_CLAIMS, "25"), None);
        assert_eq!(of_json(&EXTRACTION_POOL, &json!(100)), Some(Value::Percentage(100)));
        for bad in [json!(101), json!(1.5), json!(true), json!("25"), json!(null)] {
            assert_eq!(of_json(&EXTRACTION_POOL, &bad), None, "{bad}");
        }
        assert_eq!(of_json(&PAUSE_CLAIMS, &json!(1)), None);
    }
}
