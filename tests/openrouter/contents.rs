//! A 200 that holds something else than a good answer.

use pipeline::llm::Disposition;
use serde_json::{Value, json};

use super::*;
use crate::support::wait::eventually;

fn choice(message: Value, finish_reason: Value) -> Reply {
    Reply::Choice { message, finish_reason }
}

#[tokio::test]
async fn an_error_in_200_is_classified_by_code() {
    for code in [json!(503), json!("503")] {
        recovers(Reply::ErrorInside(json!({"code": code, "message": "m"}))).await;
    }
    recovers(Reply::ErrorInside(json!({"message": "no code at all"}))).await;
    let credits = Reply::ErrorInside(json!({"code": 402, "message": "m"}));
    let error = fails(credits, LlmErrorCode::LlmCredits, "no credits left", 1).await;
    assert!((error.usage.cost_usd - 0.01).abs() < 1e-9, "what it cost is counted");
}

#[tokio::test]
async fn an_error_in_a_choice_is_not_content() {
    let completion = recovers(Reply::ErrorInChoice(json!({"code": 502, "message": "m"}))).await;
    assert!((completion.usage.cost_usd - 0.02).abs() < 1e-9, "both requests are counted");
}

#[tokio::test]
async fn a_mid_stream_error_is_retried() {
    let completion = recovers(Reply::ErrorMidStream(json!({"code": 502, "message": "gone"}))).await;
    assert!((completion.usage.cost_usd - 0.02).abs() < 1e-9);
    let reply = Reply::ErrorMidStream(json!({"code": "server_error", "message": "gone"}));
    fails(reply, LlmErrorCode::LlmError, "(no status: gone), 3 attempts", 3).await;
}

#[tokio::test]
async fn leading_newlines_do_no_harm() {
    let fake_model = FakeModel::start(Options { streams: false, ..Options::default() });
    fake_model.script([Reply::Answer(Wrapping::LeadingNewlines)]);
    assert!(ask(config(&fake_model)).await.unwrap().parts.content.contains("inspirations"));
    assert!(is_taken(Reply::Answer(Wrapping::LeadingNewlines)).await.parts.content.contains("inspirations"));
}

#[tokio::test]
async fn blank_null_or_missing_content_is_retried() {
    for message in [json!({"content": " \n\t"}), json!({"content": ""}), json!({"content": null}), json!({})]
    {
        recovers(choice(message.clone(), json!("stop"))).await;
        fails(
            choice(message, json!("stop")),
            LlmErrorCode::LlmInvalidOutput,
            "answered with nothing (2 attempts)",
            2,
        )
        .await;
    }
}

#[tokio::test]
async fn truncated_json_is_tried_again() {
    recovers(Reply::JsonCut).await;
    fails(Reply::JsonCut, LlmErrorCode::LlmError, "broke off before its end (3 attempts)", 3).await;
}

#[tokio::test]
async fn a_stream_without_its_end_is_tried_again() {
    recovers(Reply::StreamCut).await;
    fails(Reply::StreamCut, LlmErrorCode::LlmError, "broke off before its end", 3).await;
}

#[tokio::test]
async fn an_html_page_is_not_an_answer() {
    let page = || Reply::Raw {
        content_type: "text/html",
        body: b"\n<!DOCTYPE html><html>Bad gateway</html>".to_vec(),
    };
    recovers(page()).await;
    let error = fails(page(), LlmErrorCode::LlmError, "an HTML page instead of a model's answer", 3).await;
    assert!(!error.message.contains("gateway"));
    let error = Reply::Status { status: 502, headers: Vec::new(), body: json!("<html>Bad gateway</html>") };
    fails(error, LlmErrorCode::LlmError, "failed (502)", 3).await;
}

#[tokio::test]
async fn content_type_matters_only_with_wrong_content() {
    recovers(Reply::Raw { content_type: "text/plain", body: b"upstream connect error".to_vec() }).await;
    recovers(Reply::Raw { content_type: "application/json", body: Vec::new() }).await;
    let body = json!({"choices": [{"finish_reason": "stop", "message": {"content": "fine"}}]});
    let body = body.to_string().into_bytes();
    assert_eq!(is_taken(Reply::Raw { content_type: "text/html", body }).await.parts.content, "fine");
}

