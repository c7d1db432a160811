//! Chaos: hundreds of runs on three replicas while everything around them fails at random, by a schedule that a seed
//! replays. Afterwards nothing is lost, nothing is left over, and nothing stored was paid for again.
//!
//! Each replica has a disk of its own, as containers have. So a run's files lie where it was worked on, and
//! `reconcile --verify` on one disk knows the others' runs from the database only; what a disk has must be equal.
//!
//! `make soak` runs it for ten minutes, the test suite for less. `SOAK_SECONDS`, `SOAK_RUNS` and `SOAK_SEED` say otherwise.

mod chaos;
mod client;
mod schedule;
mod verdict;

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use foundation::clock::SystemClock;
use futures_util::future::join_all;
use pipeline::clock::Clock as _;
use serde_json::Value;

use self::{
    chaos::{Cluster, SETTLE},
    client::{Client, Wanted, run_id, wanted},
    schedule::{Event, schedule},
};
use crate::support::{
    openrouter::Options,
    postgres::{Postgres, query},
    service::TestEnv,
};

/// In the test suite.
const SECONDS: u64 = 45;
const RUNS_PER_MINUTE: u64 = 270;

/// Long enough that most faults meet a call in flight.
const MODEL_LATENCY: Duration = Duration::from_millis(350);

/// The schedule of the suite.
const SUITE_SEED: u64 = 20_261_130;

fn from_environment(variable: &str) -> Option<u64> {
    // The person who starts the soak chooses its length and schedule.
    #[allow(clippy::disallowed_methods)]
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number: {value}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_accepted_run_ends_right_under_chaos() {
    let seconds = from_environment("SOAK_SECONDS").unwrap_or(SECONDS);
    let runs = from_environment("SOAK_RUNS").unwrap_or(seconds * RUNS_PER_MINUTE / 60);
    let runs = usize::try_from(runs).unwrap();
    // The suite repeats one schedule, so that a change is to blame for a failure; `make soak` draws a new one each time.
    let drawn = from_environment("SOAK_SECONDS").map(|_| u64::from(uuid::Uuid::new_v4().as_fields().0));
    let seed = from_environment("SOAK_SEED").or(drawn).unwrap_or(SUITE_SEED);
    println!("SOAK_SEED={seed} SOAK_SECONDS={seconds} SOAK_RUNS={runs}");
    let events = schedule(seed, Duration::from_secs(seconds));
    let mut env = TestEnv::with_model(Options { latency: MODEL_LATENCY, ..Options::default() }).await;
    // Kept, unless all is well.
    env.folder.disable_cleanup(true);
    env.postgres = Some(Postgres::start());
    env.migrate();
    let mut cluster = Cluster::start(env).await;
    let problems = soak(&cluster, &events, runs).await;
    if problems.is_empty() {
        cluster.env.folder.disable_cleanup(false);
        return;
    }
    let folder = cluster.env.folder.path();
    let mut told = format!("SOAK_SEED={seed} SOAK_SECONDS={seconds} SOAK_RUNS={runs}\n");
    for event in &events {
        told += &format!("{event}\n");
    }
    told += &problems.join("\n");
    std::fs::write(folder.join("verdict"), &told).unwrap();
    panic!("{told}\nlogs, disks and this text lie in {}", folder.display());
}

/// Carries out the schedule, ends all faults, waits, and returns the problems that are left.
async fn soak(cluster: &Cluster, events: &[Event], runs: usize) -> Vec<String> {
    // The logs have the time of day, the fake model has instants.
    let since = (Instant::now(), SystemClock::default().now());
    let client = Client::new(cluster);
    let soak = events.last().map(Event::until).unwrap_or_default();
    let start = tokio::time::Instant::now();
    let posts = async {
        let posts = join_all((0..runs).map(|number| {
            let client = &client;
            // Evenly, and the last ones some time before the last faults.
            let due = soak.mul_f64(0.9 * number as f64 / runs as f64);
            async move {
                // The schedule is the subject: each request has its time.
                tokio::time::sleep_until(start + due).await;
                client.run(number).await;
            }
        }));
        // The verdict below reports runs without an answer by then.
        let _ = tokio::time::timeout_at(start + soak + SETTLE, posts).await;
    };
    let suffering = async {
        cluster.suffer(events).await;
        cluster.env.model.clear_script();
        println!("{} faults in {:.0} s; all are over now", events.len(), start.elapsed().as_secs_f64());
    };
    tokio::join!(posts, suffering);

    let mut problems = Vec::new();
    settle(cluster, &mut problems).await;
    // As the answer to a failed run says: a model that failed too often is asked again after half a minute.
    let deadline = Instant::now() + SETTLE;
    loop {
        let rows = verdict::rows(cluster).await;
        let failed = failed_but_wanted(&rows, runs, &mut problems);
        if failed.is_empty() || Instant::now() > deadline {
            break;
        }
        println!("{} runs failed for a reason that passes, and are tried again", failed.len());
        let again = join_all(failed.iter().map(|run| client.retry(run)));
        if tokio::time::timeout(SETTLE, again).await.is_err() {
            problems.push("a failed run could not be tried again".to_owned());
        }
        settle(cluster, &mut problems).await;
        // The pace of the retries: `settle` has waited already, and a run may fail once more.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("settled {:.0} s after the last fault", (start.elapsed().saturating_sub(soak)).as_secs_f64());

    verdict::ends(&verdict::rows(cluster).await, runs, &mut problems);
    verdict::digests(cluster, &mut problems).await;
    let conflicts = verify(cluster, &mut problems);
    let repeats = verdict::paid_twice(cluster, since, &mut problems);
    for run in conflicts.iter().filter(|run| !repeats.contains(run)) {
        problems.push(format!("{run}: a conflict, although no two replicas were asked for the same"));
    }
    for (replica, code) in cluster.drain().await.into_iter().enumerate() {
        if code != Some(0) {
            problems.push(format!("replica {replica} ended with {code:?}"));
        }
    }
    verdict::leftovers(cluster, &mut problems);
    problems.extend(client.complaints.lock().unwrap().drain(..));
    println!(
        "{runs} runs, {} model calls, {} of them for a stage that had been answered and not stored, {} requests repeated, {} conflicts settled by `resolve`",
        cluster.env.model.calls(),
        repeats.len(),
        client.repeated.load(Ordering::Relaxed),
        conflicts.len(),
    );
    problems
}

/// The runs that failed although nothing is wrong with what they ask; each for a reason that a retry may cure.
fn failed_but_wanted<'a>(
    rows: &'a BTreeMap<String, verdict::Row>,
    runs: usize,
    problems: &mut Vec<String>,
) -> Vec<&'a String> {
    let mut failed = Vec::new();
    for number in (0..runs).filter(|number| wanted(*number) == Wanted::Complete) {
        let Some((id, row)) = rows.get_key_value(&run_id(number)) else { continue };
        if row.status == "COMPLETED" {
            continue;
        }
        if row.code.starts_with("LLM_") || row.code == "CRASH_LOOP" {
            failed.push(id);
        } else {
            problems.push(format!("{id}: {row:?}"));
        }
    }
    failed
}

