//! Carries a schedule out: on the real PostgreSQL, the real network (a proxy a replica), the real processes.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use tokio::sync::Mutex as AsyncMutex;

use super::schedule::{Event, Fault, Flip, Misbehaviour, REPLICAS};
use crate::support::{
    assert_ok,
    openrouter::{Reply, Wrapping},
    postgres::{Postgres, Stop},
    proxy::Proxy,
    s3::S3,
    service::{Service, TestEnv},
};

/// A full disk still takes so much of a file: locks and marks, and no record.
const FULL_DISK_BYTES: u64 = 1024;

/// A fault that was done, and when it really was.
#[derive(Debug, Clone)]
pub(super) struct Happened {
    pub(super) fault: Fault,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

/// The migration that is rolled back: it has the columns of the stage outputs.
const STAGE_OUTPUTS: &str = "20251029043929_add_stage_outputs_and_report";

/// More than the runs of a soak can ask for in one outage of the model.
const OUTAGE_REPLIES: usize = 100_000;

/// Where the replicas keep their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// On a disk each, as containers have.
    OwnDisks,
    /// In one bucket.
    Bucket,
}

/// One replica: its process, its networks, its disk.
pub(super) struct Replica {
    pub(super) name: String,
    pub(super) base: PathBuf,
    proxy: AsyncMutex<Proxy>,
    /// Between the replica and the bucket, if there is one.
    bucket: Option<AsyncMutex<Proxy>>,
    service: AsyncMutex<Option<Service>>,
    /// 0 while it is down.
    port: AtomicU16,
}

/// Everything that faults are done to.
pub(super) struct Cluster {
    pub(super) env: TestEnv,
    pub(super) database_url: String,
    pub(super) replicas: Vec<Replica>,
    pub(super) bucket: Option<S3>,
    postgres: Arc<Mutex<Postgres>>,
    flags: PathBuf,
    happened: Mutex<Vec<Happened>>,
}

impl Cluster {
    pub(super) async fn start(mut env: TestEnv, files: Files) -> Self {
        let database_url = env.database_url();
        let postgres = env.postgres.take().unwrap();
        let address = url::Url::parse(&database_url).unwrap();
        let address = format!("127.0.0.1:{}", address.port().unwrap()).parse().unwrap();
        let flags = env.folder.path().join("flags");
        let bucket = (files == Files::Bucket).then(S3::start);
        let mut replicas = Vec::new();
        for number in 0..REPLICAS {
            let name = format!("replica-{number}");
            replicas.push(Replica {
                base: env.folder.path().join(&name),
                name,
                proxy: AsyncMutex::new(Proxy::start(address).await),
                bucket: match &bucket {
                    Some(bucket) => Some(AsyncMutex::new(Proxy::start(bucket.address).await)),
                    None => None,
                },
                service: AsyncMutex::default(),
                port: AtomicU16::new(0),
            });
        }
        let cluster = Self {
            env,
            database_url,
            replicas,
            bucket,
            postgres: Arc::new(Mutex::new(postgres)),
            flags,
            happened: Mutex::default(),
        };
        cluster.flip(None);
        for replica in &cluster.replicas {
            cluster.start_replica(replica).await;
        }
        cluster
    }

    /// The ports of the replicas that are up.
    pub(super) fn ports(&self) -> Vec<u16> {
        let ports = self.replicas.iter().map(|replica| replica.port.load(Ordering::SeqCst));
        ports.filter(|port| *port != 0).collect()
    }

    pub(super) fn happened(&self) -> Vec<Happened> {
        self.happened.lock().unwrap().clone()
    }

    /// Carries the schedule out; each lane on its own, so that a slow restart delays no one else's fault.
    pub(super) async fn suffer(&self, events: &[Event]) {
        let start = tokio::time::Instant::now();
        let mut lanes: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
        for event in events {
            lanes.entry(event.fault.lane()).or_default().push(event);
        }
        join_all(lanes.into_values().map(|events| async move {
            for event in events {
                // The schedule is the subject: each fault has its time.
                tokio::time::sleep_until(start + event.at).await;
                let began = Instant::now();
                self.begin(event.fault).await;
                tokio::time::sleep_until(start + event.until()).await;
                self.end(event.fault).await;
                let ended = Instant::now();
                self.happened.lock().unwrap().push(Happened { fault: event.fault, began, ended });
            }
        }))
        .await;
    }

