//! The figures of each hour: stored by the task, and compared by the next deployment.

use std::{sync::Arc, time::Duration};

use backend::{
    background::{drive, tasks::baseline::KeepBaseline},
    health::baseline::BaselineKeeper,
    telemetry::metrics,
};
use chrono::TimeDelta;
use foundation::clock::SystemClock;
use pipeline::{clock::Clock, testing::ManualClock};
use storage::postgres::PostgresStore;
use tokio_util::sync::CancellationToken;

use crate::{
    storage::{migrated, store, value},
    support::{
        postgres::{Postgres, query},
        wait::{eventually, wanted},
    },
};

const HOUR: Duration = Duration::from_secs(3600);

fn answer(count: u32, status: u16, took: Duration) {
    for _ in 0..count {
        metrics::request_answered("GET", "/brands", status, took);
    }
}

fn keeper(store: &Arc<PostgresStore>, deployment: &str, clock: &Arc<ManualClock>) -> Arc<BaselineKeeper> {
    Arc::new(BaselineKeeper::new(store.clone(), 10, deployment.to_owned(), "one".to_owned(), clock.clone()))
}

#[tokio::test]
async fn each_hour_is_stored_and_compared() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = Arc::new(store(&url));
    let clock = Arc::new(ManualClock::at(SystemClock::default().now() - TimeDelta::hours(2)));
    let store_old = r#"INSERT INTO "innovation"."Baseline" SELECT 'old', days::text, now() - days * interval '1 day', '{}'::jsonb
        FROM unnest(array[6, 8]) days"#;
    query(&url, store_old).await;
    let stop = CancellationToken::new();
    let task = KeepBaseline {
        keeper: keeper(&store, "before", &clock),
        uses_database: Box::new(|| true),
        period: Duration::from_millis(10),
    };
    let task = tokio::spawn(drive(task, stop.clone(), Arc::new(SystemClock::default())));
    let hours = async |wish: &str| {
        let sql = r#"SELECT coalesce(string_agg("figures"->>'requests', ' ' ORDER BY "hour"), '') FROM "innovation"."Baseline" WHERE "deployment" = 'before'"#;
        eventually(wish, async || wanted(value(&url, sql).await, |hours| hours == wish)).await
    };
    answer(60, 200, Duration::from_millis(4));
    hours("60").await;
    let old = r#"DELETE FROM "innovation"."Baseline" WHERE "deployment" = 'old' RETURNING "replica""#;
    assert_eq!(query(&url, old).await, [[Some("6".to_owned())]], "those of 8 days have gone");
    answer(40, 200, Duration::from_millis(4));
    hours("100").await;
    clock.advance(HOUR);
    // The first pass of an hour closes the hour before it.
    eventually("the next hour begins", async || {
        answer(1, 200, Duration::from_millis(4));
        let sql = r#"SELECT count(*)::text FROM "innovation"."Baseline""#;
        wanted(value(&url, sql).await, |count| count == "2")
    })
    .await;
    stop.cancel();
    task.await.unwrap();

    // The counters of this process begin with the first deployment, so its requests count here too.
    answer(1_000, 200, Duration::from_millis(40));
    answer(20, 500, Duration::from_millis(40));
    let report = keeper(&store, "after", &clock).compare().await.unwrap();
    assert!(
        report.is_comparable && report.previous.is_some_and(|before| before.requests > 100),
        "{report:?}"
    );
    let deviations = report.deviations.join("; ");
    for figure in ["mean", "p95", "errors"] {
        assert!(deviations.contains(figure), "{figure}: {deviations}");
    }
    let same = keeper(&store, "before", &clock).compare().await.unwrap();
    assert_eq!((same.previous, same.is_comparable), (None, false), "no deployment is compared with itself");
}
