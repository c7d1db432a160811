//! Cleans a payload before its digest is computed. Afterwards JSON files, Postgres' JSONB and Prisma's client
//! all store and return it unchanged.

use serde_json::{Map, Number, Value};

/// The deepest nesting that is kept. The stages' own outputs have five levels. Readers give up between 128
/// and 6,000.
const DEPTH_MAX: usize = 64;

/// The largest whole number that every reader holds exactly: 2^53 − 1, as in JavaScript.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// Counts of the changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cleaned {
    /// Removed NUL characters. PDF texts contain them, and Postgres cannot store them.
    characters: usize,
    /// Whole numbers beyond [`INTEGER_MAX`], replaced by it.
    numbers: usize,
    /// Values nested deeper than [`DEPTH_MAX`], replaced by null.
    values: usize,
    /// Dropped entries, whose key without NUL characters was another entry's key.
    entries: usize,
}

impl Cleaned {
    /// Warnings for the reader, in sentences.
    pub(super) fn warnings(self) -> Vec<String> {
        let Self { characters, numbers, values, entries } = self;
        [
            (characters, "control characters were removed"),
            (numbers, "numbers were too large and were brought into range"),
            (values, "values were nested too deeply and were removed"),
            (entries, "entries of the same name were removed"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
    }

    /// Cleans an object and all below it.
    pub(super) fn object(&mut self, object: Map<String, Value>) -> Map<String, Value> {
        self.object_at(object, 1)
    }

    /// Cleans a text.
    pub(super) fn text(&mut self, text: &mut String) {
        let before = text.len();
        text.retain(|character| character != '\0');
        self.characters += before - text.len();
    }

    fn object_at(&mut self, object: Map<String, Value>, depth: usize) -> Map<String, Value> {
        // Most keys need no change. If a changed key equals a clean one, the clean one wins.
        let (clean, dirty): (Vec<_>, Vec<_>) = object.into_iter().partition(|(key, _)| !key.contains('\0'));
        let mut result = Map::new();
        for (mut key, value) in clean.into_iter().chain(dirty) {
            self.text(&mut key);
            if result.contains_key(&key) {
                self.entries += 1;
                continue;
            }
            let value = self.value(value, depth + 1);
            result.insert(key, value);
        }
        result
    }

    fn value(&mut self, value: Value, depth: usize) -> Value {
        match value {
            Value::Array(_) | Value::Object(_) if depth > DEPTH_MAX => {
                self.values += 1;
                Value::Null
            }
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.value(item, depth + 1)).collect())
            }
            Value::Object(object) => Value::Object(self.object_at(object, depth)),
            Value::String(mut text) => {
                self.text(&mut text);
                Value::String(text)
            }
            Value::Number(number) => Value::Number(self.number(number)),
            value @ (Value::Null | Value::Bool(_)) => value,
        }
    }

    fn number(&mut self, number: Number) -> Number {
        let capped = match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => integer.clamp(-INTEGER_MAX, INTEGER_MAX),
            (None, Some(_)) => INTEGER_MAX,
            (None, None) => return number,
        };
        if number.as_i64() == Some(capped) {
            return number;
        }
        self.numbers += 1;
        capped.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn clean(value: Value) -> (Value, Cleaned) {
        let Value::Object(object) = value else { panic!("an object") };
        let mut cleaned = Cleaned::default();
        let object = cleaned.object(object);
        (Value::Object(object), cleaned)
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(
            json!("core"),
            |inner, level| {
                if level % 2 == 0 { json!([inner]) } else { json!({ "in": inner }) }
            },
        )
    }

    /// The first flaw that a reader would refuse.
    fn flaw(value: &Value, depth: usize) -> Option<String> {
        match value {
            Value::String(text) => text.contains('\0').then(|| "NUL in a value".to_owned()),
            Value::Number(number) => {
                let beyond = number.as_u64().is_some_and(|n| n > INTEGER_MAX.unsigned_abs())
                    || number.as_i64().is_some_and(|n| n < -INTEGER_MAX);
                beyond.then(|| format!("{number}"))
            }
            Value::Array(_) | Value::Object(_) if depth > DEPTH_MAX => Some(format!("depth {depth}")),
            Value::Array(items) => items.iter().find_map(|item| flaw(item, depth + 1)),
            Value::Object(object) => object.iter().find_map(|(key, value)| {
                key.contains('\0').then(|| "NUL in a key".to_owned()).or_else(|| flaw(value, depth + 1))
            }),
            Value::Null | Value::Bool(_) => None,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = "[a-c\\x00é😀]{0,4}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
            (0_usize..90).prop_map(nested),
        ];
        leaf.prop_recursive(6, 40, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                proptest::collection::vec((text, inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn what_is_clean_stays_as_it_is() {
        let value = json!({"a": ["b", 1, -2.5, null, true, {"tab\t": "line\n"}], "c": INTEGER_MAX});
        assert_eq!(clean(value.clone()), (value, Cleaned::default()));
    }

    #[test]
    fn what_is_not_is_counted_and_told() {
        let (value, cleaned) = clean(json!({
            "t\0itle": "a\0b\0", "n": u64::MAX, "m": i64::MIN, "x": "kept", "x\0": "dropped", "deep": nested(80),
        }));
        assert_eq!(value["title"], "ab");
        assert_eq!((&value["n"], &value["m"]), (&json!(INTEGER_MAX), &json!(-INTEGER_MAX)));
        assert_eq!(value["x"], "kept");
        assert_eq!(
            cleaned.warnings(),
            [
                "4 control characters were removed",
                "2 numbers were too large and were brought into range",
                "1 values were nested too deeply and were removed",
                "1 entries of the same name were removed",
            ]
        );
    }

    proptest! {
        #[test]
        fn cleaned_values_survive_every_reader(inner in any_json()) {
            let (value, _) = clean(json!({ "payload": inner }));
            prop_assert_eq!(flaw(&value, 1), None);
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
            // A clean value stays as it is.
            prop_assert_eq!(clean(value.clone()), (value, Cleaned::default()));
        }
    }
}