    async fn begin(&self, fault: Fault) {
        match fault {
            Fault::StopPostgres => self.stop_postgres(Stop::Fast).await,
            Fault::KillPostgres => self.stop_postgres(Stop::Kill).await,
            Fault::Partition(cut) => {
                for replica in self.cut_off(cut) {
                    replica.proxy.lock().await.swallow();
                }
            }
            Fault::Kill(replica) => {
                let replica = &self.replicas[replica];
                replica.port.store(0, Ordering::SeqCst);
                let mut service = replica.service.lock().await.take().unwrap();
                tokio::task::block_in_place(|| service.kill());
            }
            Fault::Pause(replica) => self.signal(replica, "STOP").await,
            Fault::RestoreBackup => self.at_rest(Postgres::keep_backup).await,
            Fault::RollBackMigration => {
                self.migrate(&["rollback", STAGE_OUTPUTS, "--method", "drop", "--confirm", "postgres"]).await;
            }
            Fault::LoseFiles(replica) => match &self.replicas[replica].bucket {
                Some(bucket) => bucket.lock().await.swallow(),
                None => self.limit_files(replica, Some(FULL_DISK_BYTES)).await,
            },
            Fault::Model(misbehaviour, times) => {
                self.env.model.script(std::iter::repeat_n(reply(misbehaviour), times));
            }
            Fault::ModelOutage(misbehaviour) => {
                self.env.model.script(std::iter::repeat_n(reply(misbehaviour), OUTAGE_REPLIES));
            }
            Fault::Flags(flip) => self.flip(Some(flip)),
        }
    }

    async fn end(&self, fault: Fault) {
        match fault {
            Fault::StopPostgres | Fault::KillPostgres => {
                self.on_postgres(Postgres::start_again).await;
            }
            Fault::Partition(cut) => {
                for replica in self.cut_off(cut) {
                    replica.proxy.lock().await.mend().await;
                }
            }
            Fault::Kill(replica) => self.start_replica(&self.replicas[replica]).await,
            Fault::Pause(replica) => self.signal(replica, "CONT").await,
            Fault::RestoreBackup => self.at_rest(Postgres::restore_backup).await,
            Fault::RollBackMigration => self.migrate(&["deploy"]).await,
            Fault::LoseFiles(replica) => match &self.replicas[replica].bucket {
                Some(bucket) => bucket.lock().await.mend().await,
                None => self.limit_files(replica, None).await,
            },
            Fault::Model(..) => {}
            Fault::ModelOutage(_) => self.env.model.clear_script(),
            Fault::Flags(_) => self.flip(None),
        }
    }

