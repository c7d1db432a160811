//! The file of a batch.

use pipeline::{clock::Timestamp, record::millis, run::RunId};
use serde::{Deserialize, Serialize};

use crate::{
    files::db_sync::DbSync,
    ports::batches::Batch,
    run::{RunRequest, RunSubmission},
};

/// The newest form that this program writes.
const VERSION: u32 = 1;

/// A batch as the files hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchFile {
    version: u32,
    #[serde(flatten)]
    pub batch: Batch,
    /// The requests of the runs, until all have a manifest. Afterwards the file holds no address and no user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<Request>,
    /// Whether a database is meant to hold the batch, and lacks it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_database: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Request {
    run_id: RunId,
    request: RunRequest,
    #[serde(with = "millis")]
    accepted_at: Timestamp,
}

/// The state of a batch in files, before its acceptance.
#[derive(Debug, Default)]
pub(crate) struct BatchStanding {
    pub(crate) file: Option<BatchFile>,
    /// A run of the batch that was deleted.
    pub(crate) deleted: Option<RunId>,
    /// A run has another request, or another owner.
    pub(crate) is_taken: bool,
    /// A run was accepted here without the batch, and the database lacks it.
    pub(crate) lacks_row: bool,
}

impl BatchFile {
    pub(super) fn new(batch: &Batch, runs: &[RunSubmission], db_sync: DbSync) -> Self {
        let requests = runs.iter().map(|run| Request {
            run_id: run.id.clone(),
            request: run.request.clone(),
            accepted_at: run.accepted_at,
        });
        Self {
            version: VERSION,
            batch: batch.clone(),
            requests: requests.collect(),
            lacks_database: db_sync == DbSync::Pending,
        }
    }

    pub(super) fn db_sync(&self) -> DbSync {
        if self.lacks_database { DbSync::Pending } else { DbSync::NotTracked }
    }

    /// The runs that may lack their manifest.
    pub(super) fn submissions(&self) -> Vec<RunSubmission> {
        let of = |Request { run_id, request, accepted_at }: Request| RunSubmission {
            id: run_id,
            request,
            accepted_at,
        };
        self.requests.iter().cloned().map(of).collect()
    }

    /// The same batch, after all runs have their manifests.
    pub(super) fn expanded(&self) -> Self {
        Self { requests: Vec::new(), ..self.clone() }
    }

    /// The same batch, after the database has it.
    pub(super) fn imported(&self) -> Self {
        Self { lacks_database: false, ..self.expanded() }
    }

    /// Whether a newer version of this program wrote it.
    pub(super) fn is_newer(&self) -> bool {
        self.version > VERSION
    }

    /// Whether all runs have their manifests.
    pub(crate) fn is_expanded(&self) -> bool {
        self.requests.is_empty()
    }
}
