//! Odd but public shapes of answers and errors, each reported by somebody: what was paid for is used.

// `json!` borrows what reads better as an argument by value.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;
use crate::support::{
    Run, STAGE_FILES,
    openrouter::{Answered, Provider, Raw, UsageForm},
    sample, stderr,
};

/// One run of the binary, as far as a case looks at it.
struct Ended {
    code: Option<i32>,
    told: Value,
    run: Run,
    fake_model: FakeModel,
}

impl Ended {
    fn error(&self) -> &str {
        self.told["error"]["code"].as_str().unwrap_or_default()
    }

    /// It completed, and no call was made in vain.
    #[track_caller]
    fn is_whole(&self) {
        assert_eq!(self.code, Some(0), "{}", self.told);
        assert_eq!(self.fake_model.calls(), 4, "one call a stage");
    }
}

fn run(options: Options, replies: Vec<Reply>, variables: &[(&str, &str)]) -> Ended {
    let fake_model = FakeModel::start(options);
    fake_model.script(replies);
    let run = Run::new();
    let mut command = run.command(&sample("spotted-innovation.md"), "lactalis-canada", &["--json"]);
    command.env("OPENROUTER_API_KEY", KEY).env("OPENROUTER_BASE_URL", fake_model.base_url());
    let output =
        command.env("LLM_MODEL", "fake_model/model").envs(variables.iter().copied()).output().unwrap();
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    Ended { code: output.status.code(), told, run, fake_model }
}

/// Every stage is answered so.
fn always(make: impl Fn(&Answered) -> Raw + Send + Sync + 'static) -> Vec<Reply> {
    vec![Reply::made(make); 12]
}

fn usage() -> Value {
    json!({"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, "cost": 0.01})
}

fn chunk(choice: Value) -> Value {
    json!({"id": "gen-1", "object": "chat.completion.chunk", "model": "fake_model/model", "choices": [choice]})
}

fn delta(delta: Value, finish_reason: Option<&str>) -> Value {
    chunk(json!({"index": 0, "delta": delta, "finish_reason": finish_reason}))
}

fn event(data: impl std::fmt::Display) -> String {
    format!("data: {data}\n\n")
}

/// The events of a text in pieces, without any end.
fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let piece = |piece: &[char]| event(delta(json!({"content": piece.iter().collect::<String>()}), None));
    characters.chunks(300).map(piece).collect()
}

/// The end of a stream: the finish reason, the usage, the mark.
fn end(finish_reason: &str) -> String {
    let mut last = chunk(json!(null));
    (last["choices"], last["usage"]) = (json!([]), usage());
    event(delta(json!({}), Some(finish_reason))) + &event(last) + &event("[DONE]")
}

#[test]
fn an_anthropic_model_is_sent_no_bounds() {
    let options = Options { provider: Provider::Anthropic, ..Options::default() };
    let ended = run(options, Vec::new(), &[("LLM_MODEL", "anthropic/claude-sonnet-4.5")]);
    ended.is_whole();
    for request in ended.fake_model.requests() {
        let schema = request.body["response_format"]["json_schema"]["schema"].to_string();
        for bound in ["minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "oneOf"] {
            assert!(!schema.contains(&format!("\"{bound}\"")), "{bound}: {schema}");
        }
    }
}

#[test]
fn an_event_without_data_is_skipped() {
    let replies = always(|answered| {
        let mut events = pieces(&answered.text);
        events.insert(1, "data: \n\n".to_owned());
        events.insert(0, "data:\n\n".to_owned());
        Raw::events(events.concat() + &end("stop"))
    });
    run(Options::default(), replies, &[]).is_whole();
}

#[test]
fn an_endpoints_own_limit_is_not_raised() {
    for reason in ["MAX_TOKENS", "max_tokens", "length", "model_length"] {
        let replies = always(move |answered| {
            let cut: String = answered.text.chars().take(answered.text.chars().count() * 2 / 3).collect();
            Raw::events(pieces(&cut).concat() + &end(reason))
        });
        let ended = run(Options::default(), replies, &[]);
        // The usage tells of far fewer tokens than we allowed: more would change nothing.
        assert_eq!((ended.fake_model.calls(), ended.error()), (1, "LLM_TRUNCATED"), "{reason}");
    }
}

#[test]
fn an_answer_in_the_reasoning_is_used() {
    for member in ["reasoning", "reasoning_content"] {
        let replies = always(move |answered| {
            let thought = delta(json!({"role": "assistant", "content": "", (member): answered.text}), None);
            Raw::events(event(thought) + &end("stop"))
        });
        run(Options::default(), replies, &[]).is_whole();
        let replies = always(move |answered| {
            let message = json!({"role": "assistant", "content": null, (member): answered.text});
            let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
            Raw::json(
                200,
                json!({"id": "gen-1", "model": "m", "choices": [choice], "usage": usage()}).to_string(),
            )
        });
        run(Options::default(), replies, &[]).is_whole();
    }
}

#[test]
fn the_bill_of_an_own_key_counts() {
    let options = Options { usage: UsageForm::OwnKey, cost_usd: 0.40, ..Options::default() };
    let ended = run(options, Vec::new(), &[("LLM_MAX_COST_PER_RUN_USD", "0.50")]);
    assert_eq!((ended.code, ended.fake_model.calls()), (Some(1), 2));
    assert!(["LLM_COST_LIMIT", "LLM_CREDITS"].contains(&ended.error()), "{}", ended.told);
}

#[test]
fn a_message_beside_the_delta_counts_once() {
    let replies = always(|answered| {
        let (mut events, mut so_far) = (String::new(), String::new());
        let characters: Vec<char> = answered.text.chars().collect();
        for piece in characters.chunks(300) {
            let piece: String = piece.iter().collect();
            so_far += &piece;
            let mut chunk = delta(json!({"content": piece}), None);
            chunk["choices"][0]["message"] = json!({"role": "assistant", "content": so_far});
            events += &event(chunk);
        }
        let mut last = delta(json!({"content": ""}), Some("stop"));
        last["choices"][0]["message"] = json!({"role": "assistant", "content": so_far});
        last["usage"] = usage();
        Raw::events(events + &event(last) + &event("[DONE]"))
    });
    run(Options::default(), replies, &[]).is_whole();
}

fn google(status: u16, name: &str, message: &str, details: &Value) -> Reply {
    let error = json!({"code": status, "status": name, "message": message, "details": details});
    Reply::Status { status, headers: Vec::new(), body: json!([{"error": error}]) }
}

#[test]
fn a_wait_that_google_asks_for_is_kept() {
    let info = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}]);
    let busy = google(429, "RESOURCE_EXHAUSTED", "Quota exceeded. Please retry in 3s.", &info);
    let ended = run(Options::default(), vec![busy], &[]);
    assert_eq!((ended.code, ended.fake_model.calls()), (Some(0), 5), "{}", ended.told);
    let requests = ended.fake_model.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(3));
}

