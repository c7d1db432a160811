//! The dependencies of the handlers, and the limits of a request.

use std::{sync::Arc, time::Duration};

use super::{fair_share::FairShare, streams::Streams};
use crate::{
    access::{FailedKeys, KeyAdmin, KeyRing, QuotaKeeper, Sessions},
    alerts::admin::AlertAdmin,
    audit::Audit,
    brands::BrandFolder,
    config::AccessConfig,
    deployments::DeploymentAdmin,
    flags::FlagControl,
    health::Health,
    reconciliation::ReconcileDesk,
    runs::{RunFinder, RunWatchers, Runs, bulk::BulkAdmin},
    webhooks::desk::WebhookDesk,
};

/// The dependencies of the handlers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpState {
    pub runs: Arc<Runs>,
    pub finder: Arc<RunFinder>,
    pub watchers: Arc<RunWatchers>,
    pub streams: Arc<Streams>,
    pub fair_share: Arc<FairShare>,
    pub health: Arc<Health>,
    pub brands: BrandFolder,
    pub flags: Arc<FlagControl>,
    pub deployments: Arc<DeploymentAdmin>,
    pub access: Arc<AccessConfig>,
    pub keys: Arc<KeyRing>,
    pub failed_keys: Arc<FailedKeys>,
    /// Of people on the console.
    pub sessions: Arc<Sessions>,
    pub quotas: QuotaKeeper,
    /// None without a database.
    pub key_admin: Option<Arc<KeyAdmin>>,
    pub audit: Audit,
    pub alerts: Arc<AlertAdmin>,
    /// Bulk operations.
    pub operations: BulkAdmin,
    pub reconciliation: ReconcileDesk,
    /// None if webhooks are off.
    pub webhooks: Option<WebhookDesk>,
    /// Whether this process accepts and shows runs. A process that only executes them serves health and
    /// metrics.
    pub serves_runs: bool,
    pub limits: Limits,
}

/// The limits of a request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a request's headers to its answer's: the time for which the frontend waits.
    pub request_timeout: Duration,
    /// From a request's headers to the end of its body.
    pub body_timeout: Duration,
    /// The largest body. A submission is an address and three names.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            body_bytes_max: 64 * 1024,
        }
    }
}
