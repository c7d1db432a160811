//! The figures of the console's first page: everything that an answer from memory, or one within [`super::TIMEOUT`], tells.

use std::collections::BTreeMap;

use pipeline::clock::Timestamp;
use storage::{
    Replica, WaitReason,
    files::{DurabilityForecast, MirrorLag, Unsynced},
    router::StorageState,
    sync::ReconcileStatus,
};

use super::{Audience, Figures, Health, HealthSummary, report::ModelPause};

/// The state of the service at one moment.
#[derive(Debug)]
pub struct Overview {
    pub basic: HealthSummary,
    pub storage: StorageState,
    /// This process among the replicas.
    pub replica: String,
    /// The live replicas. None while unknown.
    pub replicas: Option<Vec<Replica>>,
    /// Accepted runs that no worker executes yet. None while unknown.
    pub queue_depth: Option<usize>,
    /// Waiting runs by reason. None while unknown.
    pub waiting: Option<BTreeMap<WaitReason, usize>>,
    /// The runs that this replica executes.
    pub runs_in_flight: usize,
    /// Runs whose row and files differ. None while unknown.
    pub conflicts: Option<usize>,
    /// Runs and stages that the database lacks. None while unknown.
    pub unsynced: Option<Unsynced>,
    /// The loss of a redeploy now. None while unknown.
    pub forecast: Option<DurabilityForecast>,
    /// Runs that the database has and the files do not have yet.
    pub mirror: MirrorLag,
    /// None without a database.
    pub reconciliation: Option<ReconcileStatus>,
    /// Why the model is not asked. None while it is.
    pub model_pause: Option<ModelPause>,
}

impl Health {
    /// The state of the service for operators. It waits for no dependency longer than [`super::TIMEOUT`].
    pub async fn overview(&self) -> Overview {
        let (stores, figures, queue_depth, waiting, replicas) = tokio::join!(
            self.stores(),
            self.figures(),
            self.queue_depth(),
            self.waiting_runs(),
            self.replicas()
        );
        let not_ready = self.reason_against(&stores);
        let basic = self.basic_of(&stores, not_ready, &figures, Audience::Operator);
        let Figures { conflicts, unsynced, forecast } = figures;
        Overview {
            basic,
            storage: stores.state,
            replica: self.identity().replica.clone(),
            replicas,
            queue_depth,
            waiting,
            runs_in_flight: self.sources.worker.active_count(),
            conflicts,
            unsynced,
            forecast,
            mirror: self.sources.router.files().mirror().lag(),
            reconciliation: self.sources.reconciler.as_deref().map(storage::sync::Reconciler::status),
            model_pause: self.model_pause(),
        }
    }

    /// The state of storage as this process knows it now. It asks nobody.
    #[must_use]
    pub fn standing(&self) -> StorageState {
        self.sources.router.state()
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.sources.clock.now()
    }
}
