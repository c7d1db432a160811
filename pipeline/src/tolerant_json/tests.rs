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
fn the_last_non_null_value_counts() {
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
