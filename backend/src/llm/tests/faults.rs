//! One test a fault.

use std::time::Instant;

use pipeline::llm::{Disposition, LlmErrorCode};
use serde_json::{Value, json};

use super::*;

/// The endpoint replies so every time: the call fails with this code and sentence after so many requests.
async fn fails(reply: Reply, code: LlmErrorCode, sentence: &str, calls: usize) -> LlmError {
    let standin = start(std::iter::repeat_n(reply, 10));
    let error = ask(config(&standin)).await.unwrap_err();
    assert_eq!(error.code, code, "{}", error.message);
    assert!(
        error.message.contains(sentence),
        "{:?} does not say {sentence:?}",
        error.message
    );
    assert_eq!(
        (standin.calls(), error.attempts as usize),
        (calls, calls),
        "{}",
        error.message
    );
    assert!(!error.message.contains(KEY) && error.message.chars().count() < 600);
    error
}

/// The endpoint replies so once: the next request brings the answer.
async fn recovers(reply: Reply) -> Completion {
    let standin = start([reply.clone()]);
    let completion = ask(config(&standin))
        .await
        .unwrap_or_else(|error| panic!("{reply:?}: {error}"));
    assert_eq!((standin.calls(), completion.attempts), (2, 2), "{reply:?}");
    completion
}

/// The endpoint replies so: it is taken at once.
async fn is_taken(reply: Reply) -> Completion {
    let standin = start([reply]);
    let completion = ask(config(&standin)).await.unwrap();
    assert_eq!((standin.calls(), completion.attempts), (1, 1));
    completion
}

fn status(status: u16) -> Reply {
    let body = json!({"error": {"code": status, "message": "as scripted"}});
    Reply::Status {
        status,
        headers: Vec::new(),
        body,
    }
}

fn status_after(status: u16, retry_after: &str) -> Reply {
    let body = json!({"error": {"code": status, "message": "as scripted"}});
    Reply::Status {
        status,
        headers: vec![("Retry-After", retry_after.to_owned())],
        body,
    }
}

fn choice(message: Value, finish_reason: Value) -> Reply {
    Reply::Choice {
        message,
        finish_reason,
    }
}

#[tokio::test]
async fn rate_limit_with_retry_after_in_seconds_is_waited_for() {
    let standin = start([status_after(429, "0.2")]);
    assert!(ask(config(&standin)).await.is_ok());
    let requests = standin.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(200));
}

#[tokio::test]
async fn rate_limit_with_retry_after_as_a_date_is_waited_for() {
    // The tests' clock stands at midnight of 2026-01-01: the date lies a second ahead.
    let standin = start([status_after(429, "Thu, 01 Jan 2026 00:00:01 GMT")]);
    assert!(ask(config(&standin)).await.is_ok());
    let requests = standin.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));
}

#[tokio::test]
async fn rate_limit_without_retry_after_backs_off() {
    recovers(status(429)).await;
    let error = fails(
        status(429),
        LlmErrorCode::LlmRateLimit,
        "limits the rate of requests (429: as scripted), 3 attempts",
        3,
    )
    .await;
    assert_eq!(error.disposition, Disposition::Retry { after: None });
}

#[tokio::test]
async fn rate_limit_with_retry_after_beyond_the_deadline_fails_at_once() {
    let reply = status_after(429, "5400");
    let error = fails(
        reply,
        LlmErrorCode::LlmRateLimit,
        "asks to wait 1 h 30 min, longer than the 20 s left",
        1,
    )
    .await;
    assert_eq!(
        error.disposition,
        Disposition::Retry {
            after: Some(Duration::from_secs(5_400))
        }
    );
}

#[tokio::test]
async fn rate_limit_that_resets_tomorrow_says_when() {
    // OpenRouter's own 429s carry no Retry-After but X-RateLimit-Reset, in milliseconds since 1970.
    let body = json!({"error": {"code": 429, "message": "free-models-per-day"}});
    let headers = vec![("X-RateLimit-Reset", "1767268800000".to_owned())];
    fails(
        Reply::Status {
            status: 429,
            headers,
            body,
        },
        LlmErrorCode::LlmRateLimit,
        "wait 12 h",
        1,
    )
    .await;
}

