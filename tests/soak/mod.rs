//! Chaos: hundreds of runs on three replicas while everything around them fails at random, by a schedule that a seed
//! replays. Afterwards nothing is lost, nothing is left over, and nothing stored was paid for again.
//!
//! Two clusters suffer. In one, each replica has a disk of its own, as containers have. A run's files lie where it was
//! worked on, and two replicas that a fault cut off from each other may leave a conflict. In the other, all replicas
//! share a bucket, and nothing may ever differ.
//!
//! `make soak` takes ten minutes, too long for every push. `SOAK_SECONDS` (both clusters together), `SOAK_RUNS` (of
//! each) and `SOAK_SEED` say otherwise.

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
    chaos::{Cluster, Files, SETTLE},
    client::{Client, Wanted, run_id, wanted},
    schedule::{Event, schedule},
    verdict::Calls,
};
use crate::support::{
    openrouter::Options,
    postgres::{Postgres, query},
    service::TestEnv,
};

/// The length of the soak of one cluster, where nobody says another.
const SECONDS: u64 = 45;

/// The S3 server of the tests is one Python process.
const fn runs_per_minute(files: Files) -> u64 {
    match files {
        Files::OwnDisks => 270,
        Files::Bucket => 30,
    }
}

/// Long enough that most faults meet a call in flight.
const MODEL_LATENCY: Duration = Duration::from_millis(350);

/// The schedule where nobody asks for a length or a schedule.
const SUITE_SEED: u64 = 20_261_130;

