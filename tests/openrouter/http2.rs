//! The connections to an endpoint that speaks TLS: over HTTP/2 few of them, below its limits, and nothing paid twice
//! when one of them ends.

use std::time::Instant;

use backend::llm::connections::ConnectionsConfig;

use super::*;
use crate::support::{
    Run, STAGE_FILES, assert_ok,
    openrouter::h2::{Front, Speaks},
    proxy::connect_proxy,
    sample,
    tls::Authority,
    wait::eventually,
};

/// An endpoint with TLS.
struct Endpoint {
    model: FakeModel,
    front: Front,
    authority: Authority,
}

impl Endpoint {
    fn start(speaks: Speaks, latency: Duration) -> Self {
        let model = FakeModel::start(Options { latency, ..Options::default() });
        let authority = Authority::new();
        let front = Front::start(&model.base_url(), &authority, speaks);
        Self { model, front, authority }
    }

    fn config(&self) -> OpenRouterConfig {
        OpenRouterConfig {
            base_url: self.front.base_url(),
            connections: ConnectionsConfig {
                extra_ca_file: Some(self.authority.path().to_owned()),
                ..ConnectionsConfig::default()
            },
            ..config(&self.model)
        }
    }
}

/// Makes so many calls at once; none is cancelled when the test goes on meanwhile.
fn calls(client: &Arc<OpenRouter>, count: usize) -> tokio::task::JoinSet<Result<Completion, LlmError>> {
    (0..count)
        .map(|_| {
            let client = client.clone();
            async move { client.complete(&request(), None, &CancellationToken::new()).await }
        })
        .collect()
}

/// The attempts that each call took, in ascending order. Each must succeed.
async fn attempts(calls: tokio::task::JoinSet<Result<Completion, LlmError>>) -> Vec<u32> {
    let mut all: Vec<u32> = calls.join_all().await.into_iter().map(|call| call.unwrap().attempts).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_run_over_http2_uses_one_connection() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::ZERO);
    let run = Run::new();
    let mut command = run.command(&sample("spotted-innovation.md"), "lactalis-canada", &["--json"]);
    command.env("OPENROUTER_API_KEY", KEY).env("OPENROUTER_BASE_URL", endpoint.front.base_url());
    command.env("EXTRA_CA_FILE", endpoint.authority.path());
    assert_ok(&command.output().unwrap());
    assert_eq!(run.json(STAGE_FILES[3])["meta"]["provider"], "Stand-In");
    assert_eq!((endpoint.front.connections(), endpoint.front.processed()), (1, 4));
}

#[tokio::test]
async fn the_systems_proxy_leads_to_http2_too() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::ZERO);
    let server = endpoint.front.origin().replace("https://", "");
    let proxy = connect_proxy("model.test:443", server).await;
    let run = Run::new();
    let mut command = run.command(&sample("spotted-innovation.md"), "lactalis-canada", &["--json"]);
    command.env("OPENROUTER_API_KEY", KEY).env("OPENROUTER_BASE_URL", "https://model.test/api/v1");
    command.env("EXTRA_CA_FILE", endpoint.authority.path()).env("HTTPS_PROXY", proxy);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_ok(&output);
    assert_eq!((endpoint.front.connections(), endpoint.front.processed()), (1, 4));
    assert_eq!(endpoint.front.streams_max(), [1]);
}

#[tokio::test]
async fn many_calls_share_few_connections_below_their_limit() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::from_millis(500));
    let client = Arc::new(client(endpoint.config()));
    assert_eq!(attempts(calls(&client, 250)).await, [1; 250]);
    let most = endpoint.front.streams_max();
    assert_eq!((most.len(), endpoint.front.refusals(), endpoint.front.processed()), (3, 0, 250));
    assert!(most.iter().all(|most| *most <= 100) && most.iter().sum::<usize>() == 250, "{most:?}");
    // The next calls find room on the first.
    assert_eq!(attempts(calls(&client, 5)).await, [1; 5]);
    assert_eq!(endpoint.front.connections(), 3);
}

