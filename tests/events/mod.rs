//! Runs followed by Server-Sent Events: over the real binary, on one replica and on others, while things fail.

mod limits;
mod outage;
mod proxied;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    openrouter::Reply,
    service::{Service, env, fail_after},
    wait::{TIMEOUT, eventually},
};

const PATH: &str = "/api/pipeline/run-1/events";

/// All events of a run that goes well.
const ALL: [&str; 6] = ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6"];

/// One event as it came.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    /// Empty for one that is told without an id.
    id: String,
    name: String,
    data: Value,
}

/// An open stream.
struct Stream {
    response: reqwest::Response,
    unread: String,
}

impl Stream {
    /// Opens a stream that is granted.
    #[track_caller]
    fn open<'a>(
        service: &'a Service,
        path: &'a str,
        last: Option<&'a str>,
    ) -> impl Future<Output = Self> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let response = ask(service, path, last).header("accept-encoding", "gzip").send().await.unwrap();
            assert_eq!(response.status(), 200, "{caller}: {response:?}");
            assert_eq!(response.headers()["content-type"], "text/event-stream", "{caller}");
            assert_eq!(response.headers()["cache-control"], "no-store, no-transform", "{caller}");
            assert_eq!(response.headers()["x-accel-buffering"], "no", "{caller}");
            assert!(!response.headers().contains_key("content-encoding"), "{caller}");
            Self { response, unread: String::new() }
        }
    }

    /// The next block of lines, comments and all; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let block = block.to_owned();
                self.unread = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(TIMEOUT, self.response.chunk()).await.expect("no event came");
            match chunk.unwrap() {
                Some(chunk) => self.unread.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => {
                    assert_eq!(self.unread, "", "it broke off in the middle of an event");
                    return None;
                }
            }
        }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
            };
            if !field("event").is_empty() {
                let data = serde_json::from_str(field("data")).unwrap();
                return Some(Event { id: field("id").to_owned(), name: field("event").to_owned(), data });
            }
        }
    }

    /// All events up to one.
    async fn until(&mut self, id: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Event| event.id != id) {
            events.push(self.next().await.unwrap_or_else(|| panic!("it ended before {id}: {events:?}")));
        }
        events
    }

    /// All events up to the stream's end.
    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn ask(service: &Service, path: &str, last: Option<&str>) -> reqwest::RequestBuilder {
    // No limit of time: a stream takes as long as its run. No pool: each has a connection.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let mut request =
        client.get(format!("http://127.0.0.1:{}{path}", service.port)).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request
}

