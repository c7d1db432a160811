//! The endpoint's failures that it reports by a status.

use pipeline::llm::Disposition;
use serde_json::json;

use super::*;

pub(super) fn status(status: u16) -> Reply {
    let body = json!({"error": {"code": status, "message": "as scripted"}});
    Reply::Status { status, headers: Vec::new(), body }
}

fn status_after(status: u16, retry_after: &str) -> Reply {
    let body = json!({"error": {"code": status, "message": "as scripted"}});
    Reply::Status { status, headers: vec![("Retry-After", retry_after.to_owned())], body }
}

#[tokio::test]
async fn retry_after_in_seconds_is_obeyed() {
    let fake_model = start([status_after(429, "0.2")]);
    assert!(ask(config(&fake_model)).await.is_ok());
    let requests = fake_model.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(200));
}

#[tokio::test]
async fn retry_after_as_a_date_is_obeyed() {
    // The tests' clock stands at midnight of 2026-01-01: the date lies a second ahead.
    let fake_model = start([status_after(429, "Thu, 01 Jan 2026 00:00:01 GMT")]);
    assert!(ask(config(&fake_model)).await.is_ok());
    let requests = fake_model.requests();
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
    assert_eq!(error.disposition, Disposition::Wait { after: None });
}

#[tokio::test]
async fn retry_after_beyond_the_deadline_fails_immediately() {
    let reply = status_after(429, "5400");
    let error = fails(reply, LlmErrorCode::LlmRateLimit, "asks to wait 1 h 30 min, longer than the", 1).await;
    assert_eq!(error.disposition, Disposition::Wait { after: Some(Duration::from_secs(5_400)) });
}

#[tokio::test]
async fn rate_limit_that_resets_tomorrow_says_when() {
    // OpenRouter's own 429s carry no Retry-After but X-RateLimit-Reset, in milliseconds since 1970.
    let body = json!({"error": {"code": 429, "message": "free-models-per-day"}});
    let headers = vec![("X-RateLimit-Reset", "1767268800000".to_owned())];
    fails(Reply::Status { status: 429, headers, body }, LlmErrorCode::LlmRateLimit, "wait 12 h", 1).await;
}

#[tokio::test]
async fn no_credits_stops_asking() {
    let error =
        fails(status(402), LlmErrorCode::LlmCredits, "no credits left (402: as scripted); add credits", 1)
            .await;
    assert_eq!(error.disposition, Disposition::Wait { after: None });
}

#[tokio::test]
async fn a_refused_key_stops_asking() {
    let error = fails(status(401), LlmErrorCode::LlmAuth, "does not accept OPENROUTER_API_KEY", 1).await;
    assert_eq!(error.disposition, Disposition::Wait { after: None });
    fails(status(403), LlmErrorCode::LlmAuth, "does not allow this request (403", 1).await;
}

#[tokio::test]
async fn an_unknown_model_stops_asking() {
    fails(status(404), LlmErrorCode::LlmError, "check LLM_MODEL and LLM_FALLBACK_MODELS", 1).await;
}

#[tokio::test]
async fn a_malformed_or_oversized_request_is_not_retried() {
    fails(status(400), LlmErrorCode::LlmError, "refused the request (400: as scripted)", 1).await;
    fails(status(422), LlmErrorCode::LlmError, "refused the request (422: as scripted)", 1).await;
    fails(status(413), LlmErrorCode::LlmError, "prompt is too large", 1).await;
}

#[tokio::test]
async fn server_trouble_is_tried_again() {
    for code in [408, 500, 502, 503, 504, 524, 529] {
        recovers(status(code)).await;
        let error =
            fails(status(code), LlmErrorCode::LlmError, "as scripted), 3 attempts; retry the run later", 3)
                .await;
        assert!(error.message.contains(&code.to_string()));
    }
}

#[tokio::test]
async fn unavailability_beyond_the_deadline_fails_immediately() {
    fails(status_after(503, "60"), LlmErrorCode::LlmError, "asks to wait 1 min", 1).await;
}

#[tokio::test]
async fn an_availability_error_without_a_code_is_believed() {
    let error = |retryable: bool| {
        let availability = json!({"retryable": retryable, "retry_after": 0.01, "fallback_models": ["x"]});
        let error = json!({"message": "busy", "http_status": 503, "error_type": "availability", "availability": availability});
        Reply::Status { status: 503, headers: Vec::new(), body: json!({"error": error}) }
    };
    recovers(error(true)).await;
    fails(error(false), LlmErrorCode::LlmError, "(503: busy), 1 attempt", 1).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let headers = vec![("Location", "http://127.0.0.1:9/".to_owned())];
    let reply = Reply::Status { status: 307, headers, body: json!({}) };
    fails(reply, LlmErrorCode::LlmError, "redirects (307)", 1).await;
}

#[tokio::test]
async fn an_endpoint_that_keeps_failing_is_left_alone() {
    let fake_model = start(std::iter::repeat_n(status(503), 100));
    let hour = Backoff::constant(Duration::from_secs(3_600));
    let mut settings = config(&fake_model);
    settings.gate.pause = hour;
    let client = client(settings);
    let cancel = CancellationToken::new();
    for _ in 0..20 {
        let _ = client.complete(&request(), None, &cancel).await;
    }
    assert_eq!(fake_model.calls(), 5, "the fifth failure closes the gate");
    let error = client.complete(&request(), None, &cancel).await.unwrap_err();
    assert_eq!(error.code, LlmErrorCode::LlmError);
    assert!(matches!(error.disposition, Disposition::Wait { after: Some(_) }));
}

#[tokio::test]
async fn no_request_starts_after_the_budget_is_spent() {
    let fake_model = start([Reply::ErrorInside(json!({"code": 503, "message": "m"}))]);
    let client = client(config(&fake_model));
    let error = client.complete(&request(), Some(0.01), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(
        (error.code, fake_model.calls()),
        (LlmErrorCode::LlmCostLimit, 1),
        "the failed request spent it"
    );
    assert!(error.message.contains("LLM_MAX_COST_PER_RUN_USD"));
    assert_eq!(error.disposition, Disposition::Fail);
}
