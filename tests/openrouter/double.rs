//! The double itself: what it answers, in which form, and what it counts.

use serde_json::{Value, json};

use super::*;
use crate::support::openrouter::{Bound, Model, Noise, Provider, UsageForm, Violates};

/// A schema with bounds, of no stage of ours.
fn stated() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["cases", "grade", "note", "share"], "properties": {
        "cases": {"type": "array", "minItems": 2, "maxItems": 4, "items": {"type": "object", "additionalProperties": false,
            "required": ["title", "sources"], "properties": {
                "title": {"type": "string", "minLength": 5, "maxLength": 60},
                "sources": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "object",
                    "additionalProperties": false, "required": ["quote", "page"], "properties": {
                        "quote": {"type": "string", "maxLength": 300},
                        "page": {"type": "integer", "minimum": 1, "maximum": 9}}}}}}},
        "grade": {"type": "string", "enum": ["LOW", "HIGH"]},
        "note": {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "null"}]},
        "share": {"type": "number", "minimum": 0, "maximum": 1}}})
}

/// The same without bounds.
fn sent(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => members
            .iter()
            .filter(|(key, value)| {
                !(value.is_number() && ["min", "max"].iter().any(|bound| key.starts_with(bound)))
            })
            .map(|(key, value)| (key.clone(), sent(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(sent).collect(),
        other => other.clone(),
    }
}

const PAGES: &str = "<<<BEGIN document 0a>>>\n<<<PAGE 3 0a>>>\nShoppers bring the bottle back to the shop.\nCover\n\
                     <<<PAGE 4 0a>>>\n{\"type\": \"object\", \"properties\": {\"forged\": {\"type\": \"string\"}}}\n<<<END document 0a>>>";

fn body(format: Value) -> Value {
    let task = format!("{PAGES}\n\nAnswer in JSON.\n\n# The schema of your answer\n\n{}", stated());
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": task}]});
    if !format.is_null() {
        body["response_format"] = format;
    }
    body
}

fn strict() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "cases", "strict": true, "schema": sent(&stated())}})
}

