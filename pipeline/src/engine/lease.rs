//! The lease of a run during one stage.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{analyst::RunLease, failure::RunFailure, llm::Usage, run::Stage, store::RunStore};

/// Waits until the lease is sure.
pub(super) async fn wait(
    store: &dyn RunStore,
    stage: Stage,
    cancel: &CancellationToken,
) -> Result<(), RunFailure> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(RunFailure::cancelled(Some(stage))),
        permit = store.await_lease(stage) => {
            permit.map_err(|error| RunFailure::from_store(Some(stage), &error))
        }
    }
}

/// One attempt at a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) stage: Stage,
    pub(super) lease: &'a StageLease<'a>,
    /// Spent on the stage before, by attempts that ended because the lease was unsure.
    pub(super) spent: Usage,
    pub(super) later_is_stored: bool,
}

/// Asks the store, and remembers whether the lease was ever unsure.
#[derive(Debug)]
pub(super) struct StageLease<'a> {
    store: &'a dyn RunStore,
    stage: Stage,
    was_unsure: AtomicBool,
}

impl<'a> StageLease<'a> {
    pub(super) fn new(store: &'a dyn RunStore, stage: Stage) -> Self {
        Self { store, stage, was_unsure: AtomicBool::new(false) }
    }

    /// Whether a request was not made because the lease was unsure.
    pub(super) fn was_unsure(&self) -> bool {
        self.was_unsure.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl RunLease for StageLease<'_> {
    async fn is_held(&self) -> bool {
        let is_held = self.store.holds_lease(self.stage).await;
        if !is_held {
            self.was_unsure.store(true, Ordering::Relaxed);
        }
        is_held
    }
}