#[tokio::test]
#[ignore = "load: make test-long"]
async fn ten_thousand_calls_need_few_sockets() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::ZERO);
    let client = Arc::new(client(OpenRouterConfig {
        total_timeout: Duration::from_secs(600),
        idle_timeout: Duration::from_secs(600),
        ..endpoint.config()
    }));
    endpoint.front.hold();
    let calls = calls(&client, 10_000);
    eventually("the connections", async || endpoint.front.held() == 10_000).await;
    assert_eq!((endpoint.front.connections(), endpoint.front.refusals()), (112, 0));
    assert!(endpoint.front.streams_max().iter().all(|most| *most <= 90));
    drop(calls);
}

#[tokio::test]
async fn requests_dropped_by_goaway_are_resent() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::from_secs(1));
    let client = Arc::new(client(endpoint.config()));
    let before = calls(&client, 10);
    eventually("the calls in flight", async || endpoint.model.in_flight() == 10).await;
    endpoint.front.hold();
    let left = calls(&client, 10);
    eventually("the connections", async || endpoint.front.held() == 10).await;
    endpoint.front.go_away();
    assert_eq!((attempts(before).await, attempts(left).await), (vec![1; 10], vec![1; 10]));
    assert_eq!((endpoint.front.processed(), endpoint.model.calls()), (20, 20), "nothing is paid twice");
    assert_eq!(endpoint.front.connections(), 2);
}

#[tokio::test]
async fn possibly_paid_requests_follow_the_usual_retry_rules() {
    for is_announced in [false, true] {
        let endpoint = Endpoint::start(Speaks::Http2, Duration::from_secs(1));
        let client = Arc::new(client(endpoint.config()));
        let calls = calls(&client, 5);
        eventually("the calls in flight", async || endpoint.model.in_flight() == 5).await;
        if is_announced {
            endpoint.front.go_away();
            eventually("the frame", async || endpoint.front.has_told()).await;
        }
        endpoint.front.hang_up();
        assert_eq!(attempts(calls).await, [2; 5]);
        assert_eq!(endpoint.front.processed(), 10);
    }
}

#[tokio::test]
async fn a_refused_request_is_no_attempt() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::ZERO);
    let client = Arc::new(client(endpoint.config()));
    endpoint.front.refuse(3);
    assert_eq!(attempts(calls(&client, 1)).await, [1]);
    // The refusals have an end, or else it is a failure like others.
    endpoint.front.refuse(5);
    assert_eq!(attempts(calls(&client, 1)).await, [2]);
    assert_eq!((endpoint.front.refusals(), endpoint.front.processed()), (8, 2));
}

#[tokio::test]
async fn a_silent_peer_is_detected_while_others_continue() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::from_millis(600));
    let mut settings = endpoint.config();
    settings.connections.requests_per_client = 2;
    settings.connections.ping_interval = Duration::from_millis(200);
    settings.connections.ping_timeout = Duration::from_secs(1);
    let client = Arc::new(client(settings));
    let calls = calls(&client, 4);
    eventually("the calls in flight", async || endpoint.model.in_flight() == 4).await;
    endpoint.front.fall_silent(0);
    let began = Instant::now();
    assert_eq!(attempts(calls).await, [1, 1, 2, 2]);
    assert!(began.elapsed() < Duration::from_secs(5), "long before the idle deadline of 10 s");
}

#[tokio::test]
async fn a_cancelled_call_gives_its_place_back() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::from_secs(60));
    let mut settings = endpoint.config();
    settings.connections.requests_per_client = 1;
    settings.connections.clients_max = 1;
    let client = client(settings);
    for call in 1..=3 {
        let cancel = CancellationToken::new();
        let asked = request();
        let (result, ()) = tokio::join!(client.complete(&asked, None, &cancel), async {
            eventually("the processed requests", async || endpoint.front.processed() == call).await;
            cancel.cancel();
        });
        assert_eq!(result.unwrap_err().code, LlmErrorCode::Cancelled);
    }
    assert_eq!(endpoint.front.connections(), 1);
}