#[tokio::test]
async fn a_body_of_200_mb_is_cut_off() {
    let fake_model = start([Reply::Huge { bytes: 200_000_000 }]);
    let error = ask(config(&fake_model)).await.unwrap_err();
    assert_eq!((error.code, fake_model.calls()), (LlmErrorCode::LlmInvalidOutput, 1));
    assert!(error.message.contains("larger than 8388608 bytes"), "{}", error.message);
    eventually("the hang-up", async || fake_model.hung_up() == 1).await;
    assert!(fake_model.bytes_sent() < 40_000_000, "{} bytes were taken", fake_model.bytes_sent());
}

fn cut_off() -> Reply {
    choice(json!({"content": "{\"inspirations\": ["}), json!("length"))
}

#[tokio::test]
async fn a_length_limited_answer_gets_twice_the_limit() {
    let fake_model = start([cut_off()]);
    let completion = ask(config(&fake_model)).await.unwrap();
    assert_eq!((fake_model.calls(), completion.attempts), (2, 2));
    assert!((completion.usage.cost_usd - 0.02).abs() < 1e-9, "both are paid");
    let limits: Vec<Value> =
        fake_model.requests().iter().map(|request| request.body["max_tokens"].clone()).collect();
    assert_eq!(limits, [1_234, 2_468]);
}

#[tokio::test]
async fn an_answer_cut_off_twice_is_given_up() {
    let error = fails(cut_off(), LlmErrorCode::LlmTruncated, "limit of 2468 tokens", 2).await;
    assert_eq!(error.disposition, Disposition::Fail);
    assert!((error.usage.cost_usd - 0.02).abs() < 1e-9);
}

#[tokio::test]
async fn a_complete_answer_survives_a_broken_stream() {
    let request = question();
    let whole = pipeline::testing::example_answer(Stage::InputProcessing).to_string();
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": whole}, "finish_reason": null}]});
    for rest in ["", "data: {\"error\": {\"code\": 502, \"message\": \"gone\"}}\n\n"] {
        let body = format!("data: {chunk}\n\n{rest}").into_bytes();
        let fake_model = start([Reply::Raw { content_type: "text/event-stream", body }]);
        let completion =
            client(config(&fake_model)).complete(&request, None, &CancellationToken::new()).await.unwrap();
        assert_eq!((completion.parts.content.as_str(), fake_model.calls()), (whole.as_str(), 1), "{rest}");
    }
}

/// A question that knows its answer, as the model analyst's does.
fn question() -> impl pipeline::llm::RequestSource {
    #[derive(Debug)]
    struct Question;
    impl pipeline::llm::RequestSource for Question {
        fn request(&self) -> Result<CompletionRequest, LlmError> {
            Ok(request())
        }

        fn is_answered_by(&self, parts: &pipeline::llm::ReplyParts, _: bool) -> bool {
            pipeline::analyst::model::parse_answer(Stage::InputProcessing, &parts.content).is_ok()
        }
    }
    Question
}

#[tokio::test]
async fn a_refusal_is_shown_and_not_asked_again() {
    let reply = choice(json!({"content": null, "refusal": "I can't help with that."}), json!("stop"));
    fails(reply, LlmErrorCode::LlmRefused, "declined to answer: I can't help with that.;", 1).await;
}

#[tokio::test]
async fn a_content_filter_is_not_asked_again() {
    let reply = choice(json!({"content": ""}), json!("content_filter"));
    fails(reply, LlmErrorCode::LlmRefused, "content filter withheld the answer", 1).await;
}

#[tokio::test]
async fn an_unknown_finish_reason_passes_with_its_content() {
    let completion = is_taken(choice(json!({"content": "text"}), json!("pause_turn"))).await;
    assert_eq!(
        (completion.parts.content.as_str(), completion.finish_reason.as_deref()),
        ("text", Some("pause_turn"))
    );
    assert!(!completion.is_finished);
    let completion = is_taken(choice(json!({"content": "text"}), json!(null))).await;
    assert_eq!(completion.finish_reason, None);
}

#[tokio::test]
async fn a_bare_finish_reason_error_is_retried() {
    recovers(choice(json!({"content": "half"}), json!("error"))).await;
}
