//! The cache of this process.

use std::sync::Arc;

use pipeline::{
    clock::{Clock, Timestamp},
    run::RunId,
};
use storage::{
    control_plane::{AnswerStore, Principal},
    router::Router,
};
use tokio_util::task::TaskTracker;

use super::{
    flights::Flights, inner::Inner, renewals::Renewals, run::RunAnswers, settings::AnswerCacheSettings,
    shared::Shared, waits::Waits,
};
use crate::flags::{FlagSource, definitions::ANSWER_CACHE};

/// The stores, flags and clock of the cache.
#[derive(Debug)]
pub struct AnswerCacheDeps {
    /// None without a database.
    pub store: Option<Arc<dyn AnswerStore>>,
    pub router: Arc<Router>,
    pub flags: FlagSource,
    pub clock: Arc<dyn Clock>,
}

/// The cache of this process. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct AnswerCacheService {
    inner: Arc<Inner>,
    flags: FlagSource,
}

impl AnswerCacheService {
    #[must_use]
    pub fn new(settings: AnswerCacheSettings, deps: AnswerCacheDeps) -> Self {
        let AnswerCacheDeps { store, router, flags, clock } = deps;
        let shared = Shared { store, router };
        Self {
            inner: Arc::new(Inner {
                flights: Flights::default(),
                waits: Waits::default(),
                renewals: Renewals::default(),
                shared,
                settings,
                clock,
            }),
            flags,
        }
    }

    /// Since when a run of this process waits for another run's answer. None if it does not.
    #[must_use]
    pub fn waits_since(&self, run: &RunId) -> Option<Timestamp> {
        self.inner.waits.since(run)
    }

    /// The answers that a run may use. None if the cache is off for it.
    #[must_use]
    pub fn of_run(&self, run: &RunId, principal: &Principal) -> Option<RunAnswers> {
        let is_on = self.inner.settings.is_on && self.flags.is_on_for(&ANSWER_CACHE, run.as_str());
        is_on.then(|| RunAnswers {
            inner: self.inner.clone(),
            run: run.clone(),
            principal: principal.clone(),
            keeping: TaskTracker::new(),
        })
    }
}
