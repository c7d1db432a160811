//! Wires the sources of an operator's checks.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use pipeline::clock::Clock;
use storage::{files::FileStore, postgres::PostgresStore};

use super::{commands::webhook_admin, error::WiringError};
use crate::{
    brands::BrandFolder,
    checks::deps::{CheckDeps, ServiceProblems, WebhookDeps},
    config::{AnalystChoice, Config},
    console,
    documents::{isolate::Isolation, ocr::Ocr, readers::Readers},
    health::{FileStorage, Identity},
    http,
    llm::probe::EndpointProbe,
    migrate::Migrator,
    webhooks::Sender,
};
use foundation::clock::SystemClock;

/// Wires the sources of the checks. Connects to nothing yet, so that each check can say what is missing.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn check_deps(config: Config, variables: &BTreeMap<String, String>) -> Result<CheckDeps, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let database =
        PostgresStore::new(&config.database)?.map(|store| Arc::new(store.with_clock(clock.clone())));
    let migrator = database
        .as_ref()
        .map(|_| Migrator::new(&config.database, clock.clone()).map_err(|error| error.to_string()));
    let extra_ca_file = config.documents.extra_ca_file.as_deref();
    let webhooks = match config.webhooks.target.clone() {
        Some(target) => Some(Arc::new(WebhookDeps {
            sender: Sender::new(target, config.webhooks.timeout, extra_ca_file)?,
            admin: webhook_admin(&config)?,
        })),
        None => None,
    };
    let asks_a_model = config.analyst.choice != AnalystChoice::Extractive && config.analyst.api_key.is_some();
    let model = match asks_a_model {
        true => Some(EndpointProbe::new(&config.analyst.base_url, extra_ca_file)?),
        false => None,
    };
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION"),
        git_sha: Identity::commit(config.process.git_sha.as_deref()),
        environment: config.process.environment,
        replica: "command".to_owned(),
    };
    let ocr = Ocr::new(config.ocr.clone(), Isolation::default(), clock.clone());
    Ok(CheckDeps {
        problems: Arc::new(ServiceProblems::of(variables)),
        identity,
        database,
        migrator,
        files: FileStore::of(&config.storage, config.work.lease, clock.clone())?,
        file_storage: FileStorage::of_config(&config),
        brands: BrandFolder::new(&config.process.base_dir),
        readers: Readers::with_ocr(Isolation::default(), ocr, clock.clone()),
        model,
        webhooks,
        public_routes: http::public_paths().into_iter().chain(console::PUBLIC_PATHS).collect(),
        folder: PathBuf::from("."),
        config: Arc::new(config),
        clock,
    })
}
