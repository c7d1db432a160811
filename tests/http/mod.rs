//! The HTTP API over its router in this process: shapes, refusals, keys, limits.

mod access;
mod health;
mod server;
mod status;
mod submit;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use backend::{
    access::{FailedKeys, KeyRing, QuotaKeeper, SpendMeter},
    audit::Audit,
    brands::BrandFolder,
    config::{AccessConfig, DocumentsConfig, Environment, OriginRule, StoragePlace},
    documents::{
        fetch::{Deadlines, Fetcher},
        isolate::Isolation,
        readers::Readers,
    },
    flags::{FlagControl, FlagSource, Values},
    health::{FileStorage, Health, HealthDeps, Identity},
    http::{FairShare, HttpState, Limits, Streams, router},
    runs::{RunWatchers, Runs, RunsDeps, admission::Admission},
    worker::{Worker, WorkerConfig, WorkerDeps},
};
use foundation::clock::SystemClock;
use pipeline::{
    analyst::extractive::ExtractiveAnalyst,
    clock::{Clock, Timestamp},
    engine::Engine,
    failure::RunFailure,
    record::StageRecord,
    run::{RunId, Stage},
};
use serde_json::{Value, json};
use storage::{
    Acceptance, Claim, ClockSkew, Control, End, Fence, Lease, Lifecycle, Listing, Postponement, QueueStats,
    Replica, ReplicaRegistry, RunPage, RunQueries, RunRecord, RunSubmission, Stages, StorageError,
    StorageErrorKind, StoredIn, TombstoneOutcome, Tombstones, WaitReason,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    control_plane::Principal,
    files::FileStore,
    mode::Flags,
    router::{Database, ReadLimiter, ReplicaPresence, Router as StorageRouter, RouterConfig},
};
use tokio::sync::watch;
use tower::ServiceExt;

/// How the service of a test differs from the plainest one: files only, no keys, a developer's machine.
struct Setup {
    environment: Environment,
    access: AccessConfig,
    limits: Limits,
    flags: (bool, bool),
    database: Option<Arc<FakeDatabase>>,
    registry: bool,
    queued_runs_max: usize,
    has_volume: bool,
    requests_per_address_max: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            environment: Environment::Development,
            access: AccessConfig::default(),
            limits: Limits::default(),
            flags: (false, true),
            database: None,
            registry: false,
            queued_runs_max: 1_000,
            has_volume: false,
            requests_per_address_max: 1_024,
        }
    }
}

impl Setup {
    /// With a database under both flags.
    fn dual_write(database: &Arc<FakeDatabase>) -> Self {
        Self { flags: (true, true), database: Some(database.clone()), registry: true, ..Self::default() }
    }

    fn with_keys(keys: &[&str]) -> Self {
        let api_keys = keys.iter().map(|key| (*key).into()).collect();
        Self { access: AccessConfig { api_keys, ..AccessConfig::default() }, ..Self::default() }
    }

    fn with_origins(origins: &[&str]) -> Self {
        let allowed_origins = origins.iter().map(|origin| OriginRule::parse(origin).unwrap()).collect();
        Self { access: AccessConfig { allowed_origins, ..AccessConfig::default() }, ..Self::default() }
    }
}

/// The service of a test. Nobody works on its runs: what is accepted stays as it is.
struct Service {
    folder: tempfile::TempDir,
    router: Router,
    files: FileStore,
    storage: Arc<StorageRouter>,
    worker: Worker,
    flags: watch::Sender<Flags>,
}

impl Service {
    fn new() -> Self {
        Self::with(Setup::default())
    }

    fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let files = FileStore::new(folder.path().join("runs"), clock.clone());
        let (database_writes, file_fallback) = setup.flags;
        let (flags, watched) = watch::channel(Flags { database_writes, file_fallback, revision: 1 });
        let database = setup.database.clone().map(|store| Database {
            store,
            breaker: Arc::new(Breaker::new(BreakerConfig::default(), clock.clone())),
            bulkhead: Arc::new(Bulkhead::new(4, Duration::from_secs(2))),
            read_limiter: Arc::new(ReadLimiter::new(4, Duration::from_secs(1))),
        });
        let config = RouterConfig {
            retry_deadline: Duration::ZERO,
            presence: Arc::new(ReplicaPresence::new(Some(true))),
        };
        let storage = Arc::new(StorageRouter::new(files.clone(), database, watched, config, clock.clone()));
        let brands = BrandFolder::new(&crate::support::root());
        let documents = DocumentsConfig {
            allowed_hosts: vec!["*.public.blob.vercel-storage.com".into()],
            allow_private_network: false,
            extra_ca_file: None,
            bytes_max: 1_000_000,
            retry_for: Duration::ZERO,
            token: None,
            token_hosts: Vec::new(),
        };
        let fetcher = Fetcher::new(documents, Deadlines::default()).unwrap();
        let engine = Engine {
            analyst: Arc::new(ExtractiveAnalyst::new()),
            clock: clock.clone(),
            cost_limit_usd: None,
        };
        let isolation =
            Isolation { program: Some(env!("CARGO_BIN_EXE_innovation").into()), ..Isolation::default() };
        let readers = Readers::new(isolation, clock.clone());
        let spend = SpendMeter::new(clock.clone());
        let flag_source = FlagSource::new(Values::new(), None, None, false, &clock);
        let tools = WorkerDeps {
            sample_engine: Engine {
                analyst: Arc::new(ExtractiveAnalyst::new()),
                clock: clock.clone(),
                cost_limit_usd: None,
            },
            engine,
            fetcher: fetcher.clone(),
            readers: readers.clone(),
            brands: brands.clone(),
            clock: clock.clone(),
            gate: None,
            spend: spend.clone(),
            flags: flag_source.clone(),
        };
        let lease = Lease { owner: "here".to_owned(), duration: Duration::from_secs(15) };
        let config = WorkerConfig {
            lease,
            concurrent_runs_max: 0,
            run_deadline: Duration::from_secs(60),
            stall_after: Duration::from_secs(60),
            outage_deadline: Duration::from_secs(60),
        };
        let worker = Worker::new(storage.clone(), tools, config);
        let queue_stats =
            setup.database.clone().filter(|_| setup.registry).map(|it| it as Arc<dyn QueueStats>);
        let health = Health::new(HealthDeps {
            identity: Identity {
                version: "1.2.3",
                git_sha: "abc123".to_owned(),
                environment: setup.environment,
                replica: "here".to_owned(),
            },
            router: storage.clone(),
            worker: worker.clone(),
            clock: clock.clone(),
            file_storage: FileStorage::of(
                setup.environment,
                &StoragePlace::Folder(folder.path().join("runs")),
                setup.has_volume.then(|| folder.path()),
            ),
            flags: None,
            reconciler: None,
            registry: setup
                .database
                .clone()
                .filter(|_| setup.registry)
                .map(|it| it as Arc<dyn ReplicaRegistry>),
            queue_stats: queue_stats.clone(),
            model: None,
            readers,
        });
        let audit = Audit::new(storage.clone(), None, clock.clone(), None, Duration::from_secs(60));
        let queue = Admission::new(
            storage.clone(),
            worker.clone(),
            queue_stats,
            clock.clone(),
            setup.queued_runs_max,
        );
        let runs = Arc::new(Runs::new(RunsDeps {
            router: storage.clone(),
            worker: worker.clone(),
            queue,
            fetcher,
            brands: brands.clone(),
            audit: audit.clone(),
            flags: flag_source.clone(),
            clock: clock.clone(),
        }));
        let flag_control = FlagControl {
            source: flag_source,
            store: None,
            files: files.clone(),
            presence: Arc::new(ReplicaPresence::new(Some(true))),
            is_ephemeral: false,
            clock: clock.clone(),
            secret: None,
            changed: Arc::default(),
            replica: Some("here".to_owned()),
            deployment: None,
        };
        let state = HttpState {
            serves_runs: true,
            watchers: Arc::new(RunWatchers::new(runs.clone(), storage.clone(), None)),
            streams: Streams::new(setup.access.event_streams_per_client_max, 2_048),
            fair_share: FairShare::new(setup.requests_per_address_max, setup.access.trusted_proxy_hops),
            runs,
            health: Arc::new(health),
            brands,
            flags: Arc::new(flag_control),
            keys: Arc::new(KeyRing::new(&setup.access, clock.clone())),
            failed_keys: FailedKeys::new(clock.clone()),
            key_admin: None,
            quotas: QuotaKeeper::new(None, storage.clone(), spend, clock.clone()),
            audit,
            access: Arc::new(setup.access),
            limits: setup.limits,
        };
        Self { folder, router: router(state), files, storage, worker, flags }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, body: impl Into<Body>) -> Answer {
        let request = Request::post("/run").header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn run(&self, body: &Value) -> Answer {
        self.post(body.to_string()).await
    }

    /// Makes every further write to files fail, also for root: the folder becomes a file.
    fn break_files(&self) {
        let root = self.folder.path().join("runs");
        let _ = std::fs::remove_dir_all(&root);
        std::fs::write(&root, "not a folder").unwrap();
    }
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that this is a complete problem with these, and returns its sentence.
    #[track_caller]
    fn problem(&self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["title"], self.status.canonical_reason().unwrap());
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"));
        assert_eq!(body["detail"], body["error"], "the frontend reads `error`");
        assert!(body["instance"].as_str().unwrap().starts_with('/'));
        assert_eq!(self.header("retry-after").is_some(), matches!(status, 429 | 503), "{:?}", self.headers);
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A request that is accepted.
fn request(run_id: &str) -> Value {
    json!({
        "run_id": run_id,
        "blob_url": "https://store.public.blob.vercel-storage.com/report.pdf",
        "brand_id": "decathlon",
    })
}

/// How the database of a test behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Works,
    Fails(StorageErrorKind),
    /// It answers when the test is over.
    Hangs,
    Panics,
}

