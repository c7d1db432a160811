//! Every name below the storage root. No other file of this crate spells one.
//!
//! | name | what it is |
//! |---|---|
//! | `{run}/run.json` | the run's manifest, which names and proves everything else |
//! | `{run}/stage{n}/{name}.json` | a stage's record (`pipeline::run::Stage::file`), created once |
//! | `{run}/report.md` | the report |
//! | `{run}/tombstone.json` | the run is deleted, whatever else lies there |
//! | `{run}/document` | the document for a resumed run, on a disk |
//! | `{run}/.lock` | the run's lock, on a disk |
//! | `{run}/row.conflict-{time}.json` | the row's version that the files' replaced |
//! | `{file}.corrupt-{time}` | a damaged file in quarantine |
//! | `{file}.conflict-{time}` | a file that the row's version replaced |
//! | `.{file}.{process}-{count}.tmp` | a file while it is written (`atomic.rs`) |
//! | `.open/{run}` | marker: the run is accepted and has not ended |
//! | `.unsynced/{run}` | marker: the run has ended, and the database lacks something of it |
//! | `.deleting/{run}` | marker: the deletion has begun |
//! | `.webhooks/{run}` | marker: the manifest holds events that are to be sent |
//! | `.webhooks-told/{run}` | marker: events were sent, and the database does not know it |
//! | `.owners/{owner}` | a living replica: a locked file on a disk, a heartbeat in a bucket |
//! | `.runs/{order}.{run}` | all runs of a bucket, the newest first by name |
//! | `.guard/…` | the test whether a bucket refuses a second creation |
//! | `.spool/{run}` | the document for a resumed run, beside a bucket on the local disk |
//! | `.probe` | the last write of the readiness check |
//!
//! A run id has no separator and no dot, so that no run is one of our own folders.

/// A run's manifest.
pub(super) const MANIFEST_FILE: &str = "run.json";

/// A run's report.
pub(super) const REPORT_FILE: &str = "report.md";

/// Says that the run is deleted.
pub(super) const TOMBSTONE_FILE: &str = "tombstone.json";

/// The document of a run, in the run's folder.
pub(super) const SPOOL_FILE: &str = "document";

/// The documents of runs, where the runs lie in a bucket.
pub(super) const SPOOL_FOLDER: &str = ".spool";

/// The lock of a run, or of a folder of markers, on a disk.
pub(super) const LOCK_FILE: &str = ".lock";

/// Names of accepted runs that have not ended. A start looks at these alone.
pub(super) const OPEN_FOLDER: &str = ".open";

/// Names of ended runs of which the database lacks something.
pub(super) const UNSYNCED_FOLDER: &str = ".unsynced";

/// Names of deleted runs of which something may be left.
pub(super) const DELETING_FOLDER: &str = ".deleting";

/// Names of runs with events that are to be sent.
pub(super) const PENDING_FOLDER: &str = ".webhooks";

/// Names of runs with events that were sent, which the database does not know.
pub(super) const DELIVERED_FOLDER: &str = ".webhooks-told";

/// The living replicas.
pub(super) const OWNERS_FOLDER: &str = ".owners";

/// Names of all runs, the newest first: a bucket lists by name and by nothing else.
pub(super) const RUNS_FOLDER: &str = ".runs";

/// Where a store asks a bucket for a second creation, which must fail.
pub(super) const GUARD_FOLDER: &str = ".guard";

/// The file of the readiness check.
pub(super) const PROBE_FILE: &str = ".probe";

/// Why a damaged file has another name.
pub(super) const CORRUPT: &str = "corrupt";

/// Why a file has another name, or a row lies beside it: the other version won.
pub(super) const CONFLICT: &str = "conflict";

/// The kept version of a row, before its time.
pub(super) const ROW_CONFLICT: &str = "row.conflict";