#[test]
fn an_error_in_an_array_is_shown() {
    let refused = google(400, "INVALID_ARGUMENT", "API key not valid.", &json!([]));
    let ended = run(Options::default(), vec![refused; 12], &[]);
    assert_eq!((ended.code, ended.fake_model.calls()), (Some(1), 1));
    assert!(ended.told.to_string().contains("API key not valid"), "{}", ended.told);
}

#[test]
fn halves_of_a_surrogate_pair_are_joined() {
    let replies = always(|answered| {
        let at = answered.text.find("\"title\":\"").map(|at| at + 9);
        let at = at.or_else(|| answered.text.find("\"name\":\"").map(|at| at + 8)).unwrap();
        let piece =
            |escaped: &str| event(delta(json!({"content": "@"}), None).to_string().replace("\"@\"", escaped));
        let quoted = |text: &str| json!(text).to_string();
        let (head, tail) = answered.text.split_at(at);
        let events = [
            piece(&quoted(head)),
            piece("\"\\ud83d\""),
            piece("\"\\uded2\""),
            piece(&quoted(tail)),
            end("stop"),
        ];
        Raw::events(events.concat())
    });
    let ended = run(Options::default(), replies, &[]);
    ended.is_whole();
    let title = &ended.run.json(STAGE_FILES[0])["inspirations"][0]["title"];
    assert!(title.as_str().unwrap().starts_with(['\u{1F6D2}', '\u{FFFD}']), "{title}");
}

#[test]
fn of_a_repeated_key_the_last_counts() {
    let within = always(|answered| {
        let message = format!(
            r#"{{"role":"assistant","reasoning_content":"so","reasoning_content":"so","content":null,"content":{}}}"#,
            json!(answered.text)
        );
        Raw::json(
            200,
            format!(
                r#"{{"id":"gen-1","model":"m","choices":[{{"index":0,"finish_reason":"stop","message":{message}}}],"usage":{}}}"#,
                usage()
            ),
        )
    });
    run(Options::default(), within, &[]).is_whole();
    let at_the_top = always(|answered| {
        let choice = json!({"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": answered.text}});
        Raw::json(
            200,
            format!(
                r#"{{"id":"gen-1","id":"gen-1","model":"m","choices":[{choice}],"usage":null,"usage":{}}}"#,
                usage()
            ),
        )
    });
    run(Options::default(), at_the_top, &[]).is_whole();
}

#[test]
fn a_draft_within_thoughts_is_no_answer() {
    let marked = |text: &str, mark: &str| {
        text.replace("\"title\":\"", &format!("\"title\":\"{mark} "))
            .replace("\"name\":\"", &format!("\"name\":\"{mark} "))
    };
    let replies = always(move |answered| {
        let (draft, answer) = (marked(&answered.text, "DRAFT"), marked(&answered.text, "ANSWER"));
        let text = format!("<think>First try:\n{draft}\nNo, that is too vague.</think>\n\n{answer}");
        Raw::events(pieces(&text).concat() + &end("stop"))
    });
    let ended = run(Options::default(), replies, &[]);
    ended.is_whole();
    for file in STAGE_FILES {
        let stored = ended.run.json(file).to_string();
        assert!(stored.contains("ANSWER") && !stored.contains("DRAFT"), "{file}: {stored}");
    }
}

#[test]
fn every_property_that_is_sent_has_its_type() {
    let options = Options { provider: Provider::OpenAi, ..Options::default() };
    let ended = run(options, Vec::new(), &[("LLM_MODEL", "openai/gpt-5-mini")]);
    ended.is_whole();
    let request = ended.fake_model.requests().pop().unwrap();
    let schema = &request.body["response_format"]["json_schema"]["schema"];
    let horizon = &schema["properties"]["opportunities"]["items"]["properties"]["horizon"];
    assert!(horizon["type"] == "string" && horizon["enum"].as_array().is_some_and(|words| words.len() == 3));
}
