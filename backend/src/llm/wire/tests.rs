use pipeline::llm::{Oddity, ReplyParts, Usage};
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
        parts: ReplyParts { content: "hello".to_owned(), ..ReplyParts::default() },
        refusal: String::new(),
        model: Some("a/b".to_owned()),
        provider: Some("P".to_owned()),
        generation_id: Some("gen-1".to_owned()),
        finish_reason: Some("stop".to_owned()),
        is_finished: true,
        usage: Usage {
            prompt_tokens: 10,
            completion_tokens: 5,
            cached_tokens: 4,
            cost_usd: 0.25,
            ..Usage::default()
        },
        oddities: Oddities::default(),
    }
}

/// The same reply with these oddities.
fn odd(reply: Reply, oddities: &[Oddity]) -> Reply {
    let mut set = Oddities::default();
    oddities.iter().for_each(|oddity| set.insert(*oddity));
    Reply { oddities: set, ..reply }
}

fn fault(body: &[u8]) -> Fault {
    decode(body, BYTES_MAX).unwrap_err().fault
}

#[test]
fn one_body_and_a_stream_say_the_same() {
    assert_eq!(decode(&stop("hello"), BYTES_MAX), Ok(hello()));
    assert_eq!(decode(&stream(), BYTES_MAX), Ok(odd(hello(), &[Oddity::Comment])));
    let padded = [b"\n\n \r\n".as_slice(), &stop("hello")].concat();
    assert_eq!(decode(&padded, BYTES_MAX), Ok(hello()), "leading newlines keep a connection alive");
}

#[test]
fn content_parts_and_unknown_field_types_are_accepted() {
    let parts = json!([{"type": "text", "text": "hel"}, {"type": "new"}, {"type": "text", "text": "lo"}]);
    let body = json!({"id": 7, "model": ["x"], "new": {}, "usage": "free", "choices": [
        {"index": 0, "logprobs": 1, "finish_reason": "STOP", "message": {"content": parts, "refusal": null}}]});
    let reply = decode(body.to_string().as_bytes(), BYTES_MAX).unwrap();
    assert_eq!(
        (reply.parts.content.as_str(), reply.model, reply.finish_reason.as_deref()),
        ("hello", None, Some("stop"))
    );
}

#[test]
fn limits_go_before_errors_and_errors_before_content() {
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
    assert!(matches!(with(inside), Fault::Upstream(u) if u.status == Some(503)));
    assert!(matches!(
        with(json!({"finish_reason": "error"})),
        Fault::Upstream(u) if u.status.is_none()
    ));
    let top = br#"{"error": {"code": "429", "message": "m"}, "usage": {"cost": 0.5}}"#;
    let failure = decode(top, BYTES_MAX).unwrap_err();
    assert!(matches!(failure.fault, Fault::Upstream(u) if u.status == Some(429)));
    assert!((failure.usage.cost_usd - 0.5).abs() < 1e-9, "the cost of a failure is kept");
}

#[test]
fn non_answers_are_classified() {
    assert_eq!(fault(b"<!DOCTYPE html><html>"), Fault::NotAnAnswer("an HTML page"));
    assert_eq!(fault(b""), Fault::NotAnAnswer("an empty body"));
    assert_eq!(fault(b" \n"), Fault::NotAnAnswer("an empty body"));
    assert_eq!(fault(b"upstream down"), Fault::NotAnAnswer(TEXT));
    assert_eq!(fault(b"[1]"), Fault::NotAnAnswer("JSON that is no chat completion"));
    assert_eq!(fault(b"{\"a\" 1}"), Fault::NotAnAnswer(BROKEN_JSON));
    assert_eq!(fault(b"{\"ok\": true}"), Fault::NotAnAnswer("JSON that is no chat completion"));
    let whole = stop("hello");
    assert_eq!(fault(&whole[..whole.len() - 4]), Fault::CutOff);
    assert_eq!(decode(&whole, 20).unwrap_err().fault, Fault::TooLarge(20));
}

