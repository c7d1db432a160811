//! The HTTP API over its router in this process: shapes, refusals, keys, limits.

mod access;
mod fake_database;
mod health;
mod server;
mod status;
mod submit;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use backend::{
    access::{FailedKeys, KeyRing, QuotaKeeper, Sessions, SpendMeter},
    alerts::{admin::AlertAdmin, channels::Channels},
    answer_cache::{AnswerAdmin, AnswerCacheDeps, AnswerCacheService, AnswerCacheSettings},
    audit::Audit,
    brands::BrandFolder,
    config::{
        AccessConfig, Config, DocumentsConfig, Environment, OriginRule, Purpose, RailwayPlan, StoragePlace,
    },
    deployments::{
        DeploymentAdmin, DeploymentLog, DeploymentRollback, RailwayError, deployment_of, scope_of,
    },
    documents::{
        fetch::{Deadlines, Fetcher},
        isolate::Isolation,
        readers::Readers,
    },
    flags::{FlagControl, FlagSource, Values},
    health::{FileStorage, Health, HealthDeps, Identity},
    http::{FairShare, HttpState, Limits, Streams, router},
    reconciliation::ReconcileDesk,
    runs::{RunFinder, RunWatchers, Runs, RunsDeps, admission::Admission, bulk::BulkAdmin},
    worker::{Downloads, Worker, WorkerConfig, WorkerDeps},
};
use foundation::clock::SystemClock;
use pipeline::{analyst::extractive::ExtractiveAnalyst, clock::Clock, engine::Engine};
use serde_json::{Value, json};
use storage::{
    Lease, QueueStats, ReplicaRegistry,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    files::FileStore,
    mode::{Flags, Mode},
    router::{Database, ReadLimiter, ReplicaPresence, Router as StorageRouter, RouterConfig},
};
use tokio::sync::watch;
use tower::ServiceExt;

use self::fake_database::{Behaviour, FakeDatabase};

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
        let (flags, watched) =
            watch::channel(Flags { database_writes, file_fallback, ..Flags::of_mode(Mode::DualWrite, 1) });
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
        let engine = Engine::new(Arc::new(ExtractiveAnalyst::new()), clock.clone(), None);
        let isolation =
            Isolation { program: Some(env!("CARGO_BIN_EXE_innovation").into()), ..Isolation::default() };
        let readers = Readers::new(isolation, clock.clone());
        let spend = SpendMeter::new(clock.clone());
        let flag_source = FlagSource::new(Values::new(), None, None, false, &clock);
        let day = Duration::from_secs(86_400);
        let settings = AnswerCacheSettings {
            is_on: false,
            keep: day,
            lease: Duration::from_secs(15),
            wait_max: Duration::from_secs(60),
        };
        let answers = AnswerCacheDeps {
            store: None,
            router: storage.clone(),
            flags: flag_source.clone(),
            clock: clock.clone(),
        };
        let tools = WorkerDeps {
            answers: AnswerCacheService::new(settings, answers),
            sample_engine: engine.clone(),
            engine,
            fetcher: fetcher.clone(),
            downloads: Downloads::default(),
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
            answers: AnswerAdmin { store: None, router: storage.clone(), audit: audit.clone(), keep: day },
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
        let config = Config::from_variables([].into(), Purpose::Command).unwrap();
        let log = DeploymentLog {
            store: None,
            router: storage.clone(),
            clock: clock.clone(),
            scope: scope_of(&config),
        };
        let deployments = DeploymentAdmin {
            rollback: DeploymentRollback {
                log: log.clone(),
                railway: Err(RailwayError::NoToken),
                plan: RailwayPlan::Free,
                audit: audit.clone(),
                clock: clock.clone(),
            },
            log,
            flags: flag_control.source.clone(),
            audit: audit.clone(),
            own: deployment_of(&config, &clock),
        };
        let settings = Arc::new(config.alerts);
        let alerts = AlertAdmin {
            board: Default::default(),
            store: None,
            router: storage.clone(),
            audit: audit.clone(),
            clock: clock.clone(),
            channels: Arc::new(Channels::new(settings.clone(), None).unwrap()),
            settings,
            objectives: None,
        };
        let keys = Arc::new(KeyRing::new(&setup.access, clock.clone()));
        let state = HttpState {
            deployments: Arc::new(deployments),
            alerts: Arc::new(alerts),
            operations: BulkAdmin {
                store: None,
                router: storage.clone(),
                audit: audit.clone(),
                clock: clock.clone(),
                started: Arc::default(),
            },
            reconciliation: ReconcileDesk { reconciler: None, audit: audit.clone() },
            webhooks: None,
            serves_runs: true,
            watchers: Arc::new(RunWatchers::new(runs.clone(), storage.clone(), None)),
            finder: Arc::new(RunFinder::new(runs.clone(), storage.clone(), None)),
            streams: Streams::new(setup.access.event_streams_per_client_max, 2_048),
            fair_share: FairShare::new(setup.requests_per_address_max, setup.access.trusted_proxy_hops),
            runs,
            health: Arc::new(health),
            brands,
            flags: Arc::new(flag_control),
            sessions: Arc::new(Sessions::new(keys.clone(), &setup.access, clock.clone())),
            keys,
            failed_keys: FailedKeys::new(clock.clone()),
            key_admin: None,
            quotas: QuotaKeeper::new(None, storage.clone(), spend, clock.clone()),
            audit,
            access: Arc::new(setup.access),
            limits: setup.limits,
        };
        Self { folder, router: router(state, axum::Router::new()), files, storage, worker, flags }
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
