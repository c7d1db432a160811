//! Streams while the database is away, and where nothing is heard of it.

use super::{ALL, Duration, PATH, Stream, env, ids};
use crate::support::postgres::Stop;

#[tokio::test]
async fn in_an_outage_only_the_owner_streams() {
    let mut env = env(Duration::from_millis(1_500)).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    one.submit(&env.request("run-1")).await;
    let (mut here, mut there) = tokio::join!(Stream::open(&one, PATH, None), Stream::open(&two, PATH, None));
    tokio::join!(here.until("1.2"), there.until("1.2"));
    env.postgres().stop(Stop::Immediate);
    let told = there.next().await.unwrap();
    assert_eq!((told.id.as_str(), told.name.as_str()), ("", "unavailable"), "{told:?}");
    assert!(there.next().await.is_none(), "and it ends");
    // A client that connects again meanwhile gets the same answer, after which EventSource retries.
    let mut again = Stream::open(&two, PATH, Some("1.2")).await;
    assert!(again.block().await.unwrap().starts_with("retry: "));
    assert_eq!(again.next().await.unwrap().name, "unavailable");
    assert!(again.next().await.is_none());
    // The worker's own stream follows its files: past its lease it begins no new stage, but what it had asked for is told.
    here.until("1.3").await;
    env.postgres().start_again();
    assert_eq!(ids(&here.rest().await), &ALL[3..]);
    assert_eq!(ids(&Stream::open(&two, PATH, Some("1.2")).await.rest().await), &ALL[2..]);
}

#[tokio::test]
async fn a_lone_replica_streams_on_without_the_database() {
    let mut env = env(Duration::from_millis(500)).await;
    let service = env.serve(&[]).await;
    service.submit(&env.request("run-1")).await;
    let mut stream = Stream::open(&service, PATH, None).await;
    stream.until("1.2").await;
    env.postgres().stop(Stop::Immediate);
    assert_eq!(ids(&stream.rest().await), &ALL[2..]);
    // It is the files' word, and the same as the database's later.
    let by_files = Stream::open(&service, PATH, None).await.rest().await;
    env.postgres().start_again();
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun""#, "COMPLETED").await;
    assert_eq!(by_files, Stream::open(&service, PATH, None).await.rest().await);
}

#[tokio::test]
async fn behind_a_pooler_changes_are_found_by_polling() {
    let env = env(Duration::from_millis(300)).await;
    let pooled = format!("{}?pgbouncer=true", env.database_url());
    let settings = [("DATABASE_URL", pooled.as_str())];
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &settings));
    one.submit(&env.request("run-1")).await;
    assert_eq!(ids(&Stream::open(&two, PATH, None).await.rest().await), ALL);
    assert!(two.events("notifications_connected").is_empty());
}
