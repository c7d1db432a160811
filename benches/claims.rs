//! Measures the cost of a claim as the table grows: `make bench BENCH=claims`.

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
    collections::{BTreeMap, HashSet},
    time::Instant,
};

use backend::config::{Config, Purpose};
use harness::{machine, ms, percentile, row};
use storage::{Claim, Lease, WaitingRuns, postgres::PostgresStore, prelude::*};
use support::{postgres::query, service::TestEnv};

/// The number of finished rows and of queued rows.
const TABLES: [(usize, usize); 4] = [(0, 1_000), (10_000, 1_000), (1_000_000, 1_000), (1_000_000, 100_000)];

const CLAIMS: usize = 200;

#[tokio::main]
async fn main() {
    let env = TestEnv::with_database().await;
    machine();
    let url = env.database_url();
    let variables = BTreeMap::from([("DATABASE_URL".to_owned(), url.clone())]);
    let config = Config::from_variables(variables, Purpose::Command).unwrap().database;
    let store = PostgresStore::new(&config).unwrap().unwrap();
    let (mut finished, mut queued) = (0, 0);
    for (finished_wanted, queued_wanted) in TABLES {
        fill(&url, "COMPLETED", finished..finished_wanted).await;
        fill(&url, "PROCESSING", queued..queued_wanted).await;
        (finished, queued) = (finished_wanted, queued_wanted);
        query(&url, r#"VACUUM ANALYZE "PipelineRun""#).await;
        for expired in [false, true] {
            let mut times = claims(&store, expired).await;
            times.sort();
            let also = if expired { ", looking for ended leases too" } else { "" };
            let what = format!("a claim with {finished} finished and {queued} queued rows{also}");
            let value = format!("{} / {}", ms(percentile(&times, 0.5)), ms(percentile(&times, 0.99)));
            row(&what, &value, "p50 / p99");
        }
        // Return the runs to the queue.
        query(&url, r#"UPDATE "PipelineRun" SET "leaseOwner" = NULL, "leaseUntil" = NULL WHERE "leaseOwner" IS NOT NULL"#).await;
    }
}

async fn claims(store: &PostgresStore, expired: bool) -> Vec<std::time::Duration> {
    let lease = Lease { owner: "bench".to_owned(), duration: std::time::Duration::from_secs(3_600) };
    let mut times = Vec::new();
    for _ in 0..CLAIMS {
        let began = Instant::now();
        let fences = store
            .claim(Claim {
                lease: &lease,
                limit: 1,
                held: &HashSet::new(),
                expired,
                waiting: WaitingRuns::None,
            })
            .await
            .unwrap();
        times.push(began.elapsed());
        assert_eq!(fences.len(), 1);
    }
    times
}

/// Inserts rows of a status, as a service would write them.
async fn fill(url: &str, status: &str, numbers: std::ops::Range<usize>) {
    if numbers.is_empty() {
        return;
    }
    let (from, to) = (numbers.start, numbers.end - 1);
    let outputs = if status == "COMPLETED" {
        r#"jsonb_build_object('inspirations', repeat('x', 500)), repeat('y', 1000)"#
    } else {
        "NULL, NULL"
    };
    query(
        url,
        &format!(
            r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") SELECT 'bench', 'bench', 'bench@example.com', now()
                WHERE NOT EXISTS (SELECT 1 FROM "User" WHERE "id" = 'bench');
            INSERT INTO "PipelineRun" ("id", "userId", "documentName", "documentUrl", "companyName", "status",
                "pipelineVersion", "acceptedAt", "requestDigest", "brandId", "stage1Output", "fullReportMarkdown")
            SELECT '{status}-' || n, 'bench', 'report.pdf', 'https://example.com/report.pdf', 'Decathlon',
                '{status}'::"RunStatus", '1', now(), 'digest', 'decathlon', {outputs}
            FROM generate_series({from}, {to}) AS n"#
        ),
    )
    .await;
}