/// Status and problem code of a stream that is refused.
async fn refused(service: &Service, path: &str, last: Option<&str>) -> (u16, String) {
    let response = ask(service, path, last).send().await.unwrap();
    let status = response.status().as_u16();
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

#[tokio::test]
async fn every_replica_streams_in_order_and_resumes() {
    let env = env(Duration::from_millis(400)).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    one.submit(&env.request("run-1")).await;
    let (mut here, mut there) = tokio::join!(Stream::open(&one, PATH, None), Stream::open(&two, PATH, None));
    let (first, _) = tokio::join!(here.until("1.2"), there.until("1.2"));
    // Both wait for the next one now; how much later it comes elsewhere is what the notification takes.
    let mut late = Vec::new();
    for id in &ALL[2..] {
        let at = async |stream: &mut Stream| {
            stream.until(id).await;
            Instant::now()
        };
        let (here, there) = tokio::join!(at(&mut here), at(&mut there));
        late.push(there.saturating_duration_since(here));
    }
    println!("later on the other replica by {late:?}");
    assert!(late.iter().min().unwrap() < &Duration::from_millis(500), "told, not found: {late:?}");
    assert!(here.next().await.is_none() && there.next().await.is_none(), "it ends after the end");

    let [again, elsewhere] = [Stream::open(&one, PATH, None).await, Stream::open(&two, PATH, None).await];
    let (again, elsewhere) = (again.rest().await, elsewhere.rest().await);
    assert_eq!(ids(&again), ALL);
    assert_eq!(again, elsewhere, "made of what is stored, they are the same everywhere");
    assert_eq!(again[..2], first[first.len() - 2..], "and whenever");
    assert_eq!(
        again.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(),
        ["accepted", "stage", "stage", "stage", "stage", "end"]
    );
    let accepted = &again[0].data;
    assert_eq!(accepted["status"], "running");
    assert_eq!(accepted["progress"], json!({"complete": 0, "total": 4}));
    let stage = &again[2].data;
    assert_eq!((&stage["status"], &stage["current_stage"]), (&json!("running"), &json!(3)));
    assert_eq!((&stage["stage"]["number"], &stage["stage"]["status"]), (&json!(2), &json!("complete")));
    assert_eq!(stage["stage"]["name"], "signal amplification");
    let status = one.ended("run-1").await;
    assert_eq!(stage["stage"]["completed_at"], status["stages"]["2"]["completed_at"]);
    let end = &again[5].data;
    assert_eq!((&end["status"], &end["run_status"]), (&json!("complete"), &json!("COMPLETED")));
    assert_eq!((&end["completed_at"], end.get("error")), (&status["completed_at"], None));

    for (last, wanted) in [("1.1", &ALL[1..]), ("1.5", &ALL[5..])] {
        assert_eq!(ids(&Stream::open(&two, PATH, Some(last)).await.rest().await), wanted);
    }
    let by_query = format!("{PATH}?last_event_id=1.4");
    assert_eq!(ids(&Stream::open(&two, &by_query, None).await.rest().await), &ALL[4..]);
    assert_eq!(ids(&Stream::open(&two, &by_query, Some("1.5")).await.rest().await), &ALL[5..]);
    assert_eq!(refused(&two, PATH, Some("1.6")).await, (204, String::new()), "nothing to come again for");
}

#[tokio::test]
async fn a_stream_without_a_run_is_rejected() {
    let env = env(Duration::ZERO).await;
    let service = env.serve(&[("BACKEND_API_KEYS", "")]).await;
    service.submit(&env.request("run-1")).await;
    service.ended("run-1").await;
    for last in ["x", "1", "1.7", "0.1", "9.1", "1.3.3"] {
        let wanted = (400, "invalid_last_event_id".to_owned());
        assert_eq!(refused(&service, PATH, Some(last)).await, wanted, "{last}");
        assert_eq!(refused(&service, &format!("{PATH}?last_event_id={last}"), None).await, wanted, "{last}");
    }
    let unknown = refused(&service, "/api/pipeline/run-2/events", None).await;
    assert_eq!(unknown, (404, "run_not_found".to_owned()));
    assert_eq!(service.call("DELETE", "/api/pipeline/run-1").await.status, 204);
    assert_eq!(refused(&service, PATH, Some("1.6")).await, (410, "run_deleted".to_owned()));
}

#[tokio::test]
async fn a_run_is_streamed_to_its_end_everywhere() {
    for mode in [[("ENABLE_DATABASE_WRITES", "false")], [("ENABLE_FILE_FALLBACK", "false")]] {
        let env = env(Duration::from_millis(100)).await;
        let service = env.serve(&mode).await;
        service.submit(&env.request("run-1")).await;
        let events = Stream::open(&service, PATH, None).await.rest().await;
        assert_eq!(ids(&events), ALL, "{mode:?}");
        assert_eq!(refused(&service, PATH, Some("1.6")).await.0, 204, "{mode:?}");
    }
}

#[tokio::test]
async fn a_failure_streams_its_reason_and_retry_restarts() {
    let env = env(Duration::from_millis(100)).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    fail_after(&env, 1);
    one.submit(&env.request("run-1")).await;
    let failed = Stream::open(&two, PATH, None).await.rest().await;
    assert_eq!(ids(&failed), ["1.1", "1.2", "1.6"]);
    let end = &failed[2].data;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("LLM_ERROR")));
    assert_eq!((&end["error"]["stage"], &end["progress"]["complete"]), (&json!(2), &json!(1)));
    assert_eq!(refused(&two, PATH, Some("1.6")).await.0, 204);
    assert_eq!(one.call("POST", "/api/pipeline/run-1/retry").await.status, 202);
    let again = Stream::open(&two, PATH, Some("1.6")).await.rest().await;
    assert_eq!(ids(&again), ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6"]);
    assert_eq!(again[1].data["stage"], failed[1].data["stage"], "the stage that was stored already");
    assert_eq!((&again[5].data["status"], &again[5].data["generation"]), (&json!("complete"), &json!(2)));
}

#[tokio::test]
async fn a_remote_cancellation_stops_work_and_is_streamed() {
    let env = env(Duration::ZERO).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    let mut took = Vec::new();
    for number in 1..=5 {
        let run = format!("run-{number}");
        env.model.script([Reply::HangBeforeHeaders]);
        one.submit(&env.request(&run)).await;
        eventually("the call", async || env.model.calls() >= number).await;
        let stream = Stream::open(&one, &format!("/api/pipeline/{run}/events"), None).await;
        let asked = Instant::now();
        assert_eq!(two.call("POST", &format!("/api/pipeline/{run}/cancel")).await.status, 200);
        eventually("the call is given up", async || env.model.hung_up() >= number).await;
        took.push(asked.elapsed());
        let events = stream.rest().await;
        assert_eq!(ids(&events), ["1.1", "1.6"]);
        assert_eq!(events[1].data["error"]["code"], "CANCELLED");
    }
    took.sort_unstable();
    println!("from the request to the work's end on the other replica: {took:?}");
    assert!(took[4] < Duration::from_secs(1), "{took:?}");
}
