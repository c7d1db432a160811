//! The sources of the checks.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use pipeline::clock::Clock;
use storage::{files::FileStore, postgres::PostgresStore};

use crate::{
    brands::BrandFolder,
    config::{Config, Problems, problems_of_service},
    documents::readers::Readers,
    health::{FileStorage, Identity},
    llm::probe::EndpointProbe,
    migrate::Migrator,
    webhooks::{Sender, admin::WebhookAdmin},
};

/// The sources of the checks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CheckDeps {
    pub clock: Arc<dyn Clock>,
    pub config: Arc<Config>,
    /// The faults of the environment for a service, with and without the rules of production.
    pub problems: Arc<ServiceProblems>,
    pub identity: Identity,
    /// None without a database.
    pub database: Option<Arc<PostgresStore>>,
    /// None without a database. The error says why it cannot be used.
    pub migrator: Option<Result<Migrator, String>>,
    pub files: FileStore,
    pub file_storage: FileStorage,
    pub brands: BrandFolder,
    pub readers: Readers,
    /// None with the extractive analyst.
    pub model: Option<EndpointProbe>,
    /// None if webhooks are off.
    pub webhooks: Option<Arc<WebhookDeps>>,
    /// The addresses of the API that everybody may ask.
    pub public_routes: Vec<&'static str>,
    /// Where a repository may be: the folder of the command.
    pub folder: PathBuf,
}

/// The receiver of webhooks, and what it has not taken yet.
#[derive(Debug)]
pub struct WebhookDeps {
    pub sender: Sender,
    pub admin: WebhookAdmin,
}

/// The faults of the environment.
#[derive(Debug, Clone)]
pub struct ServiceProblems {
    /// For a service with this environment.
    pub here: Option<Problems>,
    /// For a service in production.
    pub in_production: Option<Problems>,
}

impl ServiceProblems {
    /// The faults that a service would report for these variables.
    #[must_use]
    pub fn of(variables: &BTreeMap<String, String>) -> Self {
        Self {
            here: problems_of_service(variables.clone(), false),
            in_production: problems_of_service(variables.clone(), true),
        }
    }
}

impl CheckDeps {
    /// The longest time that a stage may take.
    #[must_use]
    pub fn stage_limit(&self) -> Duration {
        self.config.work.stage_deadline
    }

    /// Whether the configured modes use the database.
    #[must_use]
    pub fn wants_database(&self) -> bool {
        self.config.modes.database_writes
    }
}
