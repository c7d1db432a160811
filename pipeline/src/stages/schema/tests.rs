use proptest::{
    prelude::*,
    strategy::BoxedStrategy,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::{Map, json};

use super::{render::*, *};
use crate::stages::StageOutput;

/// Every node of a schema, with its path.
fn nodes<'a>(schema: &'a Value, path: &str, found: &mut Vec<(String, &'a Map<String, Value>)>) {
    let object = schema.as_object().unwrap_or_else(|| panic!("{path} is no object"));
    found.push((path.to_owned(), object));
    for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        nodes(property, &format!("{path}/{name}"), found);
    }
    if let Some(items) = object.get("items") {
        nodes(items, &format!("{path}/*"), found);
    }
    for variant in object.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        nodes(variant, &format!("{path}|"), found);
    }
}

fn each_node(rendering: impl Fn(&StageSchema) -> &Value, check: impl Fn(&str, &Map<String, Value>)) {
    for stage in Stage::ALL {
        let mut found = Vec::new();
        nodes(rendering(of(stage)), stage.title(), &mut found);
        assert!(found.len() > 5);
        found.iter().for_each(|(path, node)| check(path, node));
    }
}

#[test]
fn every_node_that_is_sent_has_a_type() {
    each_node(
        |schema| &schema.sent,
        |path, node| {
            let is_typed = node.get("type").is_some_and(Value::is_string);
            let branches = node.get("anyOf").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
            assert!(is_typed || branches, "{path}: {node:?}");
        },
    );
}

#[test]
fn only_listed_keywords_are_sent() {
    each_node(
        |schema| &schema.sent,
        |path, node| {
            for keyword in node.keys() {
                assert!(SENT_KEYWORDS.contains(&keyword.as_str()), "{path}: {keyword}");
            }
        },
    );
}

#[test]
fn objects_are_closed_and_all_properties_required() {
    each_node(
        |schema| &schema.sent,
        |path, node| {
            let Some(properties) = node.get("properties").and_then(Value::as_object) else {
                assert_ne!(node.get("type"), Some(&json!("object")), "{path}");
                return;
            };
            let required: Vec<&str> =
                node["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert!(properties.keys().eq(required), "{path}");
            assert_eq!(node["additionalProperties"], json!(false), "{path}");
        },
    );
}

#[test]
fn lists_and_enumerations_are_complete() {
    each_node(
        |schema| &schema.sent,
        |path, node| {
            assert_eq!(node.get("type") == Some(&json!("array")), node.contains_key("items"), "{path}");
            if let Some(words) = node.get("enum") {
                assert!(!words.as_array().unwrap().is_empty(), "{path}");
            }
        },
    );
    let horizon = &of(Stage::BrandContextualization).sent["properties"]["opportunities"]["items"]["properties"]
        ["horizon"];
    assert_eq!(horizon["enum"], json!(["NOW", "NEXT", "LATER"]));
}

#[test]
fn both_renderings_differ_by_bounds_and_descriptions_only() {
    fn strip(schema: &Value) -> Value {
        match schema {
            Value::Object(object) => object
                .iter()
                .filter(|(key, value)| {
                    !(BOUNDS.contains(&key.as_str()) || key.as_str() == "description" && value.is_string())
                })
                .map(|(key, value)| (key.clone(), strip(value)))
                .collect(),
            Value::Array(list) => list.iter().map(strip).collect(),
            other => other.clone(),
        }
    }
    for stage in Stage::ALL {
        assert_eq!(strip(&of(stage).sent), strip(&of(stage).checked), "{stage}");
        assert!(of(stage).validator.is_some(), "{stage} compiles");
    }
    let text = of(Stage::InputProcessing).sent.to_string();
    for name in ["status", "id", "label", "start", "end", "fragment", "recognised", "boxes"] {
        assert!(!text.contains(&format!("\"{name}\"")), "the pipeline sets {name}: {text}");
    }
    assert!(text.contains("2 to 5 items."), "a description states the bounds: {text}");
}

/// Any instance of a schema that is sent.
fn instances(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(variants) = schema.get("anyOf").and_then(Value::as_array) {
        return proptest::strategy::Union::new(variants.iter().map(instances)).boxed();
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return proptest::sample::select(words.clone()).boxed();
    }
    match schema["type"].as_str().unwrap() {
        "object" => {
            let properties = schema["properties"].as_object().unwrap();
            let names: Vec<String> = properties.keys().cloned().collect();
            let values: Vec<BoxedStrategy<Value>> = properties.values().map(instances).collect();
            values
                .prop_map(move |values| names.iter().cloned().zip(values).collect::<Map<_, _>>().into())
                .boxed()
        }
        "array" => {
            proptest::collection::vec(instances(&schema["items"]), 0..4).prop_map(Value::Array).boxed()
        }
        "string" => any::<String>().prop_map(Value::String).boxed(),
        // JSON Schema counts 1.0 and 1e30 among the integers.
        "integer" => prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i32>().prop_map(|whole| Value::from(f64::from(whole))),
            Just(Value::from(1e30)),
            Just(Value::from(-1e300)),
        ]
        .boxed(),
        "null" => Just(Value::Null).boxed(),
        other => panic!("no instances of {other}"),
    }
}

#[test]
fn every_instance_of_the_sent_schema_parses() {
    for stage in Stage::ALL {
        let seed = RngSeed::Fixed(20_261_130 + u64::from(stage.number()));
        let config = Config { cases: 1_000, rng_seed: seed, failure_persistence: None, ..Config::default() };
        TestRunner::new(config)
            .run(&instances(&of(stage).sent), |value| {
                let parsed = StageOutput::from_json(stage, value.clone());
                prop_assert!(parsed.is_ok(), "{}: {:?} of {}", stage, parsed.err(), value);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn a_violation_names_place_bound_and_length() {
    let check = |stage, value| of(stage).check(&value).unwrap_err();
    let violations = check(Stage::InputProcessing, json!({"inspirations": [{}]}));
    assert!(
        violations.iter().any(|v| v.starts_with("/inspirations: has 1 items, at least 2")),
        "{violations:?}"
    );

    let mut answer = crate::testing::example_answer(Stage::GeneralTranslation);
    answer["lessons"][0]["title"] = "x".repeat(161).into();
    answer["lessons"][0]["job_to_be_done"]["emotional"] = "é".repeat(501).into();
    let violations = check(Stage::GeneralTranslation, answer);
    assert_eq!(
        violations,
        [
            "/lessons/0/job_to_be_done/emotional: has 501 characters, at most 500 are allowed",
            "/lessons/0/title: has 161 characters, at most 160 are allowed",
        ]
    );

    let mut answer = crate::testing::example_answer(Stage::InputProcessing);
    answer["inspirations"][1]["evidence"][0]["page"] = 0.into();
    let violations = check(Stage::InputProcessing, answer);
    assert_eq!(violations, ["/inspirations/1/evidence/0/page: is 0, at least 1 is required"]);
}
