//! The use cases and the services that they need.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use pipeline::{clock::Clock, run::RunId};
use tokio::sync::Semaphore;

use super::{admission::Admission, keyless::Keyless};
use crate::{
    answer_cache::AnswerAdmin,
    audit::Audit,
    brands::BrandFolder,
    documents::{fetch::Fetcher, isolate::Isolation, pictures::Pictures},
    flags::FlagSource,
    worker::Worker,
};
use storage::router::Router;

/// How many documents are sent at once, each of at most 25 MiB in memory.
const DOCUMENTS_SENT_MAX: usize = 4;

/// The parts that the use cases need.
#[derive(Debug)]
pub struct RunsDeps {
    pub router: Arc<Router>,
    pub worker: Worker,
    pub queue: Admission,
    pub fetcher: Fetcher,
    pub brands: BrandFolder,
    pub audit: Audit,
    /// Cached answers.
    pub answers: AnswerAdmin,
    /// Operators pause acceptance by a flag.
    pub flags: FlagSource,
    pub clock: Arc<dyn Clock>,
}

/// Held by one request per run id at a time. Its value is the generation that the latest retry made, for the callers
/// that wait.
pub(super) type RunLock = tokio::sync::Mutex<Option<i32>>;

/// The use cases.
#[derive(Debug)]
pub struct Runs {
    pub(super) router: Arc<Router>,
    pub(super) worker: Worker,
    pub(super) queue: Admission,
    pub(super) fetcher: Fetcher,
    pub(super) brands: BrandFolder,
    pub(super) audit: Audit,
    pub(super) answers: AnswerAdmin,
    pub(super) flags: FlagSource,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) accepting: Mutex<HashMap<RunId, Weak<RunLock>>>,
    pub(super) keyless: Keyless,
    pub(super) pictures: Pictures,
    /// The documents on their way to clients.
    pub(super) sending: Arc<Semaphore>,
}

impl Runs {
    #[must_use]
    pub fn new(deps: RunsDeps) -> Self {
        let RunsDeps { router, worker, queue, fetcher, brands, audit, answers, flags, clock } = deps;
        Self {
            router,
            worker,
            queue,
            fetcher,
            brands,
            audit,
            answers,
            flags,
            clock,
            accepting: Mutex::default(),
            keyless: Keyless::default(),
            pictures: Pictures::new(Isolation::default()),
            sending: Arc::new(Semaphore::new(DOCUMENTS_SENT_MAX)),
        }
    }

    /// The lock for concurrent requests with the same id.
    pub(super) fn run_lock(&self, run_id: &RunId) -> Arc<RunLock> {
        let mut accepting = self.accepting.lock();
        if let Some(lock) = accepting.get(run_id).and_then(Weak::upgrade) {
            return lock;
        }
        // Remove unused locks: the map holds only ids with requests under way.
        accepting.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(RunLock::default());
        accepting.insert(run_id.clone(), Arc::downgrade(&lock));
        lock
    }
}
