//! Measures the stage writes of concurrent runs, each alone and together: `make bench BENCH=writes`.
//!
//! The server flushes each commit, as in production. Each run writes its four stages one after the other, as fast as it can.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![allow(dead_code)]

mod harness;
#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use backend::{
    config::{Config, Purpose},
    migrate::Migrator,
};
use foundation::clock::SystemClock;
use harness::{cpu_time, machine, row};
use pipeline::{clock::Clock, run::Stage};
use storage::{
    Fence,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    contract::{accepted, new_run, record},
    postgres::PostgresStore,
    router::{Database, ReadLimiter},
};
use support::postgres::{Postgres, query};
use tokio::task::JoinSet;

/// Rounds of each way, in turn, so that a change of the machine's load meets both.
const ROUNDS: usize = 3;

/// How a stage is written.
#[derive(Debug, Clone, Copy)]
enum Way {
    Alone,
    Together,
}

#[tokio::main]
async fn main() {
    machine();
    let server = Postgres::start_durable();
    let url = server.fresh_database().await;
    let variables = BTreeMap::from([("DATABASE_URL".to_owned(), url.clone())]);
    let config = Config::from_variables(variables, Purpose::Command).unwrap().database;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Migrator::new(&config, clock.clone()).unwrap().deploy().await.unwrap();
    let database = Database {
        store: Arc::new(PostgresStore::new(&config).unwrap().unwrap()),
        breaker: Arc::new(Breaker::new(BreakerConfig::default(), clock)),
        bulkhead: Arc::new(Bulkhead::new(config.database_calls_max(), config.statement_timeout)),
        read_limiter: Arc::new(ReadLimiter::new(config.readers_max(), config.acquire_timeout)),
    };
    let mut number = 0;
    for in_flight in [1, 32, 256] {
        for round in 1..=ROUNDS {
            for way in [Way::Alone, Way::Together] {
                let runs = if in_flight == 1 { 50 } else { 768 };
                let mut fences = Vec::new();
                for _ in 0..runs {
                    number += 1;
                    let run = new_run(&format!("run-{number}"), "https://a/1");
                    fences.push(accepted(&*database.store, &run, "bench").await);
                }
                query(&url, "CHECKPOINT").await;
                let figures = measure(&database, way, fences, in_flight).await;
                let what = format!(
                    "{in_flight} runs, {way:?}, round {round}: writes/s; CPU of service, of PostgreSQL; waits of threads"
                );
                row(&what, &figures, "");
            }
        }
    }
}

async fn measure(database: &Database, way: Way, mut fences: Vec<Fence>, in_flight: usize) -> String {
    let writes = fences.len() * Stage::ALL.len();
    let switched = switches();
    let (began, cpu, server_cpu) = (Instant::now(), cpu_time(std::process::id()), postgres_cpu());
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < in_flight
            && let Some(fence) = fences.pop()
        {
            let database = database.clone();
            under_way.spawn(async move {
                for stage in Stage::ALL {
                    let record = record(stage, "one");
                    match way {
                        Way::Alone => {
                            database.call_queued(|store| store.store_stage(&fence, &record)).await.unwrap();
                        }
                        Way::Together => database.store_stage(&fence, &record).await.unwrap(),
                    }
                }
            });
        }
        if under_way.join_next().await.is_none() {
            break;
        }
    }
    let elapsed = began.elapsed();
    let switches = (switches() - switched) as f64 / writes as f64;
    let each = |cpu: Duration| format!("{:.2} ms", cpu.as_secs_f64() * 1e3 / writes as f64);
    let rate = writes as f64 / elapsed.as_secs_f64();
    let service = each(cpu_time(std::process::id()).saturating_sub(cpu));
    let server = each(postgres_cpu().saturating_sub(server_cpu));
    format!("{rate:.0}; {service}, {server}; {switches:.1}")
}

/// How often the threads of this process have waited for something.
fn switches() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|thread| {
        let status = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    });
    threads.sum()
}

/// The CPU time of all PostgreSQL processes of this machine.
fn postgres_cpu() -> Duration {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        (name.trim() == "postgres").then_some(number)
    });
    processes.map(cpu_time).sum()
}
