//! Every name in the storage root. No other file of this crate spells one.
//!
//! | name | meaning |
//! |---|---|
//! | `{run}/run.json` | the run's manifest, which names and proves everything else |
//! | `{run}/stage{n}/{name}.json` | a stage's record (`pipeline::run::Stage::file`), created once |
//! | `{run}/report.md` | the report |
//! | `{run}/tombstone.json` | the run is deleted, whatever other files are there |
//! | `{run}/document` | the document for a resumed run, on a disk |
//! | `{run}/.lock` | the run's lock, on a disk |
//! | `{run}/row.conflict-{time}.json` | the row's content that the files' content replaced |
//! | `{file}.corrupt-{time}` | a damaged file in quarantine |
//! | `{file}.conflict-{time}` | a file that the row's content replaced |
//! | `.{file}.{process}-{count}.tmp` | a temporary file during a write (`private_tree.rs`) |
//! | `.open/{run}` | marker: the run is accepted and has not ended |
//! | `.unsynced/{run}` | marker: the run has ended, and the database lacks a part of it |
//! | `.deleting/{run}` | marker: the deletion has begun |
//! | `.webhooks/{run}` | marker: the manifest holds events to send |
//! | `.webhooks-told/{run}` | marker: events were delivered, and the database does not know it |
//! | `.owners/{owner}` | a living replica: a locked file on a disk, a heartbeat in a bucket |
//! | `.replicas/{replica}.lock` | a living replica of this disk, and its last look at the registry |
//! | `.runs/{order}.{run}` | all runs of a bucket, the newest first by name |
//! | `.guard/…` | the test of create-if-absent in a bucket |
//! | `.spool/{run}` | the document for a resumed run, on the local disk of a bucket's replica |
//! | `.documents/{run}` | marker: the document of an ended run may be kept |
//! | `.flags/last-good` | the last good content of `FLAGS_FILE`, on the local disk of a replica |
//! | `.batches/{batch}.json` | a batch of runs; it accepts all of them where the database did not |
//! | `.batches-unsettled/{batch}` | marker: runs of the batch may lack their manifest, or the database lacks the batch |
//! | `comparison-{batch}.md` | the comparison of a batch, by a command |
//! | `.answers/{question}.json` | a cached answer, where no database is used |
//! | `.answers/{question}.{run}` | marker: the run uses that answer |
//! | `.audit/{id}.json` | the record of a person's change, until the database has it |
//! | `.flags/database` | the last known flags of the database, on the local disk of a replica |
//! | `.flags/order` | the last applied order to change flags, on the local disk of a replica |
//! | `.flags/orders/{order}` | an order to change flags, given while the database was away |
//! | `.deployments/{deployment}` | a deployment that the database does not have yet, or the arbiter's memory of it |
//! | `.flags/acks/{replica}` | the flags that a replica has applied |
//! | `.alerts/state/book` | the state of all alerts, and which channel was told what |
//! | `.alerts/state/leader` | the replica that notifies, in a bucket |
//! | `.alerts/reports/{replica}` | what a replica sees, while the database is away |
//! | `.alerts/silences/{silence}` | a silence that was ordered while the database was away |
//! | `.probe` | the last write of the readiness check |
//!
//! A run id has no separator and no dot, so no run can have the name of an internal folder.

use std::fmt;

use pipeline::{batch::BatchId, run::RunId};

/// A run's manifest.
pub(super) const MANIFEST_FILE: &str = "run.json";

/// A run's report.
pub(super) const REPORT_FILE: &str = "report.md";

/// The tombstone of a deleted run.
pub(super) const TOMBSTONE_FILE: &str = "tombstone.json";

/// The document of a run, in the run's folder.
pub(super) const SPOOL_FILE: &str = "document";

/// The documents of runs, if the runs are in a bucket.
pub(super) const SPOOL_FOLDER: &str = ".spool";

/// Names of runs whose document may be kept for readers of the report.
pub(super) const DOCUMENTS_FOLDER: &str = ".documents";

/// The lock of a run, or of a folder of markers, on a disk.
pub(super) const LOCK_FILE: &str = ".lock";

