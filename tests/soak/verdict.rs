//! The checks after a soak. Each reports all that it finds, not only the first.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    time::{Duration, Instant},
};

use pipeline::{clock::Timestamp, record::sha256_hex, run::Stage};
use serde_json::Value;

use super::{
    chaos::{Cluster, Happened, model_key},
    client::{Wanted, run_id, wanted},
    schedule::{Fault, Flip},
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

/// The runs that a restored backup took: accepted by the database while the backup was older than they, and known to no file,
/// because they waited for a worker, or because the bucket did not answer. Nothing but the backup's age loses these.
pub(super) fn lost_with_backup(cluster: &Cluster, since: (Instant, Timestamp)) -> BTreeSet<String> {
    let logs = cluster.logs();
    let of = |name: &'static str| logs.iter().flat_map(move |log| events(log, name));
    let run = |line: &Value| line["run_id"].as_str().map(str::to_owned);
    let waiting = of("run_accepted").filter(|line| line["waits"] == true);
    let without_file: BTreeSet<String> =
        of("manifest_write_failed").chain(waiting).filter_map(|line| run(&line)).collect();
    let happened = cluster.happened();
    let backups = happened.iter().filter(|it| it.fault == Fault::RestoreBackup);
    let windows: Vec<(Timestamp, Timestamp)> =
        backups.map(|it| (time(since, it.began), time(since, it.ended))).collect();
    let is_in_window = |line: &Value| {
        let at: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        windows.iter().any(|(began, ended)| *began <= at && at <= *ended)
    };
    of("run_accepted")
        .filter(is_in_window)
        .filter_map(|line| run(&line))
        .filter(|run| without_file.contains(run) && !cluster.has_manifest(run))
        .collect()
}

/// The logs have the time of day, the model and the faults have instants.
fn time(since: (Instant, Timestamp), at: Instant) -> Timestamp {
    since.1 + at.saturating_duration_since(since.0)
}

/// Every accepted run has ended as its request deserves, but for those that a restored backup took.
pub(super) fn ends(
    rows: &BTreeMap<String, Row>,
    runs: usize,
    lost: &BTreeSet<String>,
    problems: &mut Vec<String>,
) {
    for number in 0..runs {
        let id = run_id(number);
        if lost.contains(&id) && !rows.contains_key(&id) {
            println!("{id}: lost with the restored backup, which was older");
            continue;
        }
        let wanted = wanted(number);
        match (rows.get(&id), wanted) {
            (Some(row), Wanted::Complete) if row.status == "COMPLETED" => {}
            (Some(row), Wanted::Failed(code)) if row.status == "FAILED" && row.code == code => {}
            (row, _) => problems.push(format!("{id}: {row:?} where {wanted:?} is right")),
        }
    }
    if rows.len() > runs {
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

/// A lease of the soak's replicas.
const LEASE: Duration = Duration::from_secs(3);

/// From the decision to start a stage to the request that reaches the model, on a busy machine.
const SLACK: Duration = Duration::from_millis(800);

/// From the commit of a stage to the line of the log that says so, on a busy machine. 0.3 s were seen.
const LOG_DELAY: Duration = Duration::from_millis(800);

/// The work of the replicas on the runs, as the model saw it.
pub(super) struct Calls {
    since: (Instant, Timestamp),
    happened: Vec<Happened>,
    /// In order of time.
    of_run: BTreeMap<String, Vec<Call>>,
    /// When each stage was first known to be where every replica finds it.
    stored: HashMap<(String, usize), Timestamp>,
    /// When a replica ended each run because no complete answer arrived in time: a busy machine delays the model's test server.
    given_up: HashMap<String, Vec<Timestamp>>,
}

/// One request to the model.
#[derive(Debug, Clone, Copy)]
struct Call {
    at: Instant,
    replica: usize,
    stage: usize,
    is_answered: bool,
}

impl Calls {
    pub(super) fn read(cluster: &Cluster, since: (Instant, Timestamp)) -> Self {
        let mut of_run: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        for call in cluster.env.model.requests() {
            let (run, stage) = run_and_stage(&call);
            let authorization = call.header("authorization").unwrap_or_default();
            let replica =
                cluster.replicas.iter().position(|it| authorization.ends_with(&model_key(&it.name)));
            of_run.entry(run).or_default().push(Call {
                at: call.at,
                replica: replica.unwrap_or_else(|| panic!("a request of no replica: {authorization}")),
                stage,
                is_answered: matches!(call.reply, Reply::Answer(Wrapping::None)),
            });
        }
        for calls in of_run.values_mut() {
            calls.sort_by_key(|call| call.at);
        }
        // A bucket is seen by all replicas, a disk by one.
        let mut events = vec!["stage_row_written"];
        if cluster.bucket.is_some() {
            events.push("stage_file_written");
        }
        let (stored, given_up) = (stored(cluster, &events), given_up(cluster));
        Self { since, happened: cluster.happened(), of_run, stored, given_up }
    }

    /// Checks each call for a stage that had been answered before against the contract, which allows the calls
    /// in flight at each kill, stop or partition, and stages that only the disk of a lost owner has. Returns the
    /// number of repeated calls.
    pub(super) fn check_repeats(&self, problems: &mut Vec<String>) -> usize {
        let mut repeats: BTreeMap<String, usize> = BTreeMap::new();
        for (run, calls) in &self.of_run {
            for stage in 1..=Stage::ALL.len() {
                let answered: Vec<&Call> =
                    calls.iter().filter(|call| call.stage == stage && call.is_answered).collect();
                for pair in answered.windows(2) {
                    let asked = self.time(pair[1].at);
                    if let Some(at) = self.stored.get(&(run.clone(), stage))
                        && *at < asked
                        && !self.is_forgotten(*at, pair[1].at)
                    {
                        problems.push(format!(
                            "{run}: stage {stage} was stored at {at} and asked for again at {asked}"
                        ));
                    }
                    let between = self.time(pair[0].at)..asked;
                    if self.given_up.get(run).is_some_and(|times| times.iter().any(|at| between.contains(at)))
                    {
                        *repeats.entry("an answer that came too late".to_owned()).or_default() += 1;
                        continue;
                    }
                    match self.happened.iter().find(|it| self.explains_repeat(it, pair[0], pair[1])) {
                        Some(cause) => *repeats.entry(format!("{:?}", cause.fault)).or_default() += 1,
                        None => problems.push(format!(
                            "{run}: stage {stage} was asked for by replica {} at {} and again by replica {} at \
                             {asked}, and no fault allows that",
                            pair[0].replica,
                            self.time(pair[0].at),
                            pair[1].replica,
                        )),
                    }
                }
            }
        }
        for (fault, count) in &repeats {
            println!("{count} calls repeated after {fault}");
        }
        repeats.values().sum()
    }

    /// The runs that a fault took from one replica while another went on: two disks may differ about these.
    pub(super) fn disputed(&self) -> BTreeSet<&str> {
        let is_disputed = |calls: &[Call]| {
            calls.windows(2).any(|pair| {
                pair[0].replica != pair[1].replica
                    && self.happened.iter().any(|it| meets(it, &pair[0], &pair[1]))
            })
        };
        self.of_run.iter().filter(|(_, calls)| is_disputed(calls)).map(|(run, _)| run.as_str()).collect()
    }

    /// Whether a fault allows that the answer to the first call was lost, or is out of reach.
    fn explains_repeat(&self, it: &Happened, first: &Call, second: &Call) -> bool {
        // A replica that is cut off starts nothing after its lease, unless the operator has switched the database off.
        let last_start = it.began + LEASE + SLACK;
        let is_file_only = |it: &Happened| {
            it.fault == Fault::Flags(Flip::FileOnly) && it.began <= first.at && first.at <= it.ended + SLACK
        };
        meets(it, first, second) && (first.at <= last_start || self.happened.iter().any(is_file_only))
    }

    /// Whether a fault of the database took away what had been stored in it at some time.
    fn is_forgotten(&self, stored: Timestamp, asked: Instant) -> bool {
        self.happened.iter().any(|it| {
            let last = self.time(it.ended + LOG_DELAY);
            match it.fault {
                Fault::RestoreBackup => self.time(it.began) <= stored && stored <= last,
                Fault::RollBackMigration => it.began <= asked && stored <= last,
                _ => false,
            }
        })
    }

    fn time(&self, at: Instant) -> Timestamp {
        time(self.since, at)
    }
}

/// Whether a fault of the first call's replica lies between two calls.
fn meets(it: &Happened, first: &Call, second: &Call) -> bool {
    it.fault.interrupts(first.replica) && it.began <= second.at && first.at <= it.ended
}

fn run_and_stage(call: &Recorded) -> (String, usize) {
    let body = call.body.to_string();
    let run = body.find("soak-").map(|at| body[at..].chars().take(9).collect()).unwrap_or_default();
    let stage = SCHEMAS.iter().position(|schema| *schema == call.schema_name()).unwrap_or_default();
    (run, stage + 1)
}

/// When each stage was first stored, by these events of the logs.
fn stored(cluster: &Cluster, names: &[&str]) -> HashMap<(String, usize), Timestamp> {
    let mut stored: HashMap<(String, usize), Timestamp> = HashMap::new();
    for log in cluster.logs() {
        for line in names.iter().flat_map(|name| events(&log, name)) {
            let at: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
            let stage = usize::try_from(line["stage"].as_u64().unwrap()).unwrap();
            let first = stored.entry((line["run_id"].as_str().unwrap().to_owned(), stage)).or_insert(at);
            *first = at.min(*first);
        }
    }
    stored
}

fn given_up(cluster: &Cluster) -> HashMap<String, Vec<Timestamp>> {
    let mut given_up: HashMap<String, Vec<Timestamp>> = HashMap::new();
    for log in cluster.logs() {
        for line in events(&log, "run_failed").into_iter().filter(|line| line["code"] == "LLM_TIMEOUT") {
            let at: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
            given_up.entry(line["run_id"].as_str().unwrap().to_owned()).or_default().push(at);
        }
    }
    given_up
}

/// No disk keeps what was meant for a while only.
pub(super) fn leftovers(cluster: &Cluster, problems: &mut Vec<String>) {
    if let Some(bucket) = &cluster.bucket {
        let folders = [".open/", ".unsynced/", ".deleting/"].map(|folder| format!("outputs/{folder}"));
        let left = folders.iter().flat_map(|folder| bucket.names(folder));
        problems.extend(left.map(|name| format!("left over in the bucket: {name}")));
    }
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
