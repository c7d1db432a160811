use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::llm::fault::Upstream;

const BYTES_MAX: usize = 1 << 20;

#[allow(clippy::needless_pass_by_value)] // reads better where it is called
fn json_body(choice: Value) -> Vec<u8> {
    json!({"id": "gen-1", "model": "a/b", "provider": "P", "choices": [choice],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.25,
            "prompt_tokens_details": {"cached_tokens": 4}}})
    .to_string()
    .into_bytes()
}

fn stop(text: &str) -> Vec<u8> {
    json_body(json!({"finish_reason": "stop", "message": {"content": text}}))
}

fn stream() -> Vec<u8> {
    let mut body = ": OPENROUTER PROCESSING\n\n".to_owned();
    for chunk in [
        json!({"id": "gen-1", "model": "a/b", "provider": "P", "choices": [{"delta": {"role": "assistant", "content": "he"}, "finish_reason": null}]}),
        json!({"choices": [{"delta": {"content": "llo"}, "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": "0.25", "cached_tokens": 4}}),
    ] {
        body += &format!("data: {chunk}\n\n: OPENROUTER PROCESSING\n\n");
    }
    (body + "data: [DONE]\n\n").into_bytes()
}

fn hello() -> Reply {
    Reply {
        text: "hello".to_owned(),
        model: Some("a/b".to_owned()),
        provider: Some("P".to_owned()),
        generation_id: Some("gen-1".to_owned()),
        finish_reason: Some("stop".to_owned()),
        usage: Usage { prompt_tokens: 10, completion_tokens: 5, cached_tokens: 4, cost_usd: 0.25 },
    }
}

fn fault(body: &[u8]) -> Fault {
    decode(body, BYTES_MAX).unwrap_err().fault
}

#[test]
fn one_body_and_a_stream_say_the_same() {
    assert_eq!(decode(&stop("hello"), BYTES_MAX), Ok(hello()));
    assert_eq!(decode(&stream(), BYTES_MAX), Ok(hello()));
    let padded = [b"\n\n \r\n".as_slice(), &stop("hello")].concat();
    assert_eq!(decode(&padded, BYTES_MAX), Ok(hello()), "leading newlines keep a connection alive");
}

#[test]
fn content_may_come_in_parts_and_fields_in_unknown_types() {
    let parts = json!([{"type": "text", "text": "hel"}, {"type": "new"}, {"type": "text", "text": "lo"}]);
    let body = json!({"id": 7, "model": ["x"], "new": {}, "usage": "free", "choices": [
        {"index": 0, "logprobs": 1, "finish_reason": "STOP", "message": {"content": parts, "refusal": null}}]});
    let reply = decode(body.to_string().as_bytes(), BYTES_MAX).unwrap();
    assert_eq!(
        (reply.text.as_str(), reply.model, reply.finish_reason.as_deref()),
        ("hello", None, Some("stop"))
    );
}

#[test]
fn the_order_of_judgement_is_error_then_reason_then_content() {
    let with = |choice: Value| fault(&json_body(choice));
    assert_eq!(with(json!({"finish_reason": "length", "message": {"content": "x"}})), Fault::LengthLimit);
    assert_eq!(
        with(json!({"finish_reason": "content_filter", "message": {"content": null}})),
        Fault::ContentFilter
    );
    let refusal = json!({"finish_reason": "stop", "message": {"content": null, "refusal": "No."}});
    assert_eq!(with(refusal), Fault::Refusal("No.".to_owned()));
    for content in [json!(null), json!(""), json!(" \n\t"), json!([])] {
        assert_eq!(
            with(json!({"finish_reason": "stop", "message": {"content": content}})),
            Fault::EmptyContent
        );
    }
    let inside = json!({"finish_reason": "error", "message": {"content": "half"}, "error": {"code": 503, "message": "m"}});
    assert!(matches!(with(inside), Fault::Upstream(Upstream { status: Some(503), .. })));
    assert!(matches!(
        with(json!({"finish_reason": "error"})),
        Fault::Upstream(Upstream { status: None, .. })
    ));
    let top = br#"{"error": {"code": "429", "message": "m"}, "usage": {"cost": 0.5}}"#;
    let failure = decode(top, BYTES_MAX).unwrap_err();
    assert!(matches!(failure.fault, Fault::Upstream(Upstream { status: Some(429), .. })));
    assert!((failure.usage.cost_usd - 0.5).abs() < 1e-9, "the cost of a failure is kept");
}

#[test]
fn what_is_no_answer_is_told_apart() {
    assert_eq!(fault(b"<!DOCTYPE html><html>"), Fault::NotAnAnswer("an HTML page"));
    assert_eq!(fault(b""), Fault::NotAnAnswer("an empty body"));
    assert_eq!(fault(b" \n"), Fault::NotAnAnswer("an empty body"));
    assert_eq!(fault(b"upstream down"), Fault::NotAnAnswer(TEXT));
    assert_eq!(fault(b"[1]"), Fault::NotAnAnswer(TEXT));
    assert_eq!(fault(b"{\"a\" 1}"), Fault::NotAnAnswer(BROKEN_JSON));
    assert_eq!(fault(b"{\"ok\": true}"), Fault::NotAnAnswer("JSON that is no chat completion"));
    let whole = stop("hello");
    assert_eq!(fault(&whole[..whole.len() - 4]), Fault::CutOff);
    assert_eq!(decode(&whole, 20).unwrap_err().fault, Fault::TooLarge(20));
}

#[test]
fn a_stream_without_its_end_is_cut_off_unless_the_model_had_finished() {
    let text = String::from_utf8(stream()).unwrap();
    let reason = text.find("\"stop\"").unwrap();
    let after_reason = reason + text[reason..].find("\n\n").unwrap();
    for end in 0..text.len() {
        let result = decode(&text.as_bytes()[..end], BYTES_MAX);
        assert_eq!(result.is_ok(), end >= after_reason, "cut at {end}: {result:?}");
    }
}

#[test]
fn a_stream_may_fail_in_the_middle() {
    let chunk = json!({"choices": [{"delta": {"content": "half"}}], "usage": {"cost": 0.1}});
    let error = json!({"error": {"code": 502, "message": "gone"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]});
    let failure = decode(format!("data: {chunk}\n\ndata: {error}\n\n").as_bytes(), BYTES_MAX).unwrap_err();
    assert!(matches!(&failure.fault, Fault::Upstream(u) if u.status == Some(502) && u.message == "gone"));
    assert!((failure.usage.cost_usd - 0.1).abs() < 1e-9);
}

#[test]
fn a_stream_that_ends_without_a_reason_is_taken_if_it_says_done() {
    let reply =
        decode(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n", BYTES_MAX)
            .unwrap();
    assert_eq!(reply.finish_reason, None);
}

#[test]
fn error_bodies_in_all_their_shapes() {
    let read = |status, body: Value| decode_error(status, body.to_string().as_bytes());
    assert_eq!(read(429, json!({"error": {"code": 429, "message": "slow"}})).message, "slow");
    assert_eq!(read(429, json!({"error": "plain"})).message, "plain");
    assert_eq!(read(400, json!({"message": "bare"})).message, "bare");
    let passed_on = json!({"error": {"code": 502, "message": GENERIC_MESSAGE, "metadata": {"raw": "overloaded", "provider_name": "Acme"}}});
    assert_eq!(read(502, passed_on).message, "Acme says: overloaded");
    let availability = json!({"error": {"message": "busy", "http_status": 503, "error_type": "availability",
        "availability": {"retryable": false, "retry_after": "1.5", "fallback_models": []}}});
    let inside = fault(availability.to_string().as_bytes());
    let Fault::Upstream(upstream) = inside else { panic!("{inside:?}") };
    assert_eq!(upstream.status, Some(503));
    assert_eq!(upstream.retryable, Some(false));
    assert_eq!(upstream.retry_after, Some(std::time::Duration::from_millis(1500)));
    assert_eq!(decode_error(500, b"<html>"), Upstream { status: Some(500), ..Upstream::default() });
}

const GENERIC_MESSAGE: &str = "Provider returned error";

#[test]
fn figures_beyond_anything_real_stay_finite() {
    for cost in [json!(1e308), json!(-4), json!("NaN"), json!("inf"), json!({})] {
        let body = json!({"choices": [{"finish_reason": "stop", "message": {"content": "x"}}],
            "usage": {"prompt_tokens": u64::MAX, "completion_tokens": -1, "cost": cost}});
        let mut usage = decode(body.to_string().as_bytes(), BYTES_MAX).unwrap().usage;
        usage += usage;
        assert!(usage.cost_usd.is_finite() && usage.cost_usd >= 0.0);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = decode(&bytes, 400);
        let _ = decode_error(500, &bytes);
    }

    #[test]
    fn an_answer_is_the_same_however_it_is_cut_and_damage_never_panics(
        streamed in any::<bool>(), cuts in proptest::collection::vec(1_usize..40, 0..60),
        damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut body = if streamed { stream() } else { stop("hello") };
        if let Some((at, byte)) = damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let mut decoder = Decoder::new(BYTES_MAX);
        let mut rest = body.as_slice();
        let mut early = None;
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            rest = tail;
            match decoder.push(head) {
                Ok(false) => {}
                Ok(true) => break,
                Err(fault) => { early = Some(decoder.failure(fault)); break }
            }
        }
        let pieces = early.map_or_else(|| decoder.finish(), Err);
        prop_assert_eq!(pieces, decode(&body, BYTES_MAX));
    }
}