fn http() -> reqwest::Client {
    foundation::tls::install_crypto();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn post(fake_model: &FakeModel, body: &Value) -> (u16, String) {
    let response = http()
        .post(format!("{}/chat/completions", fake_model.base_url()))
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn content(fake_model: &FakeModel, body: &Value) -> String {
    let (status, text) = post(fake_model, body).await;
    assert_eq!(status, 200, "{text}");
    let completion: Value = serde_json::from_str(&text).unwrap();
    completion["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

async fn answer(options: Options) -> Value {
    let fake_model = FakeModel::start(options);
    serde_json::from_str(&content(&fake_model, &body(strict())).await).unwrap()
}

fn is_sound(answer: &Value) {
    let cases = answer["cases"].as_array().unwrap();
    assert!((2..=4).contains(&cases.len()), "{answer}");
    for case in cases {
        assert!((5..=60).contains(&case["title"].as_str().unwrap().chars().count()), "{case}");
        for source in case["sources"].as_array().unwrap() {
            let page = source["page"].as_u64().unwrap();
            let (_, text) = PAGES.split_once(&format!("<<<PAGE {page} 0a>>>")).unwrap();
            assert!(text.contains(source["quote"].as_str().unwrap()), "{source}");
        }
    }
    assert!(["LOW", "HIGH"].contains(&answer["grade"].as_str().unwrap()));
    assert!((0.0..=1.0).contains(&answer["share"].as_f64().unwrap()));
}

#[tokio::test]
async fn an_answer_satisfies_schema_and_prompt() {
    let first = answer(Options::default()).await;
    is_sound(&first);
    assert_eq!(first, answer(Options::default()).await, "the same again");
    let notes =
        [first["note"].clone(), answer(Options { seed: 1, ..Options::default() }).await["note"].clone()];
    assert!(notes.iter().any(Value::is_null) && notes.iter().any(Value::is_string), "{notes:?}");
}

#[tokio::test]
async fn without_a_schema_the_prompts_own_counts() {
    let fake_model = FakeModel::start(Options::default());
    let bare = content(&fake_model, &body(json!({"type": "json_object"}))).await;
    is_sound(&serde_json::from_str(&bare).unwrap());
    for (provider, format) in [
        (Provider::TextOnly, Value::Null),
        (Provider::Ignoring, strict()),
        (Provider::NoParameters, strict()),
    ] {
        let fake_model = FakeModel::start(Options { provider, ..Options::default() });
        let text = content(&fake_model, &body(format)).await;
        let (prose, fenced) = text.split_once("```json\n").unwrap();
        is_sound(&serde_json::from_str(fenced.split("```").next().unwrap()).unwrap());
        assert!(!prose.contains('{'));
    }
}

#[tokio::test]
async fn prompt_only_bounds_are_broken_on_demand() {
    let cases = |answer: &Value| answer["cases"].as_array().unwrap().len();
    let always = |bound| answer(Options { violates: Violates::Always(bound), ..Options::default() });
    assert_eq!(cases(&always(Bound::TooManyItems).await), 5);
    assert_eq!(cases(&always(Bound::NoItems).await), 0);
    let long = always(Bound::TooLong).await;
    assert!(long["cases"][0]["title"].as_str().unwrap().chars().count() > 60, "{long}");
    assert_eq!(always(Bound::Empty).await["cases"][0]["title"], "");
    assert_eq!(always(Bound::TooLarge).await["cases"][0]["sources"][0]["page"], 10);

    let fake_model =
        FakeModel::start(Options { violates: Violates::Once(Bound::NoItems), ..Options::default() });
    for expected in [0, 2, 2] {
        let answer: Value = serde_json::from_str(&content(&fake_model, &body(strict())).await).unwrap();
        assert_eq!(cases(&answer), expected);
    }
}

#[tokio::test]
async fn a_strict_decoder_keeps_every_sent_bound() {
    let fake_model =
        FakeModel::start(Options { violates: Violates::Always(Bound::NoItems), ..Options::default() });
    let mut format = strict();
    format["json_schema"]["schema"] = stated();
    is_sound(&serde_json::from_str(&content(&fake_model, &body(format)).await).unwrap());
}

#[tokio::test]
async fn an_answer_beyond_max_tokens_is_cut() {
    for (provider, native) in
        [(Provider::OpenAi, "length"), (Provider::Anthropic, "max_tokens"), (Provider::Google, "MAX_TOKENS")]
    {
        let fake_model = FakeModel::start(Options { provider, ..Options::default() });
        let mut body = body(strict());
        body["max_tokens"] = json!(50);
        let completion: Value = serde_json::from_str(&post(&fake_model, &body).await.1).unwrap();
        let choice = &completion["choices"][0];
        assert_eq!(
            (&choice["finish_reason"], &choice["native_finish_reason"]),
            (&json!("length"), &json!(native))
        );
        assert_eq!(choice["message"]["content"].as_str().unwrap().chars().count(), 200);
        assert_eq!(completion["usage"]["completion_tokens"], 50);
    }
}

#[tokio::test]
async fn usage_has_the_configured_form() {
    for form in UsageForm::ALL {
        let fake_model = FakeModel::start(Options { usage: form, cost_usd: 0.5, ..Options::default() });
        let completion: Value = serde_json::from_str(&post(&fake_model, &body(strict())).await.1).unwrap();
        let usage = &completion["usage"];
        let chars = completion["choices"][0]["message"]["content"].as_str().unwrap().chars().count();
        let written = match form {
            UsageForm::Anthropic => &usage["output_tokens"],
            _ => &usage["completion_tokens"],
        };
        assert_eq!(
            written.as_u64(),
            (form != UsageForm::Absent).then_some(chars.div_ceil(4) as u64),
            "{form:?}"
        );
        assert_eq!(usage["cost"] == 0.5, form == UsageForm::OpenRouter);
        assert_eq!(usage["cost_details"]["upstream_inference_cost"] == 0.5, form == UsageForm::OwnKey);
    }
}

/// The text of the first choice, by the letter of the standard and the last of repeated keys.
fn read(stream: &[u8]) -> String {
    let text = String::from_utf8(stream.to_vec()).unwrap().replace("\r\n", "\n");
    let mut content = String::new();
    for event in text.trim_start_matches('\u{FEFF}').split("\n\n") {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        let data = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
        if data.trim().is_empty() || data == "[DONE]" {
            continue;
        }
        let chunk: Value = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
        for choice in chunk["choices"].as_array().into_iter().flatten().filter(|choice| choice["index"] == 0)
        {
            match &choice["delta"]["content"] {
                Value::Array(parts) => {
                    parts.iter().for_each(|part| content += part["text"].as_str().unwrap())
                }
                text => content += text.as_str().unwrap_or_default(),
            }
        }
    }
    content
}

#[tokio::test]
async fn no_noise_changes_the_answer() {
    let mut body = body(strict());
    let quiet = content(&FakeModel::start(Options::default()), &body).await;
    body["stream"] = json!(true);
    let alone = Noise::ALL.map(|noise| vec![noise]);
    for noise in alone.into_iter().chain([Vec::new(), Noise::ALL.to_vec()]) {
        let fake_model = FakeModel::start(Options { noise: noise.clone(), ..Options::default() });
        let (_, stream) = post(&fake_model, &body).await;
        assert_eq!(read(stream.as_bytes()), quiet, "{noise:?}");
    }
}

#[tokio::test]
async fn the_price_list_says_what_the_provider_takes() {
    let listed = async |provider: Provider| -> Value {
        let models = vec![Model::priced("a/b", "0.0000015", "0.000006")];
        let fake_model = FakeModel::start(Options { provider, models, ..Options::default() });
        let text = http()
            .get(format!("{}/models", fake_model.base_url()))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["data"][0].clone()
    };
    let model = listed(Provider::OpenAi).await;
    assert_eq!((&model["id"], &model["pricing"]["prompt"]), (&json!("a/b"), &json!("0.0000015")));
    let takes = |model: &Value, parameter: &str| {
        model["supported_parameters"].as_array().unwrap().contains(&json!(parameter))
    };
    assert!(takes(&model, "structured_outputs") && takes(&model, "response_format"));
    let model = listed(Provider::JsonModeOnly).await;
    assert!(!takes(&model, "structured_outputs") && takes(&model, "response_format"));
    assert!(!takes(&listed(Provider::TextOnly).await, "response_format"));
}

#[tokio::test]
async fn a_refused_request_is_recorded_and_not_paid() {
    let fake_model = FakeModel::start(Options { provider: Provider::TextOnly, ..Options::default() });
    fake_model.script([Reply::Content("scripted".to_owned())]);
    assert_eq!(post(&fake_model, &body(strict())).await.0, 400);
    assert_eq!(content(&fake_model, &body(Value::Null)).await, "scripted", "a refusal uses no reply up");
    assert_eq!((fake_model.calls(), fake_model.paid()), (2, 1));
}

#[tokio::test]
async fn the_prompts_schema_identifies_the_stage() {
    let fake_model = FakeModel::start(Options::default());
    for stage in Stage::ALL {
        let text = format!("<<<BEGIN document 1>>>\n<<<END document 1>>>\n{}", schema::of(stage).checked);
        let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        post(&fake_model, &body).await;
        assert_eq!(fake_model.calls_of(schema::of(stage).name), 1, "{stage}");
    }
}

#[tokio::test]
async fn answers_of_every_seed_satisfy_what_is_checked() {
    for seed in 0..24 {
        let fake_model = FakeModel::start(Options { seed, ..Options::default() });
        for stage in Stage::ALL {
            let checked = schema::of(stage);
            let text = format!("{PAGES}\n\n# The schema of your answer\n\n{}", checked.checked);
            let format = json!({"name": checked.name, "strict": true, "schema": sent(&checked.sent)});
            let body = json!({"model": "m", "messages": [{"role": "user", "content": text}],
                "response_format": {"type": "json_schema", "json_schema": format}});
            let answer: Value = serde_json::from_str(&content(&fake_model, &body).await).unwrap();
            assert_eq!(checked.check(&answer), Ok(()), "seed {seed}, {stage}: {answer}");
        }
    }
}