#[test]
fn an_unterminated_stream_is_truncated_unless_finished() {
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
fn content_before_a_fault_is_kept() {
    let chunk = json!({"choices": [{"delta": {"content": "whole"}}]});
    let kept = |rest: &str| {
        let failure = decode(format!("data: {chunk}\n\n{rest}").as_bytes(), BYTES_MAX).unwrap_err();
        failure.partial.map(|reply| reply.parts.content)
    };
    for rest in [
        "",
        "data: {\"choi",
        "data: {\"error\": {\"message\": \"gone\"}}\n\n",
        "event: error\ndata: gone\n\n",
    ] {
        assert_eq!(kept(rest).as_deref(), Some("whole"), "{rest}");
    }
    let limit = json!({"choices": [{"delta": {}, "finish_reason": "MAX_TOKENS"}]});
    assert_eq!(kept(&format!("data: {limit}\n\n")), None, "a cut-off answer is never complete");
    assert_eq!(
        kept("data: {\"choices\": [{\"delta\n\ndata: [DONE]\n\n"),
        None,
        "a piece of it may be missing"
    );
}

#[test]
fn each_oddity_is_tolerated_and_named() {
    use Oddity::*;
    let piece = |text: &str| json!({"choices": [{"delta": {"content": text}}]}).to_string();
    let end = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let both = |delta: &str, message: &str| {
        json!({"choices": [{"delta": {"content": delta}, "message": {"content": message}}]}).to_string()
    };
    let (hel, lo) = (piece("hel"), piece("lo"));
    for (events, oddities) in [
        (vec![&*hel, "", &*lo, end], vec![EmptyEvent]),
        (vec![&*hel, "ping", &*lo, end], vec![Heartbeat]),
        (vec![&*hel, r#""ping""#, &*lo, end], vec![Heartbeat]),
        (vec![&*hel, r#"{"type":"ping"}"#, &*lo, end], vec![UnknownEvent]),
        (vec![&*hel, r#"{"error":{}}"#, &*lo, end], vec![EmptyError]),
        (vec![&*hel, r#"{"error":{"message":"","code":0},"choices":[]}"#, &*lo, end], vec![EmptyError]),
        (
            vec![r#"{"id":"a","id":"a","choices":[{"delta":{"content":"hel"}}]}"#, &*lo, end],
            vec![DuplicateKeys],
        ),
        (
            vec![r#"{"choices":[{"delta":{"content":[{"type":"text","text":"hel"}]}}]}"#, &*lo, end],
            vec![ContentParts],
        ),
        (vec![&*both("hel", "hel"), &*both("lo", "hello"), end], vec![MessageBesideDelta]),
        (vec![&*format!("{hel}{lo}"), end], vec![SeveralValues]),
        (vec![&*piece("h"), &*piece("hel"), &*piece("hello"), end], vec![MessageBesideDelta]),
        (vec![&*hel, &*lo, r#"{"choices":[{"delta":{},"finish_reason":"end_turn"}]}"#], vec![FinishReason]),
    ] {
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let reply = decode(format!("{body}data: [DONE]\n\n").as_bytes(), BYTES_MAX).unwrap();
        assert_eq!(reply.parts.content, "hello", "{events:?}");
        assert_eq!(reply.oddities.iter().collect::<Vec<_>>(), oddities, "{events:?}");
    }
}

#[test]
fn relays_may_bend_the_stream() {
    let hel = json!({"choices": [{"delta": {"content": "hel"}}]});
    let lo =
        json!({"choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}], "usage": {"cost": 0.25}});
    for body in [
        format!("data: {hel}\ndata: {lo}\ndata: [DONE]\n"),
        format!("data: data: {hel}\n\ndata: data: {lo}\n\n"),
        format!("data: \u{FEFF}{hel}\n\ndata: {lo}\n\n"),
        format!("{hel}\n{lo}\n[DONE]\n"),
        format!(": waiting\n\n{hel}\n\n{lo}\n\n"),
        format!("ping: 1\n\ndata: {hel}\n\ndata: {lo}\n\n"),
        format!("data: {hel}\n\ndata: {lo}\n\ndata: {{\"broken\n\n"),
        format!("data: {{\"data\": {hel}}}\n\ndata: {{\"result\": {lo}}}\n\n"),
        format!("data: {hel}\n\ndata: {}\n\n", lo.to_string().replace("0.25", "0.25, \"rate\": NaN")),
    ] {
        let reply =
            decode(body.as_bytes(), BYTES_MAX).unwrap_or_else(|failure| panic!("{body}: {failure:?}"));
        assert_eq!((reply.parts.content.as_str(), reply.is_finished), ("hello", true), "{body}");
        assert_eq!(reply.usage.cost_usd, 0.25, "{body}");
    }
}

#[test]
fn a_reason_with_every_chunk_says_nothing() {
    let chunk = |text: &str| json!({"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]});
    let body = format!("data: {}\n\ndata: {}\n\n", chunk("hel"), chunk("lo"));
    let failure = decode(body.as_bytes(), BYTES_MAX).unwrap_err();
    assert_eq!(failure.fault, Fault::CutOff);
    let reply = decode(format!("{body}data: [DONE]\n\n").as_bytes(), BYTES_MAX).unwrap();
    assert!(reply.is_finished);
}

#[test]
fn a_properly_ended_reply_needs_no_finish_reason() {
    let body = json!({"choices": [{"finish_reason": null, "message": {"content": "x"}}]}).to_string();
    for body in [body.clone(), format!("{body}\ndata: [DONE]\n\n")] {
        let reply = decode(body.as_bytes(), BYTES_MAX).unwrap();
        assert_eq!((reply.finish_reason, reply.is_finished), (None, true));
    }
}

#[test]
fn tool_calls_and_reasoning_are_kept_apart() {
    let body: String = [
        json!({"choices": [{"delta": {"reasoning": "so", "reasoning_details": [{"text": "so"}]}}]}),
        json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{\"a\""}}]}}]}),
        json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}, "finish_reason": "tool_calls"}]}),
    ]
    .iter()
    .map(|event| format!("data: {event}\n\n"))
    .collect();
    let parts = decode(body.as_bytes(), BYTES_MAX).unwrap().parts;
    assert_eq!(
        parts,
        ReplyParts {
            tool_calls: vec!["{\"a\":1}".to_owned()],
            reasoning: "so".to_owned(),
            ..ReplyParts::default()
        }
    );
    let thinking = json!({"choices": [{"finish_reason": "stop", "message": {"content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]}}]});
    let parts = decode(thinking.to_string().as_bytes(), BYTES_MAX).unwrap().parts;
    assert_eq!((parts.content.as_str(), parts.reasoning.as_str()), ("yes", "hm"));
}

#[test]
fn halves_of_a_character_are_joined_across_chunks() {
    let chunk = |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":{text}}}}}]}}\n\n");
    let mut body = chunk(r#""a\ud83d""#) + &chunk(r#""\uded2b""#) + &chunk(r#""\udc00""#);
    body += "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let reply = decode(body.as_bytes(), BYTES_MAX).unwrap();
    assert_eq!(reply.parts.content, "a\u{1F6D2}b\u{FFFD}");
    assert!(reply.oddities.contains(Oddity::LoneSurrogate));
}

#[test]
fn a_done_stream_needs_no_finish_reason() {
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
    let seconds = |count| Some(std::time::Duration::from_secs(count));
    for (status, body, message, wait) in [
        (
            429,
            json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded.",
                "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}]}}]),
            "Quota exceeded.",
            seconds(12),
        ),
        (
            400,
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "bad"}}),
            "bad",
            None,
        ),
        (
            429,
            json!({"error": {"message": "Please try again in 20s."}}),
            "Please try again in 20s.",
            seconds(20),
        ),
        (422, json!({"detail": [{"loc": ["body"], "msg": "field required"}]}), "field required", None),
        (400, json!({"object": "error", "message": "too long", "code": 400}), "too long", None),
        (503, json!({"success": false, "errors": [{"code": 7000, "message": "no route"}]}), "no route", None),
        (500, json!("plain words"), "plain words", None),
        (
            502,
            json!({"error": {"message": "Provider returned error", "code": 502, "metadata": {"provider_name": "Acme",
            "raw": "{\"error\": {\"message\": \"busy\", \"retry_after\": 3}}"}}}),
            "Acme says: busy",
            seconds(3),
        ),
    ] {
        let upstream = read(status, body.clone());
        assert_eq!((upstream.status, upstream.message.as_str()), (Some(status), message), "{body}");
        assert_eq!(upstream.retry_after, wait, "{body}");
    }
    let page = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title>";
    assert_eq!(decode_error(502, page).message, "502 Bad Gateway");
    let quota = json!({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}});
    assert_eq!(read(429, quota).status, Some(402), "an empty account is no rate limit");
    let filtered = json!({"error": {"message": "filtered", "code": "content_filter", "status": 400}});
    assert!(read(400, filtered).is_refusal);
    let by_parameter = json!({"error": {"message": "Bad request", "param": "response_format"}});
    assert_eq!(read(400, by_parameter).parameter.as_deref(), Some("response_format"));
    let by_location =
        json!({"detail": [{"loc": ["body", "response_format"], "msg": "extra fields not permitted"}]});
    assert_eq!(read(422, by_location).parameter.as_deref(), Some("body.response_format"));
    assert_eq!(read(400, json!({"error": {"message": {"text": "x", "message": "deep"}}})).message, "deep");
    for inside in
        [r#"[{"error": {"code": 503, "message": "m"}}]"#, r#"{"detail": "m", "status": 503}"#, r#""m""#]
    {
        assert!(matches!(fault(inside.as_bytes()), Fault::Upstream(u) if u.message == "m"), "{inside}");
    }
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

/// Pieces between two events of a stream that must change nothing.
const NOISE: [&str; 9] = [
    ": keep-alive\n\n",
    "data:\n\n",
    "data: \n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: response.created\ndata: {\"response\": {\"id\": \"x\"}}\n\n",
    "data: heartbeat\n\n",
    "data: {\"error\": {}}\n\n",
    "data: {\"choices\": [], \"usage\": null, \"usage\": null}\r\n\r\n",
    "id: 7\nretry: 3\ndata: {\"choices\": [{\"index\": 0, \"delta\": {\"role\": \"assistant\", \"content\": \"\"}}]}\n\n",
];

proptest! {
    #[test]
    fn noise_and_cuts_change_no_answer(
        text in "[a-zA-Z{}\"\\\\ é🛒]{1,40}", noise in proptest::collection::vec(0_usize..NOISE.len(), 0..12),
        cuts in proptest::collection::vec(1_usize..30, 0..40),
    ) {
        let mut events: Vec<String> = text
            .chars()
            .map(|c| format!("data: {}\n\n", json!({"choices": [{"delta": {"content": c.to_string()}}]})))
            .collect();
        events.push("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".to_owned());
        events.push("data: {\"choices\":[],\"usage\":{\"cost\":0.25}}\n\n".to_owned());
        for (position, kind) in noise.iter().enumerate() {
            events.insert((position * 7) % events.len(), NOISE[*kind].to_owned());
        }
        let body = events.concat() + "data: [DONE]\n\n";
        let mut decoder = Decoder::new(BYTES_MAX);
        let mut rest = body.as_bytes();
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            rest = tail;
            decoder.push(head).unwrap();
        }
        let outcome = decoder.finish();
        if text.trim().is_empty() {
            prop_assert_eq!(outcome.unwrap_err().fault, Fault::EmptyContent);
        } else {
            let reply = outcome.unwrap();
            prop_assert_eq!(reply.parts.content, text);
            prop_assert_eq!((reply.finish_reason.as_deref(), reply.usage.cost_usd), (Some("stop"), 0.25));
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = decode(&bytes, 400);
        let _ = decode_error(500, &bytes);
    }

    #[test]
    fn chunking_is_irrelevant_and_damage_never_panics(
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
        let mut fault = None;
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            rest = tail;
            match decoder.push(head) {
                Ok(false) => {}
                Ok(true) => break,
                Err(early) => { fault = Some(early); break }
            }
        }
        let pieces = match fault {
            Some(fault) => Err(decoder.failure(fault)),
            None => decoder.finish(),
        };
        prop_assert_eq!(pieces, decode(&body, BYTES_MAX));
    }
}
