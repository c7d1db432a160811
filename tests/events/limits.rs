//! How many streams there may be, what they cost, and how they end with their process.

use super::{Duration, Instant, PATH, Stream, env, ids, refused};
use crate::support::{
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

/// Nobody works on runs there: they wait, and nothing happens to them.
async fn web(env: &TestEnv, settings: &[(&str, &str)]) -> Service {
    let mut all = vec![("ROLE", "web")];
    all.extend(settings);
    env.replica("web", &all).await
}

async fn open_streams(service: &Service) -> String {
    let metrics = service.call("GET", "/metrics").await.body;
    let line = metrics.as_str().unwrap().lines().find(|line| line.starts_with("innovation_event_streams "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

async fn wait_for_streams(service: &Service, count: &str) {
    eventually("the open streams", async || wanted(open_streams(service).await, |open| open == count)).await;
}

#[tokio::test]
async fn streams_are_limited_and_end_at_shutdown() {
    let env = env(Duration::ZERO).await;
    let mut service = web(&env, &[("MAX_EVENT_STREAMS_PER_CLIENT", "2")]).await;
    service.submit(&env.request("run-1")).await;
    let (mut one, two) = (Stream::open(&service, PATH, None).await, Stream::open(&service, PATH, None).await);
    one.until("1.1").await;
    let third = service.call("GET", PATH).await;
    assert_eq!(third.code(), (429, "too_many_streams"));
    assert_eq!(third.header("retry-after"), "10");
    assert_eq!(open_streams(&service).await, "2");
    // A made-up key makes nobody another client.
    drop(two);
    wait_for_streams(&service, "1").await;
    let mut two = Stream::open(&service, PATH, None).await;
    two.until("1.1").await;

    let told = Instant::now();
    service.signal("TERM");
    let ends = async |stream: Stream| assert_eq!(ids(&stream.rest().await), Vec::<&str>::new());
    tokio::join!(ends(one), ends(two));
    assert_eq!(service.wait().await, Some(0));
    let took = told.elapsed();
    println!("stopped after {took:?} with two streams open");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_draining_process_redirects_new_streams() {
    let env = env(Duration::from_millis(500)).await;
    let mut service = env.serve(&[]).await;
    service.submit(&env.request("run-1")).await;
    let mut stream = Stream::open(&service, PATH, None).await;
    stream.until("1.2").await;
    service.signal("TERM");
    assert_eq!(ids(&stream.rest().await), Vec::<&str>::new(), "it ends before the run does");
    let mut again = Stream::open(&service, PATH, Some("1.2")).await;
    assert!(again.block().await.unwrap().starts_with("retry: "));
    assert_eq!(again.block().await, None, "and finds another replica the next time, or this one's successor");
    assert_eq!(service.wait().await, Some(0));
    let service = env.serve(&[]).await;
    assert_eq!(ids(&Stream::open(&service, PATH, Some("1.2")).await.rest().await), &super::ALL[2..]);
}

#[tokio::test]
async fn streams_are_counted_per_key_and_need_one() {
    let env = env(Duration::ZERO).await;
    let keys = [("BACKEND_API_KEYS", "one-key-of-the-test,another-key-of-the-test")];
    let service = web(&env, &[keys[0], ("MAX_EVENT_STREAMS_PER_CLIENT", "1")]).await;
    env.query(
        r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u', 'c', 'e@x', now())"#,
    )
    .await;
    env
        .query(
            r#"INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "status", "pipelineVersion", "updatedAt")
               VALUES ('run-1', 'u', 'd', 'c', 'PROCESSING', '1.0', now())"#,
        )
        .await;
    assert_eq!(refused(&service, PATH, None).await, (401, "key_required".to_owned()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |key: &'static str| {
        let url = format!("http://127.0.0.1:{}{PATH}", service.port);
        client.get(url).header("x-api-key", key).send()
    };
    let held = ask("one-key-of-the-test").await.unwrap();
    assert_eq!(held.status(), 200);
    assert_eq!(ask("one-key-of-the-test").await.unwrap().status(), 429);
    assert_eq!(ask("another-key-of-the-test").await.unwrap().status(), 200);
    assert_eq!(ask("a-wrong-key").await.unwrap().status(), 403);
}

/// Statements that the database has ended since it began to count. Both readings include this query's own.
async fn statements(env: &TestEnv) -> i64 {
    let sql =
        "SELECT (xact_commit + xact_rollback)::text FROM pg_stat_database WHERE datname = current_database()";
    env.value(sql).await.parse().unwrap()
}

/// Statements within a while. The time is the subject: a process of the server reports its statements within a second,
/// or after ten idle ones.
async fn statements_in_a_while(env: &TestEnv) -> i64 {
    tokio::time::sleep(Duration::from_secs(11)).await;
    let before = statements(env).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    statements(env).await - before
}

#[tokio::test]
#[ignore = "load: make test-long"]
async fn two_hundred_idle_streams_cost_no_statements() {
    let env = env(Duration::ZERO).await;
    let service = web(&env, &[]).await;
    let runs: Vec<String> = (0..200).map(|number| format!("run-{number}")).collect();
    for run in &runs {
        service.submit(&env.request(run)).await;
    }
    let without = statements_in_a_while(&env).await;
    let mut streams = Vec::new();
    for run in &runs {
        let mut stream = Stream::open(&service, &format!("/api/pipeline/{run}/events"), None).await;
        stream.until("1.1").await;
        streams.push(stream);
    }
    assert_eq!(open_streams(&service).await, "200");
    let with = statements_in_a_while(&env).await;
    println!(
        "statements in 12 s: {without} without streams, {with} with 200; memory {} KiB",
        service.memory_kib()
    );
    // One look at all of them in fifteen seconds; asking for each once would be two hundred.
    assert!(with - without < 20, "{without} without, {with} with");

    // The frontend cancels in the database and notifies nobody: the poll finds it.
    env.query(
        r#"UPDATE "PipelineRun" SET "status" = 'CANCELLED', "completedAt" = now() WHERE "id" = 'run-7'"#,
    )
    .await;
    let mut seventh = streams.swap_remove(7);
    // The server has sent keep-alives meanwhile.
    assert_eq!(seventh.block().await.as_deref(), Some(": keep-alive"));
    let end = seventh.next().await.unwrap();
    assert_eq!((end.id.as_str(), &end.data["error"]["code"]), ("1.6", &"CANCELLED".into()));
}