fn from_environment(variable: &str) -> Option<u64> {
    // The person who starts the soak chooses its length and schedule.
    #[allow(clippy::disallowed_methods)]
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number: {value}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make soak"]
async fn runs_end_right_under_chaos_on_disks() {
    soak_cluster(Files::OwnDisks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make soak"]
async fn runs_end_right_under_chaos_in_a_bucket() {
    soak_cluster(Files::Bucket).await;
}

async fn soak_cluster(files: Files) {
    let seconds = from_environment("SOAK_SECONDS").map_or(SECONDS, |both| (both / 2).max(SECONDS));
    // Without a length, both clusters suffer at once.
    let share = if from_environment("SOAK_SECONDS").is_some() { 1 } else { 2 };
    let runs = from_environment("SOAK_RUNS").unwrap_or(seconds * runs_per_minute(files) / 60 / share);
    let runs = usize::try_from(runs).unwrap();
    // A short soak repeats one schedule, so that a change is to blame for a failure; `make soak` draws a new one each time.
    let drawn = from_environment("SOAK_SECONDS").map(|_| u64::from(uuid::Uuid::new_v4().as_fields().0));
    let seed = from_environment("SOAK_SEED").or(drawn).unwrap_or(SUITE_SEED);
    let told = format!("{files:?}: SOAK_SEED={seed}, {seconds} s, {runs} runs\n");
    print!("{told}");
    let events = schedule(seed, Duration::from_secs(seconds));
    let mut env = TestEnv::with_model(Options { latency: MODEL_LATENCY, ..Options::default() }).await;
    // Kept, unless all is well.
    env.folder.disable_cleanup(true);
    env.postgres = Some(Postgres::start());
    env.migrate();
    let mut cluster = Cluster::start(env, files).await;
    let problems = soak(&cluster, &events, runs).await;
    if problems.is_empty() {
        cluster.env.folder.disable_cleanup(false);
        return;
    }
    let folder = cluster.env.folder.path();
    let schedule: String = events.iter().map(|event| format!("{event}\n")).collect();
    let told = told + &schedule + &problems.join("\n");
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
    restore_rows(cluster, &mut problems);
    settle(cluster, &mut problems).await;
    retry_failed(cluster, &client, runs, &mut problems).await;
    println!("settled {:.0} s after the last fault", (start.elapsed().saturating_sub(soak)).as_secs_f64());

    let lost = verdict::lost_with_backup(cluster, since);
    verdict::ends(&verdict::rows(cluster).await, runs, &lost, &mut problems);
    verdict::digests(cluster, &mut problems).await;
    let conflicts = verify(cluster, &mut problems);
    let calls = Calls::read(cluster, since);
    let repeats = calls.check_repeats(&mut problems);
    let disputed = calls.disputed();
    for run in conflicts.iter().filter(|run| !disputed.contains(run.as_str())) {
        problems
            .push(format!("{run}: a conflict, although no fault took the run from one replica to another"));
    }
    for (replica, code) in cluster.drain().await.into_iter().enumerate() {
        if code != Some(0) {
            problems.push(format!("replica {replica} ended with {code:?}"));
        }
    }
    verdict::leftovers(cluster, &mut problems);
    problems.extend(client.complaints.lock().unwrap().drain(..));
    println!(
        "{runs} runs, {} model calls, {repeats} of them for a stage that had been answered and not stored, {} requests repeated, {} runs disputed, {} conflicts settled by `resolve`",
        cluster.env.model.calls(),
        client.repeated.load(Ordering::Relaxed),
        disputed.len(),
        conflicts.len(),
    );
    problems
}

/// Brings back the rows that the restored backup lacks, as an operator does after the alarm.
fn restore_rows(cluster: &Cluster, problems: &mut Vec<String>) {
    for replica in cluster.file_stores() {
        let (code, lines) = cluster.reconcile(replica, &["--restore-rows", "--json"]);
        if code != Some(0) {
            problems.push(format!("{}: rows not restored: {lines:?}", replica.base.display()));
        }
    }
}

/// Retries what failed for a reason that passes, as the answer to a failed run says.
async fn retry_failed(cluster: &Cluster, client: &Client<'_>, runs: usize, problems: &mut Vec<String>) {
    let deadline = Instant::now() + SETTLE;
    loop {
        let rows = verdict::rows(cluster).await;
        let failed = failed_but_wanted(&rows, runs, problems);
        if failed.is_empty() || Instant::now() > deadline {
            return;
        }
        println!("{} runs failed for a reason that passes, and are tried again", failed.len());
        let again = join_all(failed.iter().map(|run| client.retry(run)));
        if tokio::time::timeout(SETTLE, again).await.is_err() {
            problems.push("a failed run could not be tried again".to_owned());
        }
        settle(cluster, problems).await;
        // The pace of the retries: `settle` has waited already, and a run may fail once more.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The runs that did not end as their requests deserve; each for a reason that a retry may cure.
fn failed_but_wanted<'a>(
    rows: &'a BTreeMap<String, verdict::Row>,
    runs: usize,
    problems: &mut Vec<String>,
) -> Vec<&'a String> {
    let mut failed = Vec::new();
    for number in 0..runs {
        let Some((id, row)) = rows.get_key_value(&run_id(number)) else { continue };
        let is_right = match wanted(number) {
            Wanted::Complete => row.status == "COMPLETED",
            Wanted::Failed(code) => row.code == code,
        };
        // A run was cancelled that was under way when its row went, with the restored backup.
        let may_pass =
            row.code.starts_with("LLM_") || ["CRASH_LOOP", "CANCELLED"].contains(&row.code.as_str());
        match (is_right, may_pass) {
            (true, _) => {}
            (false, true) => failed.push(id),
            (false, false) => problems.push(format!("{id}: {row:?}")),
        }
    }
    failed
}

/// Waits until nothing is under way any more: in the database, and on any disk. Conflicts are not waited for.
async fn settle(cluster: &Cluster, problems: &mut Vec<String>) {
    const OPEN: &str = r#"SELECT 'row ' || "id" FROM "PipelineRun" WHERE "status" = 'PROCESSING' OR "leaseUntil" IS NOT NULL
        OR "leaseOwner" IS NOT NULL OR ("status" = 'COMPLETED'
        AND num_nulls("stage1Output", "stage2Output", "stage3Output", "stage4Output", "fullReportMarkdown") > 0)"#;
    const CONFLICTS: &str = r#"SELECT "id" FROM "PipelineRun" WHERE "conflictedStages" <> '{}'"#;
    let deadline = Instant::now() + SETTLE;
    loop {
        let ids = |rows: Vec<Vec<Option<String>>>| rows.into_iter().map(|row| row[0].clone().unwrap());
        let mut open: Vec<String> = ids(query(&cluster.database_url, OPEN).await).collect();
        let conflicts: Vec<String> = ids(query(&cluster.database_url, CONFLICTS).await).collect();
        let marks = cluster.marked_runs();
        // An ended run without a row waits for the operator: see `restore_rows`.
        let with_row: Vec<String> =
            ids(query(&cluster.database_url, r#"SELECT "id" FROM "PipelineRun""#).await).collect();
        let is_waited_for = |mark: &String| {
            let is_of = |run: &String| mark.ends_with(run.as_str());
            !conflicts.iter().any(is_of) && (mark.contains("/.open/") || with_row.iter().any(is_of))
        };
        open.extend(marks.into_iter().filter(is_waited_for));
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

/// `reconcile --verify --all` on every disk. Two replicas that were cut off from each other leave conflicts on disks of
/// their own. This settles them as an operator would, with the database's version, and returns the runs. In a bucket,
/// a difference is a problem.
fn verify(cluster: &Cluster, problems: &mut Vec<String>) -> Vec<String> {
    let mut settled = Vec::new();
    for replica in cluster.file_stores() {
        for round in ["first", "after settling conflicts"] {
            let (code, lines) = cluster.reconcile(replica, &["--verify", "--all", "--json"]);
            if !matches!(code, Some(0 | 1)) {
                problems.push(format!("{}: verify ended with {code:?}", replica.base.display()));
            }
            for line in lines.iter().filter(|line| line["run_id"].is_string()) {
                let run = line["run_id"].as_str().unwrap();
                let may_differ = round == "first" && cluster.bucket.is_none();
                match line["result"].as_str().unwrap_or_default() {
                    "equal" | "only_in_database" => {}
                    "differs" if may_differ => {
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