#[tokio::test]
async fn calls_above_all_limits_wait() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::from_millis(50));
    let mut settings = endpoint.config();
    settings.connections.requests_per_client = 2;
    settings.connections.clients_max = 2;
    let client = Arc::new(client(settings));
    assert_eq!(attempts(calls(&client, 12)).await, [1; 12]);
    assert_eq!(endpoint.front.streams_max(), [2, 2]);
}

#[tokio::test]
async fn an_unknown_authority_is_named() {
    for speaks in [Speaks::Http2, Speaks::Http1] {
        let endpoint = Endpoint::start(speaks, Duration::ZERO);
        let mut settings = endpoint.config();
        settings.connections.extra_ca_file = None;
        let error = ask(settings).await.unwrap_err();
        assert_eq!((error.code, error.attempts as usize), (LlmErrorCode::LlmError, ATTEMPTS));
        assert!(error.message.contains("certificate") && error.message.contains("EXTRA_CA_FILE"), "{error}");
        assert_eq!(ask(endpoint.config()).await.unwrap().attempts, 1, "with it, it works");
    }
}

#[tokio::test]
async fn every_waiter_learns_why_the_connection_failed() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::ZERO);
    let settings = endpoint.config();
    drop(endpoint.front);
    let failed = calls(&Arc::new(client(settings)), 20).join_all().await;
    for error in failed.into_iter().map(Result::unwrap_err) {
        assert!(error.message.contains("refused") || error.message.contains("too often"), "{error}");
    }
}

#[tokio::test]
async fn cancelling_during_connect_harms_no_other_call() {
    let endpoint = Endpoint::start(Speaks::Http2, Duration::ZERO);
    let client = Arc::new(client(endpoint.config()));
    let cancel = CancellationToken::new();
    let asked = request();
    let first = client.complete(&asked, None, &cancel);
    let mut first = std::pin::pin!(first);
    // It begins to connect, and all others wait for that.
    assert!(
        std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context)))
            .await
            .is_pending()
    );
    let others = calls(&client, 20);
    tokio::task::yield_now().await;
    cancel.cancel();
    assert_eq!(first.await.unwrap_err().code, LlmErrorCode::Cancelled);
    assert_eq!((attempts(others).await, endpoint.front.processed()), (vec![1; 20], 20));
}

#[tokio::test]
async fn an_endpoint_without_http2_is_probed_once() {
    for speaks in [Speaks::Http1, Speaks::Http1WithoutAlpn] {
        let endpoint = Endpoint::start(speaks, Duration::from_millis(100));
        let client = Arc::new(client(endpoint.config()));
        assert_eq!(attempts(calls(&client, 6)).await, [1; 6]);
        // Without ALPN the first connection is made before the protocol shows.
        let shown = usize::from(speaks == Speaks::Http1WithoutAlpn);
        assert_eq!(endpoint.front.connections(), 6 + shown, "{speaks:?}");
        assert_eq!(attempts(calls(&client, 6)).await, [1; 6]);
        assert_eq!(endpoint.front.connections(), 6 + shown, "they are used again");
    }
}

#[test]
fn a_file_without_certificates_is_named() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    for path in [empty.path(), std::path::Path::new("/no/such/file.pem")] {
        let mut config = OpenRouterConfig::new(KEY.into(), "m");
        config.connections.extra_ca_file = Some(path.to_owned());
        let error = OpenRouter::new(config, Arc::new(ManualClock::new())).unwrap_err().to_string();
        assert!(error.contains("EXTRA_CA_FILE"), "{error}");
    }
}
