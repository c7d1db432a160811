//! The parts of a rehearsal: a database and a folder of its own, and where its evidence goes.

use std::{path::Path, sync::Arc};

use foundation::clock::SystemClock;
use pipeline::{clock::Clock, engine::Engine};
use secrecy::SecretString;
use storage::{
    control_plane::EvidenceLog,
    files::FileStore,
    mode::Flags,
    postgres::PostgresStore,
    router::{ReplicaPresence, Router, RouterConfig},
    sync::Reconciler,
};

use super::{
    analyst::{Answering, answering},
    error::WiringError,
    storage::database,
};
use crate::{
    config::{AnalystChoice, Config, DatabaseConfig, StorageConfig, StoragePlace},
    documents::{isolate::Isolation, ocr::Ocr},
    migrate::Migrator,
    rehearsal::{Canary, CanaryWorker, Rehearsal},
};

/// Wires the evidence in the service's database. None without a database.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn evidence_log(config: &Config) -> Result<Option<Arc<dyn EvidenceLog>>, WiringError> {
    let store = PostgresStore::new(&config.database)?;
    Ok(store.map(|store| Arc::new(store) as Arc<dyn EvidenceLog>))
}

/// Wires a rehearsal on the database at `url`, which it fills and empties. Connects to nothing yet.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn rehearsal(config: Config, url: &SecretString, runs: u32) -> Result<Rehearsal, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let scratch = DatabaseConfig { url: Some(url.clone()), direct_url: None, ..config.database };
    let folder = tempfile::tempdir()?;
    let files = FileStore::of(&at(folder.path(), &config.storage), config.work.lease, clock.clone())?;
    let postgres = PostgresStore::new(&scratch)?.ok_or(WiringError::NoRehearsalDatabase)?;
    let postgres = Arc::new(postgres);
    let (flags, receiver) = tokio::sync::watch::channel(Flags {
        database_writes: true,
        file_fallback: true,
        revision: 1,
        database_revision: None,
    });
    let router = Arc::new(Router::new(
        files,
        Some(database(postgres.clone(), &scratch, &clock)),
        receiver,
        RouterConfig {
            // Nobody else has this folder or this database.
            presence: Arc::new(ReplicaPresence::new(Some(true))),
            retry_deadline: scratch.write_timeout,
        },
        clock.clone(),
    ));
    let Answering { analyst, .. } =
        answering(AnalystChoice::Extractive, config.analyst, None, config.work.stage_deadline, &clock)?;
    let worker = Arc::new(CanaryWorker::default());
    let canary = Canary {
        router: router.clone(),
        flags,
        worker: worker.clone(),
        engine: Engine::new(analyst, clock.clone(), None),
        ocr: Ocr::new(config.ocr, Isolation::default(), clock.clone()),
        clock: clock.clone(),
    };
    Ok(Rehearsal {
        migrator: Migrator::new(&scratch, clock.clone())?,
        canary,
        reconciler: Reconciler::new(router, postgres, Some(worker), None, clock.clone()),
        clock,
        folder,
        runs,
    })
}

/// The files of a rehearsal: in a folder, whatever the service uses.
fn at(folder: &Path, config: &StorageConfig) -> StorageConfig {
    StorageConfig {
        place: StoragePlace::Folder(folder.to_owned()),
        local: folder.to_owned(),
        retention: None,
        document_retention: None,
        ..config.clone()
    }
}