#[tokio::test]
async fn no_credits_stops_asking() {
    let error = fails(
        status(402),
        LlmErrorCode::LlmCredits,
        "no credits left (402: as scripted); add credits",
        1,
    )
    .await;
    assert_eq!(error.disposition, Disposition::Fail);
}

#[tokio::test]
async fn a_refused_key_stops_asking() {
    let error = fails(
        status(401),
        LlmErrorCode::LlmAuth,
        "does not accept OPENROUTER_API_KEY",
        1,
    )
    .await;
    assert_eq!(error.disposition, Disposition::Fail);
    fails(
        status(403),
        LlmErrorCode::LlmAuth,
        "does not allow this request (403",
        1,
    )
    .await;
}

#[tokio::test]
async fn an_unknown_model_stops_asking() {
    fails(
        status(404),
        LlmErrorCode::LlmError,
        "check LLM_MODEL and LLM_FALLBACK_MODELS",
        1,
    )
    .await;
}

#[tokio::test]
async fn a_malformed_or_too_large_request_is_not_repeated() {
    fails(
        status(400),
        LlmErrorCode::LlmError,
        "refused the request (400: as scripted)",
        1,
    )
    .await;
    fails(
        status(422),
        LlmErrorCode::LlmError,
        "refused the request (422: as scripted)",
        1,
    )
    .await;
    fails(status(413), LlmErrorCode::LlmError, "prompt is too large", 1).await;
}

#[tokio::test]
async fn server_trouble_is_tried_again() {
    for code in [408, 500, 502, 503, 504, 524, 529] {
        recovers(status(code)).await;
        let error = fails(
            status(code),
            LlmErrorCode::LlmError,
            "as scripted), 3 attempts; retry the run later",
            3,
        )
        .await;
        assert!(error.message.contains(&code.to_string()));
    }
}

#[tokio::test]
async fn unavailable_for_longer_than_the_deadline_fails_at_once() {
    fails(
        status_after(503, "60"),
        LlmErrorCode::LlmError,
        "asks to wait 1 min",
        1,
    )
    .await;
}

#[tokio::test]
async fn an_availability_error_without_a_code_is_believed() {
    let error = |retryable: bool| {
        let availability = json!({"retryable": retryable, "retry_after": 0.01, "fallback_models": ["x"]});
        let error = json!({"message": "busy", "http_status": 503, "error_type": "availability", "availability": availability});
        Reply::Status {
            status: 503,
            headers: Vec::new(),
            body: json!({"error": error}),
        }
    };
    recovers(error(true)).await;
    fails(error(false), LlmErrorCode::LlmError, "(503: busy), 1 attempt", 1).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let headers = vec![("Location", "http://127.0.0.1:9/".to_owned())];
    let reply = Reply::Status {
        status: 307,
        headers,
        body: json!({}),
    };
    fails(reply, LlmErrorCode::LlmError, "redirects elsewhere", 1).await;
}

#[tokio::test]
async fn a_200_that_holds_an_error_is_judged_by_its_code() {
    for code in [json!(503), json!("503")] {
        recovers(Reply::ErrorInside(json!({"code": code, "message": "m"}))).await;
    }
    recovers(Reply::ErrorInside(json!({"message": "no code at all"}))).await;
    let credits = Reply::ErrorInside(json!({"code": 402, "message": "m"}));
    let error = fails(credits, LlmErrorCode::LlmCredits, "no credits left", 1).await;
    assert!(
        (error.usage.cost_usd - 0.01).abs() < 1e-9,
        "what it cost is counted"
    );
}