/// Names of accepted runs that have not ended. A start reads only these.
pub(super) const OPEN_FOLDER: &str = ".open";

/// Names of ended runs of which the database lacks a part.
pub(super) const UNSYNCED_FOLDER: &str = ".unsynced";

/// Names of deleted runs of which files may remain.
pub(super) const DELETING_FOLDER: &str = ".deleting";

/// Names of runs with events to send.
pub(super) const PENDING_FOLDER: &str = ".webhooks";

/// Names of runs with delivered events of which the database does not know.
pub(super) const DELIVERED_FOLDER: &str = ".webhooks-told";

/// The living replicas.
pub(super) const OWNERS_FOLDER: &str = ".owners";

/// The replicas that lived on this disk lately.
pub(super) const REPLICAS_FOLDER: &str = ".replicas";

/// Names of all runs, the newest first, because a bucket lists by name only.
pub(super) const RUNS_FOLDER: &str = ".runs";

/// The folder for the test of create-if-absent in a bucket.
pub(super) const GUARD_FOLDER: &str = ".guard";

/// Cached answers, where no database is used.
pub(super) const ANSWERS_FOLDER: &str = ".answers";

/// The records of changes by people that the database lacks.
pub(super) const AUDIT_FOLDER: &str = ".audit";
/// Orders to change flags, given while the database was away.
pub(super) const FLAG_ORDERS_FOLDER: &str = ".flags/orders";

/// Orders that nobody may obey.
pub(super) const FLAG_REFUSED_FOLDER: &str = ".flags/refused";

/// The flags that each replica has applied.
pub(super) const FLAG_ACKS_FOLDER: &str = ".flags/acks";

/// Deployments that the database does not have yet, and the arbiter's memory.
pub(super) const DEPLOYMENTS_FOLDER: &str = ".deployments";
/// The state of all alerts.
pub(super) const ALERTS_FOLDER: &str = ".alerts/state";

/// The reports of the replicas on alerts.
pub(super) const ALERT_REPORTS_FOLDER: &str = ".alerts/reports";

/// Silences of alerts.
pub(super) const ALERT_SILENCES_FOLDER: &str = ".alerts/silences";

/// The accepted batches.
pub(super) const BATCHES_FOLDER: &str = ".batches";

/// Names of batches that are not everywhere yet.
pub(super) const UNSETTLED_BATCHES_FOLDER: &str = ".batches-unsettled";

/// The file of the readiness check.
pub(super) const PROBE_FILE: &str = ".probe";

/// The suffix of a quarantined file.
pub(super) const CORRUPT: &str = "corrupt";

/// The suffix of a file that lost against the row's content.
pub(super) const CONFLICT: &str = "conflict";

/// The name of a saved row, before its time.
pub(super) const ROW_CONFLICT: &str = "row.conflict";

/// One of a run's files.
pub(super) fn in_run(run: &RunId, file: impl fmt::Display) -> String {
    format!("{run}/{file}")
}

/// A run's marker in a folder of ours.
pub(super) fn in_folder(folder: &str, run: &RunId) -> String {
    format!("{folder}/{run}")
}

/// A cached answer.
pub(super) fn answer_file(question: &str) -> String {
    format!("{ANSWERS_FOLDER}/{question}.json")
}

/// The marker of a run that uses a cached answer.
pub(super) fn answer_use(question: &str, run: &RunId) -> String {
    format!("{ANSWERS_FOLDER}/{question}.{run}")
}

/// An audit record.
pub(super) fn audit_file(id: &str) -> String {
    format!("{AUDIT_FOLDER}/{id}.json")
}

/// A batch's record.
pub(super) fn batch_file(id: &BatchId) -> String {
    format!("{BATCHES_FOLDER}/{id}.json")
}

/// A batch's marker.
pub(super) fn batch_marker(id: &BatchId) -> String {
    format!("{UNSETTLED_BATCHES_FOLDER}/{id}")
}

/// The comparison of a batch. Its dot keeps it apart from the folders of runs.
pub(super) fn comparison_file(id: &BatchId) -> String {
    format!("comparison-{id}.md")
}
