//! Shared code of the measurements: their output, the machine's load, and a constant number of active runs.

// Each bench uses only some of it.
#![allow(dead_code)]

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _,
    postgres::{PgConnection, PgListener},
};

use crate::support::postgres::query;

/// One line of a table.
pub(crate) fn row(what: &str, value: &str, target: &str) {
    println!("{what:<72} {value:>16}   {target}");
}

pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// The machine and its load, without which figures mean little.
pub(crate) fn machine() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load: Vec<&str> = load.split(' ').take(3).collect();
    println!(
        "{cores} cores shared with PostgreSQL, model, blob store and client; load before: {}",
        load.join(" ")
    );
}

/// The CPU time of a process and of its finished children.
pub(crate) fn cpu_time(process: u32) -> Duration {
    // User and system time of the process and its children: fields 14 to 17, in hundredths of a second.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(4);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Sends a notification at the end of each run during a measurement.
pub(crate) async fn announce_ends(url: &str) {
    query(
        url,
        r#"CREATE OR REPLACE FUNCTION announce_end() RETURNS trigger AS $$
            BEGIN PERFORM pg_notify('ended', NEW."id"); RETURN NEW; END $$ LANGUAGE plpgsql;
            CREATE OR REPLACE TRIGGER announce_end AFTER UPDATE OF "status" ON "PipelineRun" FOR EACH ROW
            WHEN (NEW."status"::text <> 'PROCESSING') EXECUTE FUNCTION announce_end()"#,
    )
    .await;
}

/// The result of keeping this many runs active.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throughput {
    pub(crate) runs_per_second: f64,
    pub(crate) cpu_per_run: Duration,
}

/// Keeps `in_flight` runs active until `runs` have ended. `post` submits one by its id.
pub(crate) async fn keep_in_flight<F: Future<Output = ()> + Send + 'static>(
    url: &str,
    process: u32,
    in_flight: usize,
    runs: usize,
    post: impl Fn(String) -> F,
) -> Throughput {
    let mut listener = PgListener::connect(url).await.unwrap();
    listener.listen("ended").await.unwrap();
    let prefix = uuid::Uuid::new_v4().simple().to_string();
    let mut posted = 0;
    let mut next = || {
        posted += 1;
        tokio::spawn(post(format!("{prefix}-{posted}")));
    };
    let (began, cpu) = (Instant::now(), cpu_time(process));
    for _ in 0..in_flight.min(runs) {
        next();
    }
    let mut ended = HashSet::new();
    let mut started = in_flight.min(runs);
    while ended.len() < runs {
        let told = tokio::time::timeout(Duration::from_secs(60), listener.recv()).await;
        let told = told.expect("a run ends within a minute").unwrap();
        if told.payload().starts_with(&prefix) && ended.insert(told.payload().to_owned()) && started < runs {
            started += 1;
            next();
        }
    }
    let elapsed = began.elapsed();
    // A service that fails its runs is fast, so count only completed ones.
    let failed = format!(
        r#"SELECT count(*)::text FROM "PipelineRun" WHERE "id" LIKE '{prefix}-%' AND "status"::text <> 'COMPLETED'"#
    );
    assert_eq!(query(url, &failed).await[0][0].as_deref(), Some("0"), "all runs are completed");
    let runs_per_second = runs as f64 / elapsed.as_secs_f64();
    // The last of hundreds of children may still be running, so its time is missing.
    Throughput { runs_per_second, cpu_per_run: (cpu_time(process) - cpu) / u32::try_from(runs).unwrap() }
}

/// Waits until a query returns a value, and returns how long that took. It polls on one connection, slowly
/// enough that polling does not affect the figure.
pub(crate) async fn time_until(url: &str, sql: &str, wanted: &str) -> Duration {
    let began = Instant::now();
    let mut connection = PgConnection::connect(url).await.unwrap();
    loop {
        let value: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        if value == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(600), "{sql}: {value}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
