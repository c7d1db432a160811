//! Connections that hang, drip, break or are given up, and what must never leave over them.

use std::time::Instant;

use pipeline::{
    llm::{Disposition, RequestSource},
    testing::llm_error,
};
use serde_json::json;

use super::{statuses::status, *};
use crate::support::wait::eventually;

#[tokio::test]
async fn the_total_deadline_ends_a_slow_drip() {
    for comments in [true, false] {
        let fake_model = start([Reply::Drip { every: Duration::from_millis(20), comments }]);
        let timeouts = OpenRouterConfig {
            total_timeout: Duration::from_millis(1_500),
            idle_timeout: Duration::from_secs(1),
            ..config(&fake_model)
        };
        let started = Instant::now();
        let error = ask(timeouts).await.unwrap_err();
        assert_eq!(error.code, LlmErrorCode::LlmTimeout, "{}", error.message);
        assert!(
            error.message.contains("no whole answer came within")
                && error.message.contains("LLM_TIMEOUT_SECONDS")
        );
        assert!(started.elapsed() >= Duration::from_millis(1_500), "comments and pieces count as life");
        assert_eq!(fake_model.calls(), 1);
        eventually("the hang-up", async || fake_model.hung_up() == 1).await;
    }
}

#[tokio::test]
async fn the_idle_deadline_ends_a_hang() {
    for reply in [Reply::HangBeforeHeaders, Reply::HangMidBody] {
        let fake_model = start([reply.clone(), reply.clone(), reply.clone(), reply.clone()]);
        let timeouts = OpenRouterConfig { idle_timeout: Duration::from_millis(100), ..config(&fake_model) };
        let error = ask(timeouts.clone()).await.unwrap_err();
        assert_eq!(error.code, LlmErrorCode::LlmTimeout, "{reply:?}");
        assert!(error.message.contains("sent nothing for 1 s (3 attempts)"), "{}", error.message);
        // One hang is left: the second request of the next call brings the answer. It may take its time.
        assert_eq!(
            ask(OpenRouterConfig { idle_timeout: Duration::from_millis(900), ..timeouts })
                .await
                .unwrap()
                .attempts,
            2
        );
        eventually("the hang-up", async || fake_model.hung_up() == 4).await;
    }
}

#[tokio::test]
async fn a_reset_is_tried_again() {
    for reply in [Reply::ResetMidBody, Reply::ResetBeforeHeaders] {
        recovers(reply.clone()).await;
        fails(reply, LlmErrorCode::LlmError, "the model's endpoint gave no answer: the connection was", 3)
            .await;
    }
}

#[tokio::test]
async fn a_connection_lost_after_completion_costs_nothing_more() {
    assert!(is_taken(Reply::LostAfterFinish).await.is_finished);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_named() {
    let fake_model = FakeModel::start(Options::default());
    let settings = config(&fake_model);
    drop(fake_model);
    let error = ask(settings).await.unwrap_err();
    assert_eq!((error.code, error.attempts), (LlmErrorCode::LlmError, 3));
    assert!(
        error.message.contains("the connection was refused (3 attempts); check OPENROUTER_BASE_URL"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn cancelling_hangs_up_so_that_billing_stops() {
    let fake_model = start([Reply::Drip { every: Duration::from_millis(5), comments: false }]);
    let cancel = CancellationToken::new();
    let client = client(config(&fake_model));
    let asked = request();
    let (result, ()) = tokio::join!(client.complete(&asked, None, &cancel), async {
        eventually("the calls", async || fake_model.calls() == 1).await;
        cancel.cancel();
    });
    assert_eq!(result.unwrap_err().code, LlmErrorCode::Cancelled);
    eventually("the hang-up", async || fake_model.hung_up() == 1).await;
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
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
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
async fn an_echoed_key_is_never_shown() {
    let echo =
        json!({"error": {"code": 401, "message": format!("Bad key '{KEY}' in \"Bearer {KEY}\"\u{1b}[31m")}});
    let fake_model = start([
        Reply::Status { status: 503, headers: Vec::new(), body: echo.clone() },
        Reply::Status { status: 401, headers: Vec::new(), body: echo },
    ]);
    let client = client(config(&fake_model));
    let log = logged(async {
        let error = client.complete(&request(), None, &CancellationToken::new()).await.unwrap_err();
        assert!(error.message.contains("Bad key '[redacted]'"), "{}", error.message);
        for shown in [
            error.message.clone(),
            format!("{error:?}"),
            format!("{client:?}"),
            format!("{:?}", config(&fake_model)),
        ] {
            assert!(!shown.contains(KEY) && !shown.contains('\u{1b}'), "{shown}");
        }
    })
    .await;
    assert!(log.contains("model request"), "{log}");
    assert!(!log.contains(KEY) && !log.contains("Shoppers") && !log.contains("Rules."), "{log}");
}

#[test]
fn settings_that_make_no_client_are_named() {
    let with = |change: fn(&mut OpenRouterConfig)| {
        let mut config = OpenRouterConfig::new(KEY.into(), "m");
        change(&mut config);
        OpenRouter::new(config, Arc::new(ManualClock::new())).unwrap_err().to_string()
    };
    assert!(with(|c| c.base_url = "ftp://x".to_owned()).contains("OPENROUTER_BASE_URL"));
    assert!(with(|c| c.base_url = "nonsense".to_owned()).contains("OPENROUTER_BASE_URL"));
    assert!(with(|c| c.api_key = " ".into()).contains("OPENROUTER_API_KEY"));
    assert!(with(|c| c.api_key = "a\nb".into()).contains("OPENROUTER_API_KEY"));
    assert!(with(|c| c.title = Some("a\nb".to_owned())).contains("x-openrouter-title"));
}

/// Says once what is asked.
struct SaysOnce(std::sync::atomic::AtomicBool);

impl RequestSource for SaysOnce {
    fn request(&self) -> Result<CompletionRequest, LlmError> {
        if self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
            Err(llm_error(LlmErrorCode::LlmError, "the request could not be made again", Disposition::Fail))
        } else {
            Ok(request())
        }
    }
}

#[tokio::test]
async fn a_one_shot_body_is_not_resent_empty() {
    let fake_model = start([status(503)]);
    let source = SaysOnce(false.into());
    let error =
        client(config(&fake_model)).complete(&source, None, &CancellationToken::new()).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.attempts), ("the request could not be made again", 2));
    assert_eq!((error.disposition, fake_model.calls()), (Disposition::Fail, 1));
}

/// A run whose lease is unsure from its second request on.
struct LosesItsLease(std::sync::atomic::AtomicBool);

#[async_trait::async_trait]
impl RequestSource for LosesItsLease {
    fn request(&self) -> Result<CompletionRequest, LlmError> {
        Ok(request())
    }

    async fn may_be_sent(&self) -> bool {
        !self.0.swap(true, std::sync::atomic::Ordering::Relaxed)
    }
}

#[tokio::test]
async fn no_request_follows_a_lost_lease() {
    let fake_model = start([status(503)]);
    let source = LosesItsLease(false.into());
    let error =
        client(config(&fake_model)).complete(&source, None, &CancellationToken::new()).await.unwrap_err();
    assert_eq!((error.code, error.attempts, fake_model.calls()), (LlmErrorCode::Cancelled, 1, 1));
}