    fn cut_off(&self, cut: [bool; REPLICAS]) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().zip(cut).filter(|(_, is_cut_off)| *is_cut_off).map(|(replica, _)| replica)
    }

    async fn stop_postgres(&self, how: Stop) {
        self.on_postgres(move |postgres| postgres.stop(how)).await;
    }

    /// `innovation migrate …`, past the proxies, as an operator does from a machine of their own.
    async fn migrate(&self, arguments: &[&str]) {
        let mut command = crate::support::innovation(&["migrate"]);
        command.args(arguments).env("DATABASE_URL", &self.database_url);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_ok(&output);
    }

    /// Does something to the files of the stopped server.
    async fn at_rest(&self, act: fn(&Postgres)) {
        self.on_postgres(move |postgres| {
            postgres.stop(Stop::Fast);
            act(postgres);
            postgres.start_again();
        })
        .await;
    }

    /// On a thread of its own: all lanes are one task, and a server that takes long must not hold up the others.
    async fn on_postgres(&self, act: impl FnOnce(&mut Postgres) + Send + 'static) {
        let postgres = self.postgres.clone();
        tokio::task::spawn_blocking(move || act(&mut postgres.lock().unwrap())).await.unwrap();
    }

    async fn start_replica(&self, replica: &Replica) {
        let url = replica.proxy.lock().await.url(&self.database_url);
        let key = model_key(&replica.name);
        let mut environment = vec![
            ("DATABASE_URL", url),
            ("FLAGS_FILE", self.flags.to_str().unwrap().to_owned()),
            ("LLM_TIMEOUT_SECONDS", "10".to_owned()),
            ("DRAIN_SECONDS", "5".to_owned()),
            // The verdict knows by it which replica asked.
            ("OPENROUTER_API_KEY", key),
        ];
        if let Some(bucket) = &replica.bucket {
            let server = self.bucket.as_ref().unwrap().url();
            environment.extend(S3::environment(&bucket.lock().await.url(&server)));
        }
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let service = self
            .env
            .replica_with(&replica.name, &environment, |command| {
                // The signal that goes with the limit on files is ignored, so that the write fails; and the log goes by
                // a pipe, or it would be full too.
                let mut shell = std::process::Command::new("bash");
                shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
                shell
                    .args(["-c", "trap '' XFSZ; exec \"$@\" > >(exec /bin/cat) 2>&1", "bash"])
                    .arg(command.get_program())
                    .args(command.get_args());
                *command = shell;
            })
            .await;
        replica.port.store(service.port, Ordering::SeqCst);
        *replica.service.lock().await = Some(service);
    }

    async fn signal(&self, replica: usize, name: &str) {
        if let Some(service) = &*self.replicas[replica].service.lock().await {
            service.signal(name);
        }
    }

    /// The process's limit on the size of a file. One that was killed meanwhile has none, nor has its successor.
    async fn limit_files(&self, replica: usize, bytes: Option<u64>) {
        if let Some(service) = &*self.replicas[replica].service.lock().await {
            let process = Pid::from_raw(i32::try_from(service.id()).unwrap());
            let limit = Rlimit { current: bytes, maximum: None };
            prlimit(process, Resource::Fsize, limit).unwrap();
        }
    }

    /// Replaces the flags by rename, as an operator does; a torn file is what comes of not doing so.
    fn flip(&self, flip: Option<Flip>) {
        let text = match flip {
            None => "ENABLE_DATABASE_WRITES=true\nENABLE_FILE_FALLBACK=true\n",
            Some(Flip::FileOnly) => "ENABLE_DATABASE_WRITES=false\nENABLE_FILE_FALLBACK=true\n",
            Some(Flip::DatabaseOnly) => "ENABLE_DATABASE_WRITES=true\nENABLE_FILE_FALLBACK=false\n",
            Some(Flip::Invalid) => "ENABLE_DATABASE_WRITES=false\nENABLE_FILE_FALLBACK=false\n",
            Some(Flip::Torn) => "ENABLE_DATABASE_WRITES=false\nENABLE_FI",
        };
        let next = self.flags.with_extension("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(&next, &self.flags).unwrap();
    }

    /// Whether an older backup was restored: rows from after it are gone until an operator brings them back.
    pub(super) fn has_restored_backup(&self) -> bool {
        self.happened().iter().any(|it| it.fault == Fault::RestoreBackup)
    }

    /// The runs of which some files say that they are open, or that the database lacks something.
    pub(super) fn marked_runs(&self) -> Vec<String> {
        const FOLDERS: [&str; 2] = [".open", ".unsynced"];
        if let Some(bucket) = &self.bucket {
            return FOLDERS.iter().flat_map(|folder| bucket.names(&format!("outputs/{folder}/"))).collect();
        }
        let folders = self
            .replicas
            .iter()
            .flat_map(|replica| FOLDERS.map(|folder| replica.base.join("data/test-outputs").join(folder)));
        let marks = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
        marks.map(|mark| mark.unwrap().path().display().to_string()).collect()
    }

    /// Whether any files know the run.
    pub(super) fn has_manifest(&self, run: &str) -> bool {
        match &self.bucket {
            Some(bucket) => bucket.object(&format!("outputs/{run}/run.json")).is_some(),
            None => {
                let file =
                    |replica: &Replica| replica.base.join("data/test-outputs").join(run).join("run.json");
                self.replicas.iter().any(|replica| file(replica).exists())
            }
        }
    }

    /// The replicas whose files are to be compared: one of those that share a bucket is enough.
    pub(super) fn file_stores(&self) -> &[Replica] {
        if self.bucket.is_some() { &self.replicas[..1] } else { &self.replicas }
    }

    /// Stops all replicas as a deploy would.
    pub(super) async fn drain(&self) -> Vec<Option<i32>> {
        let mut codes = Vec::new();
        for replica in &self.replicas {
            let mut service = replica.service.lock().await.take().unwrap();
            service.signal("TERM");
            codes.push(service.wait().await);
        }
        codes
    }

    /// `innovation reconcile …` on one replica's disk: exit code, and what it printed.
    pub(super) fn reconcile(&self, replica: &Replica, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let output = crate::support::innovation(&["reconcile"])
            .args(arguments)
            .env("APP_BASE_DIR", &replica.base)
            .env("DATABASE_URL", &self.database_url)
            .envs(self.bucket.iter().flat_map(|bucket| S3::environment(&bucket.url())))
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line)));
        (output.status.code(), lines.collect())
    }

    /// All that the replicas have logged, of each process of each.
    pub(super) fn logs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.env.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
    }
}

/// The key that a replica has for the model.
pub(super) fn model_key(replica: &str) -> String {
    format!("sk-or-v1-{replica}")
}

fn reply(misbehaviour: Misbehaviour) -> Reply {
    let error = |code: u16| json!({"error": {"code": code, "message": "the soak says no"}});
    match misbehaviour {
        Misbehaviour::RateLimit => {
            Reply::Status { status: 429, headers: vec![("Retry-After", "1".to_owned())], body: error(429) }
        }
        Misbehaviour::ServerError => Reply::Status { status: 500, headers: Vec::new(), body: error(500) },
        Misbehaviour::Reset => Reply::ResetMidBody,
        Misbehaviour::Hang => Reply::HangMidBody,
        Misbehaviour::Garbage => Reply::Content("I am sorry, I was thinking of something else.".to_owned()),
        Misbehaviour::Truncated => Reply::Answer(Wrapping::TruncatedContent),
    }
}

/// How long everything may take to settle after the last fault: an open breaker of the model's (30 s), leases, deferred
/// reconciliation, and the half minute between two looks for what ended elsewhere.
pub(super) const SETTLE: Duration = Duration::from_secs(120);