#[tokio::test]
async fn an_error_inside_the_choice_is_not_taken_for_content() {
    let completion = recovers(Reply::ErrorInChoice(json!({"code": 502, "message": "m"}))).await;
    assert!(
        (completion.usage.cost_usd - 0.02).abs() < 1e-9,
        "both requests are counted"
    );
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_tried_again() {
    let completion = recovers(Reply::ErrorMidStream(json!({"code": 502, "message": "gone"}))).await;
    assert!((completion.usage.cost_usd - 0.02).abs() < 1e-9);
    let reply = Reply::ErrorMidStream(json!({"code": "server_error", "message": "gone"}));
    fails(reply, LlmErrorCode::LlmError, "(no status: gone), 3 attempts", 3).await;
}

#[tokio::test]
async fn leading_newlines_do_no_harm() {
    let standin = StandIn::start(Options {
        streams: false,
        ..Options::default()
    });
    standin.script([Reply::Answer(Wrapping::LeadingNewlines)]);
    assert!(ask(config(&standin)).await.unwrap().text.contains("inspirations"));
    assert!(
        is_taken(Reply::Answer(Wrapping::LeadingNewlines))
            .await
            .text
            .contains("inspirations")
    );
}

#[tokio::test]
async fn white_space_null_or_no_content_is_tried_again() {
    for message in [
        json!({"content": " \n\t"}),
        json!({"content": ""}),
        json!({"content": null}),
        json!({}),
    ] {
        recovers(choice(message.clone(), json!("stop"))).await;
        fails(
            choice(message, json!("stop")),
            LlmErrorCode::LlmInvalidOutput,
            "answered with nothing (3 attempts)",
            3,
        )
        .await;
    }
}

#[tokio::test]
async fn truncated_json_is_tried_again() {
    recovers(Reply::JsonCut).await;
    fails(
        Reply::JsonCut,
        LlmErrorCode::LlmError,
        "broke off before its end (3 attempts)",
        3,
    )
    .await;
}

#[tokio::test]
async fn a_stream_without_its_end_is_tried_again() {
    recovers(Reply::StreamCut).await;
    fails(
        Reply::StreamCut,
        LlmErrorCode::LlmError,
        "broke off before its end",
        3,
    )
    .await;
}

#[tokio::test]
async fn an_html_page_is_not_an_answer() {
    let page = || Reply::Raw {
        content_type: "text/html",
        body: b"\n<!DOCTYPE html><html>Bad gateway</html>".to_vec(),
    };
    recovers(page()).await;
    let error = fails(
        page(),
        LlmErrorCode::LlmError,
        "an HTML page instead of a model's answer",
        3,
    )
    .await;
    assert!(!error.message.contains("gateway"));
    let error = Reply::Status {
        status: 502,
        headers: Vec::new(),
        body: json!("<html>Bad gateway</html>"),
    };
    fails(error, LlmErrorCode::LlmError, "failed (502)", 3).await;
}

#[tokio::test]
async fn a_wrong_content_type_matters_only_if_the_content_is_wrong_too() {
    recovers(Reply::Raw {
        content_type: "text/plain",
        body: b"upstream connect error".to_vec(),
    })
    .await;
    recovers(Reply::Raw {
        content_type: "application/json",
        body: Vec::new(),
    })
    .await;
    let body = json!({"choices": [{"finish_reason": "stop", "message": {"content": "fine"}}]});
    let body = body.to_string().into_bytes();
    assert_eq!(
        is_taken(Reply::Raw {
            content_type: "text/html",
            body
        })
        .await
        .text,
        "fine"
    );
}

#[tokio::test]
async fn a_body_of_200_mb_is_not_read_to_its_end() {
    let standin = start([Reply::Huge { bytes: 200_000_000 }]);
    let error = ask(config(&standin)).await.unwrap_err();
    assert_eq!((error.code, standin.calls()), (LlmErrorCode::LlmInvalidOutput, 1));
    assert!(
        error.message.contains("larger than 8388608 bytes"),
        "{}",
        error.message
    );
    until(|| standin.hung_up() == 1).await;
    assert!(
        standin.bytes_sent() < 40_000_000,
        "{} bytes were taken",
        standin.bytes_sent()
    );
}

#[tokio::test]
async fn an_answer_cut_off_at_its_length_is_not_asked_again() {
    let reply = choice(json!({"content": "{\"inspirations\": ["}), json!("length"));
    let error = fails(
        reply,
        LlmErrorCode::LlmInvalidOutput,
        "cut off at the limit of 1234 tokens",
        1,
    )
    .await;
    assert_eq!(error.disposition, Disposition::Fail);
    assert!(
        (error.usage.cost_usd - 0.01).abs() < 1e-9,
        "it is paid all the same"
    );
}

#[tokio::test]
async fn a_refusal_is_shown_and_not_asked_again() {
    let reply = choice(
        json!({"content": null, "refusal": "I can't help with that."}),
        json!("stop"),
    );
    fails(
        reply,
        LlmErrorCode::LlmInvalidOutput,
        "declined to answer: I can't help with that.;",
        1,
    )
    .await;
}

#[tokio::test]
async fn a_content_filter_is_not_asked_again() {
    let reply = choice(json!({"content": ""}), json!("content_filter"));
    fails(
        reply,
        LlmErrorCode::LlmInvalidOutput,
        "content filter withheld the answer",
        1,
    )
    .await;
}

#[tokio::test]
async fn an_unknown_finish_reason_is_passed_on_with_the_content() {
    let completion = is_taken(choice(json!({"content": "text"}), json!("pause_turn"))).await;
    assert_eq!(
        (completion.text.as_str(), completion.finish_reason.as_deref()),
        ("text", Some("pause_turn"))
    );
    assert!(!completion.is_finished());
    let completion = is_taken(choice(json!({"content": "text"}), json!(null))).await;
    assert_eq!(completion.finish_reason, None);
}

#[tokio::test]
async fn a_finish_reason_error_without_an_error_is_tried_again() {
    recovers(choice(json!({"content": "half"}), json!("error"))).await;
}

#[tokio::test]
async fn a_slow_drip_is_ended_by_the_total_deadline() {
    for comments in [true, false] {
        let standin = start([Reply::Drip {
            every: Duration::from_millis(20),
            comments,
        }]);
        let timeouts = OpenRouterConfig {
            total_timeout: Duration::from_millis(400),
            idle_timeout: Duration::from_millis(300),
            ..config(&standin)
        };
        let started = Instant::now();
        let error = ask(timeouts).await.unwrap_err();
        assert_eq!(error.code, LlmErrorCode::LlmTimeout, "{}", error.message);
        assert!(
            error.message.contains("no whole answer came within")
                && error.message.contains("LLM_TIMEOUT_SECONDS")
        );
        assert!(
            started.elapsed() >= Duration::from_millis(400),
            "comments and pieces count as life"
        );
        assert_eq!(standin.calls(), 1);
        until(|| standin.hung_up() == 1).await;
    }
}

#[tokio::test]
async fn a_hang_before_the_headers_or_in_the_answer_is_ended_by_the_idle_deadline() {
    for reply in [Reply::HangBeforeHeaders, Reply::HangMidBody] {
        let standin = start([reply.clone(), reply.clone(), reply.clone(), reply.clone()]);
        let timeouts = OpenRouterConfig {
            idle_timeout: Duration::from_millis(100),
            ..config(&standin)
        };
        let error = ask(timeouts.clone()).await.unwrap_err();
        assert_eq!(error.code, LlmErrorCode::LlmTimeout, "{reply:?}");
        assert!(
            error.message.contains("sent nothing for 1 s (3 attempts)"),
            "{}",
            error.message
        );
        // One hang is left: the second request of the next call brings the answer. It may take its time.
        assert_eq!(
            ask(OpenRouterConfig {
                idle_timeout: Duration::from_millis(900),
                ..timeouts
            })
            .await
            .unwrap()
            .attempts,
            2
        );
        until(|| standin.hung_up() == 4).await;
    }
}

#[tokio::test]
async fn a_reset_is_tried_again() {
    for reply in [Reply::ResetMidBody, Reply::ResetBeforeHeaders] {
        recovers(reply.clone()).await;
        fails(
            reply,
            LlmErrorCode::LlmError,
            "the model's endpoint gave no answer: the connection was",
            3,
        )
        .await;
    }
}

#[tokio::test]
async fn a_reset_behind_a_finished_answer_does_not_pay_twice() {
    assert!(is_taken(Reply::ResetAfterFinish).await.is_finished());
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_named() {
    let standin = StandIn::start(Options::default());
    let settings = config(&standin);
    drop(standin);
    let error = ask(settings).await.unwrap_err();
    assert_eq!((error.code, error.attempts), (LlmErrorCode::LlmError, 3));
    assert!(
        error
            .message
            .contains("the connection was refused (3 attempts); check OPENROUTER_BASE_URL"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn an_endpoint_that_keeps_failing_is_left_alone() {
    let standin = start(std::iter::repeat_n(status(503), 100));
    let client = client(config(&standin));
    let cancel = CancellationToken::new();
    for _ in 0..20 {
        let _ = client.complete(&request(), None, &cancel).await;
    }
    assert_eq!(standin.calls(), 10, "the tenth failure opens the breaker");
    let error = client.complete(&request(), None, &cancel).await.unwrap_err();
    assert!(
        error.message.contains("not asked for another 30 s"),
        "{}",
        error.message
    );
    assert!(matches!(error.disposition, Disposition::Retry { after: Some(_) }));
}

#[tokio::test]
async fn no_request_starts_when_the_runs_money_is_used_up() {
    let standin = start([Reply::ErrorInside(json!({"code": 503, "message": "m"}))]);
    let client = client(config(&standin));
    let error = client
        .complete(&request(), Some(0.01), &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, standin.calls()),
        (LlmErrorCode::LlmCredits, 1),
        "the failed request spent it"
    );
    assert!(error.message.contains("LLM_MAX_COST_PER_RUN_USD"));
    assert_eq!(error.disposition, Disposition::Fail);
}

#[tokio::test]
async fn cancelling_hangs_up_so_that_billing_stops() {
    let standin = start([Reply::Drip {
        every: Duration::from_millis(5),
        comments: false,
    }]);
    let cancel = CancellationToken::new();
    let client = client(config(&standin));
    let asked = request();
    let (result, ()) = tokio::join!(client.complete(&asked, None, &cancel), async {
        until(|| standin.calls() == 1).await;
        cancel.cancel();
    });
    assert_eq!(result.unwrap_err().code, LlmErrorCode::Cancelled);
    until(|| standin.hung_up() == 1).await;
}

/// Everything that is logged while `action` runs, at the finest level.
async fn logged(action: impl Future<Output = ()>) -> String {
    use tracing_subscriber::fmt::MakeWriter;
    #[derive(Clone, Default)]
    struct Log(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // With only one subscriber alive, tracing asks the thread that meets an event first whether anybody wants it,
    // and that may be another test's thread, without a subscriber. A second one makes it ask them all.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let guard = tracing::subscriber::set_default(subscriber);
    action.await;
    drop(guard);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn the_key_appears_nowhere_even_when_the_endpoint_echoes_it() {
    let echo =
        json!({"error": {"code": 401, "message": format!("Bad key '{KEY}' in \"Bearer {KEY}\"\u{1b}[31m")}});
    let standin = start([
        Reply::Status {
            status: 503,
            headers: Vec::new(),
            body: echo.clone(),
        },
        Reply::Status {
            status: 401,
            headers: Vec::new(),
            body: echo,
        },
    ]);
    let client = client(config(&standin));
    let log = logged(async {
        let error = client
            .complete(&request(), None, &CancellationToken::new())
            .await
            .unwrap_err();
        assert!(
            error.message.contains("Bad key '[redacted]'"),
            "{}",
            error.message
        );
        for shown in [
            error.message.clone(),
            format!("{error:?}"),
            format!("{client:?}"),
            format!("{:?}", config(&standin)),
        ] {
            assert!(!shown.contains(KEY) && !shown.contains('\u{1b}'), "{shown}");
        }
    })
    .await;
    assert!(log.contains("model request"), "{log}");
    assert!(
        !log.contains(KEY) && !log.contains("Shoppers") && !log.contains("Rules."),
        "{log}"
    );
}

#[test]
fn settings_that_make_no_client_are_named() {
    let with = |change: fn(&mut OpenRouterConfig)| {
        let mut config = OpenRouterConfig::new(KEY.into(), "m");
        change(&mut config);
        OpenRouter::new(config, Arc::new(ManualClock::new()))
            .unwrap_err()
            .to_string()
    };
    assert!(with(|c| c.base_url = "ftp://x".to_owned()).contains("OPENROUTER_BASE_URL"));
    assert!(with(|c| c.base_url = "nonsense".to_owned()).contains("OPENROUTER_BASE_URL"));
    assert!(with(|c| c.api_key = " ".into()).contains("OPENROUTER_API_KEY"));
    assert!(with(|c| c.api_key = "a\nb".into()).contains("OPENROUTER_API_KEY"));
    assert!(with(|c| c.title = Some("a\nb".to_owned())).contains("x-openrouter-title"));
}
