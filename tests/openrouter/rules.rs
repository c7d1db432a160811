//! The double's rules: each provider refuses the least schema that breaks a rule, and takes a good one.

use serde_json::{Value, json};

use crate::support::openrouter::{
    Endpoint, Provider,
    rules::{Refusal, complaint, unmet},
};

const STRICT: [Provider; 4] =
    [Provider::OpenAi, Provider::Anthropic, Provider::Google, Provider::OlderGoogle];

fn object(properties: impl Into<Value>) -> Value {
    let properties = properties.into();
    let required: Vec<String> = properties.as_object().unwrap().keys().cloned().collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn one(schema: impl Into<Value>) -> Value {
    object(json!({"part": schema.into()}))
}

fn good() -> Value {
    object(json!({
        "name": {"type": "string", "description": "d"},
        "words": {"type": "array", "items": {"type": "string", "enum": ["A", "B"]}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "inner": object(json!({"count": {"type": "integer"}})),
    }))
}

fn ask(schema: impl Into<Value>) -> Value {
    let schema = schema.into();
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "a_name", "strict": true, "schema": schema}});
    asked(&json!({"response_format": format}))
}

/// A request with these members added or replaced.
fn asked(members: &Value) -> Value {
    let mut body =
        json!({"model": "m", "messages": [{"role": "user", "content": "Answer."}], "max_tokens": 10});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

/// The provider's own error, within OpenRouter's.
fn raw(refusal: &Refusal) -> Value {
    assert_eq!((refusal.status, &refusal.body["error"]["code"]), (400, &json!(400)));
    serde_json::from_str(refusal.body["error"]["metadata"]["raw"].as_str().unwrap()).unwrap()
}

/// Every rule that the least bad schema breaks names its keyword.
fn refuses(provider: Provider, schema: &Value, keyword: &str) {
    let refusal = complaint(provider, &ask(schema.clone()));
    let refusal = refusal.unwrap_or_else(|| panic!("{provider:?} took {schema}"));
    let said = raw(&refusal).to_string();
    assert!(said.contains(keyword), "{provider:?} on {schema}: {said}");
}

fn takes(provider: Provider, schema: &Value) {
    assert_eq!(complaint(provider, &ask(schema.clone())), None, "{provider:?} on {schema}");
}

#[test]
fn a_schema_within_all_rules_passes_everywhere() {
    for provider in
        [Provider::Lenient, Provider::Ignoring, Provider::OpenAi, Provider::Anthropic, Provider::Google]
    {
        takes(provider, &good());
    }
    let mut open = good();
    open.as_object_mut().unwrap().remove("additionalProperties");
    open["properties"]["inner"].as_object_mut().unwrap().remove("additionalProperties");
    takes(Provider::OlderGoogle, &open);
    refuses(Provider::OlderGoogle, &good(), "additionalProperties");
}

#[test]
fn openai_refuses_what_its_guide_excludes() {
    let refuses = |schema: Value, keyword: &str| refuses(Provider::OpenAi, &schema, keyword);
    refuses(one(json!({})), "('properties', 'part')");
    refuses(one(json!({"description": "d"})), "type");
    refuses(one(json!({"type": "array"})), "items");
    for keyword in ["oneOf", "allOf", "not", "if", "default", "readOnly"] {
        refuses(one(json!({"type": "string", (keyword): []})), keyword);
    }
    refuses(json!({"type": "array", "items": {"type": "string"}}), "object");
    refuses(json!({"type": "object", "anyOf": []}), "object");
    let mut open = good();
    open["additionalProperties"] = json!(true);
    refuses(open, "additionalProperties");
    let mut optional = good();
    optional["required"] = json!(["name"]);
    refuses(optional, "required");
    let words: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    refuses(one(json!({"type": "string", "enum": words})), "1001");
    let many: serde_json::Map<String, Value> =
        (0..5_001).map(|number| (format!("p{number}"), json!({"type": "null"}))).collect();
    refuses(object(many), "5001");
    refuses(object(json!({("x".repeat(120_001)): {"type": "null"}})), "120001");
    let nested = |levels: usize| (1..levels).fold(object(json!({})), |inner, _| one(inner));
    takes(Provider::OpenAi, &nested(10));
    refuses(nested(11), "nesting");
    // Bounds have been taken since 2025.
    takes(Provider::OpenAi, &one(json!({"type": "string", "maxLength": 3})));
}

#[test]
fn openai_refuses_a_name_with_other_signs() {
    for name in ["a name", "naïve", "a.b"] {
        let mut body = ask(good());
        body["response_format"]["json_schema"]["name"] = json!(name);
        let error = raw(&complaint(Provider::OpenAi, &body).unwrap());
        assert_eq!(error["error"]["param"], "response_format.json_schema.name");
    }
}

#[test]
fn anthropic_refuses_what_its_guide_excludes() {
    let refuses = |schema: Value, keyword: &str| refuses(Provider::Anthropic, &schema, keyword);
    for keyword in ["minLength", "maxLength"] {
        refuses(one(json!({"type": "string", (keyword): 1})), keyword);
    }
    for keyword in ["minimum", "maximum", "multipleOf"] {
        refuses(one(json!({"type": "integer", (keyword): 1})), keyword);
        refuses(one(json!({"type": "number", (keyword): 1})), keyword);
    }
    refuses(one(json!({"type": "array", "items": {"type": "string"}, "maxItems": 3})), "maxItems");
    refuses(one(json!({"type": "array", "items": {"type": "string"}, "minItems": 2})), "minItems");
    takes(Provider::Anthropic, &one(json!({"type": "array", "items": {"type": "string"}, "minItems": 1})));
    refuses(one(json!({"oneOf": [{"type": "null"}]})), "oneOf");
    refuses(json!({"type": "object", "properties": {}}), "additionalProperties");
    let mut circular = one(json!({"$ref": "#/$defs/node"}));
    circular["$defs"] = json!({"node": one(json!({"$ref": "#/$defs/node"}))});
    refuses(circular, "Circular");
    let union = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
    let unions: serde_json::Map<String, Value> = (0..17).map(|n| (format!("p{n}"), union.clone())).collect();
    refuses(object(unions), "16");
}

#[test]
fn google_refuses_what_its_schema_lacks() {
    for provider in [Provider::Google, Provider::OlderGoogle] {
        let refuses = |keyword: &str, part: Value| {
            refuses(provider, &json!({"type": "object", "properties": {"part": part}}), keyword);
        };
        refuses("type", json!({}));
        refuses("type", json!({"enum": ["A"]}));
        refuses("oneOf", json!({"type": "string", "oneOf": []}));
        refuses("const", json!({"type": "string", "const": "A"}));
        refuses("$schema", json!({"type": "string", "$schema": "s"}));
        refuses("items", json!({"type": "array"}));
        refuses("properties", json!({"type": "object"}));
    }
}

#[test]
fn each_provider_has_its_own_error_shape() {
    let bad = ask(one(json!({"type": "string", "oneOf": [], "additionalProperties": false})));
    let shown = STRICT.map(|provider| {
        let refusal = complaint(provider, &bad).unwrap();
        (refusal.body["error"]["metadata"]["provider_name"].clone(), raw(&refusal))
    });
    let [(openai, first), (anthropic, second), (google, third), (_, fourth)] = shown;
    assert_eq!((openai, anthropic, google), (json!("OpenAI"), json!("Anthropic"), json!("Google")));
    assert_eq!(
        (&first["error"]["type"], &first["error"]["code"]),
        (&json!("invalid_request_error"), &Value::Null)
    );
    assert_eq!(
        (&second["type"], &second["error"]["type"]),
        (&json!("error"), &json!("invalid_request_error"))
    );
    assert_eq!(third[0]["error"]["status"], "INVALID_ARGUMENT");
    assert_eq!(fourth["error"]["status"], "INVALID_ARGUMENT");
}

#[test]
fn endpoints_without_schemas_refuse_by_their_kind() {
    let strict = ask(good());
    let json_mode = |text: &str| {
        let messages = json!([{"role": "user", "content": [{"type": "text", "text": text}]}]);
        asked(&json!({"response_format": {"type": "json_object"}, "messages": messages}))
    };
    assert!(complaint(Provider::JsonModeOnly, &strict).is_some());
    for provider in [Provider::JsonModeOnly, Provider::OpenAi] {
        assert_eq!(complaint(provider, &json_mode("Answer with JSON.")), None);
        let error = raw(&complaint(provider, &json_mode("Answer.")).unwrap());
        assert_eq!(error["error"]["param"], Value::Null);
    }
    for body in [&strict, &json_mode("JSON")] {
        assert!(complaint(Provider::TextOnly, body).is_some());
        assert_eq!(complaint(Provider::NoParameters, body), None, "dropped on the way");
        let mut demanding = body.clone();
        demanding["provider"] = json!({"require_parameters": true});
        assert_eq!(complaint(Provider::NoParameters, &demanding).unwrap().status, 404);
        assert_eq!(complaint(Provider::Ignoring, &demanding), None);
    }
    for provider in [Provider::JsonModeOnly, Provider::TextOnly, Provider::NoParameters] {
        let plain = asked(&json!({"provider": {"require_parameters": true}}));
        assert_eq!(complaint(provider, &plain), None);
    }
}

#[test]
fn openrouter_rejects_unknown_keys_and_values() {
    let bad = [
        json!({"respone_format": {}}),
        json!({"messages": []}),
        json!({"messages": null}),
        json!({"messages": [{"role": "model", "content": "c"}]}),
        json!({"messages": [{"role": "user", "content": 1}]}),
        json!({"model": ""}),
        json!({"models": ["a", "b", "c", "d"]}),
        json!({"max_tokens": 0}),
        json!({"max_tokens": -1}),
        json!({"max_tokens": 1.5}),
        json!({"provider": {"requires_parameters": true}}),
        json!({"provider": {"require_parameters": "true"}}),
        json!({"provider": {"data_collection": "never"}}),
        json!({"provider": {"only": "azure"}}),
        json!({"provider": {"max_price": {"prompt": "cheap"}}}),
        json!({"provider": {"max_price": {"token": 1}}}),
        json!({"response_format": {"type": "json"}}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x".repeat(65), "schema": {}}}}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}),
        json!({"reasoning": {"effort": "extreme"}}),
        json!({"reasoning": {"effort": "low", "max_tokens": 10}}),
    ];
    for members in &bad {
        let refusal = complaint(Provider::Lenient, &asked(members));
        assert_eq!(refusal.map(|refusal| refusal.status), Some(400), "{members}");
    }
    let provider = json!({"order": ["a"], "allow_fallbacks": false, "require_parameters": true, "zdr": true,
        "data_collection": "deny", "only": ["a"], "ignore": ["b"], "quantizations": ["fp8"], "sort": "price",
        "max_price": {"prompt": 1, "completion": "2.5"}});
    let good = asked(
        &json!({"provider": provider, "stream": true, "models": ["a", "b"], "usage": {"include": true},
        "reasoning": {"effort": "low", "exclude": true}}),
    );
    assert_eq!(complaint(Provider::Lenient, &good), None);
}

#[test]
fn an_unmet_constraint_ends_in_404() {
    let endpoint =
        Endpoint { slug: Some("azure"), keeps_no_data: false, trains_on_data: true, price: (3.0, 15.0) };
    for constraint in [
        json!({"zdr": true}),
        json!({"data_collection": "deny"}),
        json!({"only": ["openai"]}),
        json!({"ignore": ["azure"]}),
        json!({"order": ["openai"], "allow_fallbacks": false}),
        json!({"max_price": {"prompt": 2.9}}),
        json!({"max_price": {"completion": "14.9"}}),
    ] {
        let body = asked(&json!({"provider": constraint}));
        assert_eq!(unmet(&endpoint, &body).map(|refusal| refusal.status), Some(404), "{body}");
        let is_of_price = body["provider"].get("max_price").is_some();
        assert_eq!(unmet(&Endpoint::default(), &body).is_some(), is_of_price, "{body}");
    }
    let met = json!({"only": ["azure"], "order": ["openai"], "max_price": {"prompt": 3, "completion": 15}});
    assert_eq!(unmet(&endpoint, &asked(&json!({"provider": met}))), None);
}