/// Waits until nothing is under way any more: in the database, and on any disk. Conflicts are not waited for.
async fn settle(cluster: &Cluster, problems: &mut Vec<String>) {
    const OPEN: &str = r#"SELECT 'row ' || "id" FROM "PipelineRun" WHERE "status" = 'PROCESSING' OR "leaseUntil" IS NOT NULL
        OR "leaseOwner" IS NOT NULL"#;
    const CONFLICTS: &str = r#"SELECT "id" FROM "PipelineRun" WHERE "conflictedStages" <> '{}'"#;
    let deadline = Instant::now() + SETTLE;
    loop {
        let ids = |rows: Vec<Vec<Option<String>>>| rows.into_iter().map(|row| row[0].clone().unwrap());
        let mut open: Vec<String> = ids(query(&cluster.database_url, OPEN).await).collect();
        let conflicts: Vec<String> = ids(query(&cluster.database_url, CONFLICTS).await).collect();
        for replica in &cluster.replicas {
            for folder in [".open", ".unsynced"] {
                let marks = replica.base.join("data/test-outputs").join(folder);
                for mark in std::fs::read_dir(&marks).into_iter().flatten() {
                    let mark = mark.unwrap().file_name().into_string().unwrap();
                    if !conflicts.contains(&mark) {
                        open.push(marks.join(mark).display().to_string());
                    }
                }
            }
        }
        if open.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            problems.extend(open.into_iter().map(|what| format!("not settled within {SETTLE:?}: {what}")));
            return;
        }
        // Not `eventually`: what is open after the limit is a problem of the verdict, and the soak goes on.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// `reconcile --verify --all` on every disk. Two replicas that were cut off from each other leave conflicts. This settles
/// them as an operator would, with the database's version, and returns the runs.
fn verify(cluster: &Cluster, problems: &mut Vec<String>) -> Vec<String> {
    let mut settled = Vec::new();
    for replica in &cluster.replicas {
        for round in ["first", "after settling conflicts"] {
            let (code, lines) = cluster.reconcile(replica, &["--verify", "--all", "--json"]);
            if !matches!(code, Some(0 | 1)) {
                problems.push(format!("{}: verify ended with {code:?}", replica.base.display()));
            }
            for line in lines.iter().filter(|line| line["run_id"].is_string()) {
                let run = line["run_id"].as_str().unwrap();
                match line["result"].as_str().unwrap_or_default() {
                    "equal" | "only_in_database" => {}
                    "differs" if round == "first" => {
                        println!("conflict: {line} on {}", replica.base.display());
                        settled.push(run.to_owned());
                        let (code, told) =
                            cluster.reconcile(replica, &["resolve", run, "--keep", "database"]);
                        if code != Some(0) {
                            problems.push(format!("{run}: not resolved: {told:?}"));
                        }
                    }
                    _ => problems.push(format!("{}: {line}, {round}", replica.base.display())),
                }
            }
            let summary: &Value = lines.last().unwrap();
            println!("verify: {summary} on {}", replica.base.file_name().unwrap().display());
        }
    }
    settled
}
