//! The checks after a soak. Each reports all that it finds, not only the first.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::Instant,
};

use pipeline::{clock::Timestamp, record::sha256_hex, run::Stage};

use super::{
    chaos::{Cluster, Happened},
    client::{Wanted, run_id, wanted},
};
use crate::support::{
    log::events,
    openrouter::{Recorded, Reply, SCHEMAS, Wrapping},
    postgres::query,
    service::record_sha256,
};

/// A run's row, as far as the verdict goes.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) status: String,
    pub(super) code: String,
    #[expect(dead_code, reason = "for whoever reads a verdict")]
    message: String,
}

/// The rows of all runs.
pub(super) async fn rows(cluster: &Cluster) -> BTreeMap<String, Row> {
    let sql = r#"SELECT "id", "status"::text, "errorCode", "errorMessage" FROM "PipelineRun""#;
    let rows = query(&cluster.database_url, sql).await.into_iter().map(|row| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap();
        (next(), Row { status: next(), code: next(), message: next() })
    });
    rows.collect()
}

/// Every accepted run has ended as its request deserves.
pub(super) fn ends(rows: &BTreeMap<String, Row>, runs: usize, problems: &mut Vec<String>) {
    for number in 0..runs {
        let id = run_id(number);
        let wanted = wanted(number);
        match (rows.get(&id), wanted) {
            (Some(row), Wanted::Complete) if row.status == "COMPLETED" => {}
            (Some(row), Wanted::Failed(code)) if row.status == "FAILED" && row.code == code => {}
            (row, _) => problems.push(format!("{id}: {row:?} where {wanted:?} is right")),
        }
    }
    if rows.len() != runs {
        problems.push(format!("{} rows for {runs} runs", rows.len()));
    }
}

/// A completed row has four stages and a report, each with the digest that it says.
pub(super) async fn digests(cluster: &Cluster, problems: &mut Vec<String>) {
    let sql = r#"SELECT "id", "stage1Output"::text, "stage2Output"::text, "stage3Output"::text, "stage4Output"::text,
        "stage1Digest", "stage2Digest", "stage3Digest", "stage4Digest", "fullReportMarkdown", "reportDigest"
        FROM "PipelineRun" WHERE "status" = 'COMPLETED'"#;
    for row in query(&cluster.database_url, sql).await {
        let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
        let id = &row[0];
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            if record_sha256(stage, row[1 + index].as_bytes()) != row[5 + index] {
                problems.push(format!("{id}: stage {} does not prove itself in its row", stage.number()));
            }
        }
        if row[9].is_empty() || sha256_hex(row[9].as_bytes()) != row[10] {
            problems.push(format!("{id}: the report does not prove itself in its row"));
        }
    }
}

/// The runs of which a model was paid for a stage that had been answered before, one entry a repeated call; each is
/// checked against what interrupted it.
pub(super) fn paid_twice(
    cluster: &Cluster,
    since: (Instant, Timestamp),
    problems: &mut Vec<String>,
) -> Vec<String> {
    let happened = cluster.happened();
    let stored = stored_in_database(cluster);
    let mut calls: BTreeMap<(String, usize), Vec<Instant>> = BTreeMap::new();
    for call in cluster.env.model.requests() {
        if matches!(call.reply, Reply::Answer(Wrapping::None)) {
            calls.entry(run_and_stage(&call)).or_default().push(call.at);
        }
    }
    let mut repeats = Vec::new();
    for ((run, stage), calls) in &calls {
        for pair in calls.windows(2) {
            repeats.push(run.clone());
            let asked = since.1 + (pair[1] - since.0);
            if let Some(at) = stored.get(&(run.clone(), *stage)).filter(|at| **at < asked) {
                problems
                    .push(format!("{run}: stage {stage} was stored at {at} and asked for again at {asked}"));
            }
            if !happened.iter().any(|it| interrupts(it, pair[0], pair[1])) {
                problems.push(format!(
                    "{run}: stage {stage} was asked for again at {asked}, and nothing had happened"
                ));
            }
        }
    }
    repeats
}

fn interrupts(event: &Happened, first: Instant, second: Instant) -> bool {
    event.fault.interrupts() && event.began <= second && first <= event.ended
}

fn run_and_stage(call: &Recorded) -> (String, usize) {
    let body = call.body.to_string();
    let run = body.find("soak-").map(|at| body[at..].chars().take(9).collect()).unwrap_or_default();
    let stage = SCHEMAS.iter().position(|schema| *schema == call.schema_name()).unwrap_or_default();
    (run, stage + 1)
}

/// When each stage was first known to be in the database, from the logs.
fn stored_in_database(cluster: &Cluster) -> HashMap<(String, usize), Timestamp> {
    let mut stored: HashMap<(String, usize), Timestamp> = HashMap::new();
    for log in cluster.logs() {
        for line in events(&log, "stage_row_written") {
            let at: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
            let stage = usize::try_from(line["stage"].as_u64().unwrap()).unwrap();
            let first = stored.entry((line["run_id"].as_str().unwrap().to_owned(), stage)).or_insert(at);
            *first = at.min(*first);
        }
    }
    stored
}

/// No disk keeps what was meant for a while only.
pub(super) fn leftovers(cluster: &Cluster, problems: &mut Vec<String>) {
    for replica in &cluster.replicas {
        walk(&replica.base.join("data/test-outputs"), problems);
    }
}

fn walk(folder: &Path, problems: &mut Vec<String>) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            walk(&path, problems);
        } else if file.ends_with(".tmp")
            || file == "document"
            || [".open", ".unsynced", ".deleting"].contains(&name.as_str())
            // The file of a process that was killed goes with the next start; that it is locked would say that it lives.
            || name == ".owners" && is_locked(&path)
        {
            problems.push(format!("left over: {}", path.display()));
        }
    }
}

fn is_locked(path: &Path) -> bool {
    std::fs::File::open(path).unwrap().try_lock_shared().is_err()
}
