//! The file backends: a local folder or a bucket. The rules of the file store exist once, above this trait.
//!
//! Files have names such as `run-1/stage1/inspirations.json`, relative to one root. All functions block. Each
//! ends within a bounded time, or its caller stops waiting (see `FileStore::blocking`).

use std::{fmt, fs::File, io, time::Duration};

use pipeline::clock::Timestamp;

use crate::private_tree::GroupFile;

/// The backend's name for one version of a file. None for a folder, whose lock excludes other writers between
/// read and write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ETag(pub(in crate::files) Option<String>);

/// A file's content and version.
#[derive(Debug)]
pub(in crate::files) struct Stored {
    pub(in crate::files) bytes: Vec<u8>,
    pub(in crate::files) version: ETag,
}

/// A manifest that is to be written together with others.
#[derive(Debug)]
pub(in crate::files) struct Swap<'s> {
    pub(in crate::files) name: &'s str,
    pub(in crate::files) bytes: &'s [u8],
    pub(in crate::files) etag: Option<&'s ETag>,
    pub(in crate::files) unflushed: &'s [String],
}

/// A list of runs that always includes the newest.
#[derive(Debug, Default)]
pub(in crate::files) struct Newest {
    /// Each run with its time of acceptance in milliseconds since 1970, if the backend knows it without the
    /// manifest. Then the newest run comes first.
    pub(in crate::files) runs: Vec<(Option<i64>, String)>,
    pub(in crate::files) has_more: bool,
}

/// How long this process may still count a run as its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) enum OwnerLease {
    /// For as long as the process lives, because others can see that it lives.
    Endless,
    /// The last heartbeat is younger than one lease. The number grows each time that a heartbeat was late.
    Lasting(u64),
    Ended,
}

/// A place that stores files.
///
/// Errors: `AlreadyExists` from [`FileBackend::create`]. `ResourceBusy` if another process changed the file
/// since it was read; the caller must repeat the whole operation. `TimedOut` if a write may have happened.
/// Every other error means that nothing was written.
pub(in crate::files) trait FileBackend: fmt::Debug + Send + Sync {
    /// A file's full name, for people.
    fn place(&self, name: &str) -> String;

    /// Whether processes on several machines see the same files, and create-if-absent is proven to work among
    /// them.
    fn has_shared_create_if_absent(&self) -> bool;

    /// Tests create-if-absent.
    fn check_create_if_absent(&self) -> io::Result<bool>;

    /// Reads a file. None if it is absent.
    fn read(&self, name: &str) -> io::Result<Option<Stored>>;

    /// Reads several files, in the given order.
    fn read_all(&self, names: &[String]) -> Vec<io::Result<Option<Stored>>> {
        names.iter().map(|name| self.read(name)).collect()
    }

    /// Whether a file is there.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// Creates a file that must not exist. Of several concurrent calls, one succeeds. The file is durable
    /// once its folder is flushed.
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// As [`FileBackend::create`], for what a crash may lose or damage: no flush delays the caller.
    fn create_unflushed(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.create(name, bytes)
    }

    /// Creates a marker file if it is absent. It is durable once its folder is flushed.
    fn touch(&self, name: &str) -> io::Result<()>;

    /// Makes a folder of ours and its parents durably, where folders exist.
    fn make_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    /// Writes or replaces a file. It is durable once its folder is flushed.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Flushes these folders and then writes a file durably. The file must be unchanged since it was read;
    /// without an etag it must not exist. Returns the new etag.
    fn compare_and_swap(
        &self,
        name: &str,
        bytes: &[u8],
        etag: Option<&ETag>,
        unflushed: &[String],
    ) -> io::Result<ETag>;

