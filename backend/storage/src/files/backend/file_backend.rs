//! Where the files of runs lie: a folder or a bucket. The rules of the file store exist once, above this seam.
//!
//! Files have names such as `run-1/stage1/inspirations.json`, relative to one root. All functions block; each ends
//! within a bounded time, or is left behind by whoever waits for it (see `run_blocking`).

use std::{fmt, fs::File, io, time::Duration};

use pipeline::clock::Timestamp;

/// What a medium calls one state of a file. None where the medium needs no name for it: a folder, whose lock keeps
/// everybody else out between a reading and the writing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ETag(pub(in crate::files) Option<String>);

/// A file as it was read.
#[derive(Debug)]
pub(in crate::files) struct Stored {
    pub(in crate::files) bytes: Vec<u8>,
    pub(in crate::files) version: ETag,
}

/// Runs, of which the newest are not left out.
#[derive(Debug, Default)]
pub(in crate::files) struct Newest {
    /// Each with when it was accepted, in milliseconds since 1970, where that is known without its manifest. Then they
    /// are sorted by it, the newest first.
    pub(in crate::files) runs: Vec<(Option<i64>, String)>,
    pub(in crate::files) has_more: bool,
}

/// How long this process may still count a run as its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) enum OwnerLease {
    /// As long as it lives: others see that it does.
    Endless,
    /// Its last sign of life is younger than a lease. The number changes with each time that it was not.
    Lasting(u64),
    Ended,
}

/// What a place that keeps files can do.
///
/// Errors: `AlreadyExists` from [`FileBackend::create`]; `ResourceBusy` where somebody else has changed the file since it
/// was read, so that the whole operation has to be done again; `TimedOut` where it is not known whether a write was
/// done. Every other error means that nothing was written.
pub(in crate::files) trait FileBackend: fmt::Debug + Send + Sync {
    /// A file's whole name, for people.
    fn place(&self, name: &str) -> String;

    /// Whether processes on several machines see the same files, and a creation is known to be a guard among them.
    fn has_shared_create_if_absent(&self) -> bool;

    /// Finds out whether it is one.
    fn check_create_if_absent(&self) -> io::Result<bool>;

    /// A file; none where there is none.
    fn read(&self, name: &str) -> io::Result<Option<Stored>>;

    /// Several files, in the order of their names.
    fn read_all(&self, names: &[String]) -> Vec<io::Result<Option<Stored>>> {
        names.iter().map(|name| self.read(name)).collect()
    }

    /// Whether a file is there.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// Creates a file that must not exist yet: of many at once, one does. It lasts once its folder is flushed.
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Creates a file whose name is all that it says, if it is not there. It lasts once its folder is flushed.
    fn touch(&self, name: &str) -> io::Result<()>;

    /// Writes a file, replacing one that is there. It lasts once its folder is flushed.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Writes a file, durably, that must be as it was read (none: must not exist), after the names in these folders have
    /// become durable; returns what it is then.
    fn compare_and_swap(
        &self,
        name: &str,
        bytes: &[u8],
        etag: Option<&ETag>,
        unflushed: &[String],
    ) -> io::Result<ETag>;

    /// Makes the names in these folders durable: files that were created, touched or replaced there. Nothing where each
    /// write is durable by itself.
    fn flush(&self, folders: &[String]) -> io::Result<()>;

    /// Keeps a file under another name beside its own, whose place is free then. It must be as it was read, if that is
    /// given.
    fn quarantine(&self, name: &str, quarantined: &str, etag: Option<&ETag>) -> io::Result<()>;

    /// Takes a file away that must be as it was read. It may stay as an emptied one, which counts as none.
    fn conditional_delete(&self, name: &str, etag: &ETag) -> io::Result<()>;

    /// Removes a file that may have gone.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Removes all of a run's files but the named ones.
    fn remove_below(&self, folder: &str, kept: &[&str]) -> io::Result<()>;

    /// The names right below a folder (an empty name: the root), in no order; none where there is no folder.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Some runs, those that were accepted or changed last rather than the others.
    fn newest_runs(&self, limit: usize) -> io::Result<Newest>;

    /// Notes a run for [`FileBackend::newest_runs`], before its manifest is written. `accepted_ms`: since 1970.
    fn note_run(&self, run: &str, accepted_ms: i64) -> io::Result<()>;

    /// Takes the note away.
    fn forget_run(&self, run: &str, accepted_ms: i64) -> io::Result<()>;

    /// Runs that may have ended before then, the oldest first.
    fn runs_before(&self, before: Timestamp) -> io::Result<Vec<String>>;

    /// Whether something may lie there of a run.
    fn has_run(&self, run: &str) -> io::Result<bool>;

    /// Whether nothing lies there of a run but what the medium itself needs.
    fn holds_nothing(&self, run: &str) -> io::Result<bool>;

    /// Removes what is left of a run: its tombstone, and what the medium itself needs. Under its lock.
    fn remove_run(&self, run: &str) -> io::Result<()>;

    /// Whether this process is the one that does a thing which one process of a disk does. For ever, once it is. True
    /// where each change says who was first.
    fn try_become_leader(&self, folder: &str) -> io::Result<bool>;

    /// Keeps other processes and tasks from the run while the lock is held. None where there is no such thing, and
    /// [`FileBackend::compare_and_swap`] tells who was first. `NotFound` where there is no such run and it may not be new. A new one lasts
    /// once the root is flushed.
    fn lock(&self, run: &str, may_be_new: bool) -> io::Result<Option<File>>;

    /// Removes what a killed process may have left half written in a folder. Under the lock.
    fn clear_leftovers(&self, folder: &str) -> io::Result<()>;

    /// Makes this owner alive for other processes.
    fn hold(&self, owner: &str) -> io::Result<()>;

    /// Whether somebody holds this name. `now`: by a look that is made for this question.
    fn is_alive(&self, owner: &str, now: bool) -> io::Result<bool>;

    /// How long this owner, who is this process, counts as alive for others.
    fn owner_lease(&self, owner: &str) -> OwnerLease;

    /// Stops holding any name: others need not wait.
    fn leave(&self);

    /// How long it takes to tell a dead owner from a living one.
    fn detection_delay(&self) -> Duration;
}

/// The folder of a file, as [`FileBackend::flush`] knows it.
pub(in crate::files) fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The error of a file that somebody else has changed meanwhile.
pub(super) fn cas_conflict() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "it was changed by somebody else at the same time")
}