/// A database that answers probes and refuses runs as it is told to.
#[derive(Debug)]
struct FakeDatabase {
    behaviour: Mutex<Behaviour>,
    probes: AtomicUsize,
    conflicts: AtomicUsize,
    skew: Mutex<Option<ClockSkew>>,
}

impl FakeDatabase {
    fn new(behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self {
            behaviour: Mutex::new(behaviour),
            probes: AtomicUsize::new(0),
            conflicts: AtomicUsize::new(0),
            skew: Mutex::default(),
        })
    }

    fn probes(&self) -> usize {
        self.probes.load(Ordering::SeqCst)
    }

    async fn answer(&self) -> Result<(), StorageError> {
        let behaviour = *self.behaviour.lock().unwrap();
        match behaviour {
            Behaviour::Works => Ok(()),
            Behaviour::Fails(kind) => Err(StorageError::new(kind, "connect to db.internal: refused")),
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Panics => panic!("a defect, on purpose, in /srv/secret"),
        }
    }
}

#[async_trait]
impl Lifecycle for FakeDatabase {
    async fn accept(&self, _: &RunSubmission, _: Option<&Lease>) -> Result<Acceptance, StorageError> {
        self.answer().await.map(|()| Acceptance::New(None))
    }

    async fn adopt(&self, _: &RunSubmission, _: &Fence) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn claim(&self, _: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        self.answer().await.map(|()| Vec::new())
    }

    async fn renew(&self, _: &Lease, _: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        self.answer().await.map(|()| Vec::new())
    }

    async fn lost_leases(&self, _: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        self.answer().await.map(|()| Vec::new())
    }

    async fn release(&self, _: &Fence) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn put_back(&self, _: &Fence, _: &Postponement) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn count_attempt(&self, _: &Fence) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn finish(&self, _: &Fence, _: End<'_>, _: Timestamp) -> Result<(), StorageError> {
        self.answer().await
    }

    fn clock_skew(&self) -> Option<ClockSkew> {
        *self.skew.lock().unwrap()
    }

    async fn probe(&self) -> Result<(), StorageError> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        self.answer().await
    }
}

#[async_trait]
impl Stages for FakeDatabase {
    async fn store_stage(&self, _: &Fence, _: &StageRecord) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn mark_unsynced(&self, _: &Fence, _: &[Stage]) -> Result<(), StorageError> {
        self.answer().await
    }
}

#[async_trait]
impl RunQueries for FakeDatabase {
    async fn load(&self, _: &RunId) -> Result<Option<RunRecord>, StorageError> {
        self.answer().await.map(|()| None)
    }

    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        self.answer().await.map(|()| RunPage::of(Vec::new(), listing, StoredIn::DATABASE))
    }
}

#[async_trait]
impl Control for FakeDatabase {
    async fn retry(&self, _: &RunId, _: i32) -> Result<Option<i32>, StorageError> {
        self.answer().await.map(|()| None)
    }

    async fn cancel(&self, _: &RunId, _: &RunFailure, _: Timestamp) -> Result<bool, StorageError> {
        self.answer().await.map(|()| false)
    }
}

#[async_trait]
impl Tombstones for FakeDatabase {
    async fn create_tombstone(&self, _: &RunId, _: &Principal) -> Result<TombstoneOutcome, StorageError> {
        self.answer().await.map(|()| TombstoneOutcome::Done { had_run: false })
    }

    async fn deleted_owner(&self, _: &RunId) -> Result<Option<Principal>, StorageError> {
        self.answer().await.map(|()| None)
    }

    async fn remove(&self, _: &RunId) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        self.answer().await.map(|()| Vec::new())
    }
}

#[async_trait]
impl ReplicaRegistry for FakeDatabase {
    async fn replicas(&self) -> Result<Vec<Replica>, StorageError> {
        let replica = |id: &str| Replica {
            id: id.to_owned(),
            role: "all".to_owned(),
            version: "1.2.3".to_owned(),
            git_sha: None,
            flags: "1".to_owned(),
            runs_in_flight: 2,
            is_draining: false,
            silent_seconds: 0,
        };
        self.answer().await.map(|()| vec![replica("here"), replica("there")])
    }

    async fn heartbeat(&self, _: &Replica) -> Result<Vec<String>, StorageError> {
        self.answer().await.map(|()| vec!["there".to_owned()])
    }

    async fn leave(&self, _: &str) -> Result<(), StorageError> {
        self.answer().await
    }
}

#[async_trait]
impl QueueStats for FakeDatabase {
    async fn queue_depth(&self, _: usize) -> Result<usize, StorageError> {
        self.answer().await.map(|()| 7)
    }

    async fn waiting(&self, _: usize) -> Result<BTreeMap<WaitReason, usize>, StorageError> {
        self.answer().await.map(|()| BTreeMap::from([(WaitReason::LlmRateLimit, 3)]))
    }

    async fn conflicts(&self, _: usize) -> Result<usize, StorageError> {
        self.answer().await.map(|()| self.conflicts.load(Ordering::Relaxed))
    }
}