    /// Creates files that must not exist, and replaces others, together. A file is durable once its folder is flushed.
    /// The results are in the order of the files.
    fn write_all(&self, files: &[GroupFile<'_>]) -> Vec<io::Result<()>>;

    /// As [`FileBackend::compare_and_swap`], for several files together. The results are in the order of the swaps.
    fn compare_and_swap_all(&self, swaps: &[Swap<'_>]) -> Vec<io::Result<ETag>>;

    /// Writes or replaces a large file durably, within half a minute. The other calls have the limits of small files.
    fn replace_large(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace(name, bytes).and_then(|()| self.flush(&[folder_of(name).to_owned()]))
    }

    /// Reads a large file, within half a minute.
    fn read_large(&self, name: &str) -> io::Result<Option<Stored>> {
        self.read(name)
    }

    /// Makes the names in these folders durable after a create, touch or replace. Does nothing if each write
    /// is durable already.
    fn flush(&self, folders: &[String]) -> io::Result<()>;

    /// Renames a file, which frees its name. With an etag, the file must be unchanged since it was read.
    fn quarantine(&self, name: &str, quarantined: &str, etag: Option<&ETag>) -> io::Result<()>;

    /// Removes a file that must be unchanged since it was read. A backend may empty it instead; an emptied
    /// file counts as absent.
    fn conditional_delete(&self, name: &str, etag: &ETag) -> io::Result<()>;

    /// Removes a file, if it exists.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Removes all files of a run except the named ones.
    fn remove_below(&self, folder: &str, kept: &[&str]) -> io::Result<()>;

    /// Lists the names directly in a folder, in any order. An empty name means the root. A missing folder has
    /// none.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Lists up to `limit` runs, preferring those that were accepted or changed last.
    fn newest_runs(&self, limit: usize) -> io::Result<Newest>;

    /// Adds a run to the index of [`FileBackend::newest_runs`], before its manifest is written. `accepted_ms`
    /// counts from 1970.
    fn note_run(&self, run: &str, accepted_ms: i64) -> io::Result<()>;

    /// Removes a run from that index.
    fn forget_run(&self, run: &str, accepted_ms: i64) -> io::Result<()>;

    /// Lists runs that may have ended before that time, the oldest first.
    fn runs_before(&self, before: Timestamp) -> io::Result<Vec<String>>;

    /// Whether any file of a run may exist.
    fn has_run(&self, run: &str) -> io::Result<bool>;

    /// Whether a run has no files but the backend's own.
    fn holds_nothing(&self, run: &str) -> io::Result<bool>;

    /// Removes a run's tombstone and the backend's own files. The caller holds the lock.
    fn remove_run(&self, run: &str) -> io::Result<()>;

    /// Whether this process is the leader for a task that one process of a disk performs. A leader stays
    /// leader. Always true if the backend compares and swaps.
    fn try_become_leader(&self, folder: &str) -> io::Result<bool>;

    /// Takes a lock that keeps other processes and tasks from the run. None if the backend has no locks and
    /// relies on [`FileBackend::compare_and_swap`]. `NotFound` if the run does not exist and `may_be_new` is
    /// false. A new lock file is durable once the root is flushed.
    fn lock(&self, run: &str, may_be_new: bool) -> io::Result<Option<File>>;

    /// As [`FileBackend::lock`], without waiting: `ResourceBusy` if another task or process has the lock.
    fn try_lock(&self, run: &str, may_be_new: bool) -> io::Result<Option<File>> {
        self.lock(run, may_be_new)
    }

    /// Whether a folder has half-written files, of a killed process or of a write that is under way.
    fn has_leftovers(&self, folder: &str) -> io::Result<bool>;

    /// Removes half-written files of a killed process from a folder. The caller holds the lock.
    fn clear_leftovers(&self, folder: &str) -> io::Result<()>;

    /// Announces this owner as alive to other processes.
    fn hold(&self, owner: &str) -> io::Result<()>;

    /// Whether a living process holds this owner name. With `now`, the backend checks anew.
    fn is_alive(&self, owner: &str, now: bool) -> io::Result<bool>;

    /// How long other processes count this owner, which is this process, as alive.
    fn owner_lease(&self, owner: &str) -> OwnerLease;

    /// Releases all owner names, so that others need not wait.
    fn leave(&self);

    /// How long it takes to recognise a dead owner.
    fn detection_delay(&self) -> Duration;
}

/// The folder of a file, in the form that [`FileBackend::flush`] takes.
pub(in crate::files) fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The error if another process changed the file.
pub(super) fn cas_conflict() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "another process changed the file at the same time")
}
