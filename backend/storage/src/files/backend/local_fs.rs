//! Files in a local folder: durable by `fsync`, created by hard links, changed under a lock file.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use foundation::failpoints;
use parking_lot::Mutex;
use pipeline::clock::Timestamp;

use crate::{
    files::{
        backend::{
            file_backend::{ETag, FileBackend, Newest, OwnerLease, Stored, Swap, folder_of},
            owner_locks::OwnerLocks,
        },
        layout::LOCK_FILE,
    },
    private_tree::{GroupFile, PrivateTree},
};

/// The largest file that is read back. A record of a 400-page report has about 100 KB.
pub(in crate::files) const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A folder that holds all runs.
#[derive(Debug)]
pub(in crate::files) struct LocalFs {
    tree: PrivateTree,
    locks: OwnerLocks,
    /// Held by the one process that is the leader, by the folder of the task.
    leader_locks: Mutex<BTreeMap<String, File>>,
}

impl LocalFs {
    pub(in crate::files) fn new(root: PathBuf) -> Self {
        let tree = PrivateTree::new(root);
        Self { locks: OwnerLocks::new(tree.clone()), tree, leader_locks: Mutex::default() }
    }

    /// Lists all run folders, each with its time of last change.
    fn run_folders(&self) -> io::Result<Vec<(SystemTime, String)>> {
        let entries = self.tree.entries("")?.into_iter();
        let runs = entries.filter(|entry| !entry.name.starts_with('.'));
        Ok(runs.map(|entry| (entry.changed_at, entry.name)).collect())
    }

    /// Makes the folder of a stage. Its name is flushed together with the manifest.
    fn make_folder_of(&self, name: &str) -> io::Result<()> {
        let Some((folder, _)) = name.rsplit_once('/') else { return Ok(()) };
        match self.tree.make_last_folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.tree.make_folder(folder),
            made => made,
        }
    }

    fn lock_by(
        &self,
        run: &str,
        may_be_new: bool,
        take: impl Fn(&File) -> io::Result<()>,
    ) -> io::Result<Option<File>> {
        let name = format!("{run}/{LOCK_FILE}");
        loop {
            if may_be_new {
                self.make_run_folder(run)?;
            }
            let file = match self.tree.open_lock(&name) {
                // Another process removed the folder meanwhile.
                Err(error) if may_be_new && error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            take(&file)?;
            // Another process may have removed the folder meanwhile. Then another process may hold the lock in
            // a new folder.
            let is_current = match (file.metadata(), self.tree.open(&name).and_then(|file| file.metadata())) {
                (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
                _ => false,
            };
            if is_current {
                return Ok(Some(file));
            }
        }
    }

    /// Creates a run's folder. Its name is flushed together with its first content.
    fn make_run_folder(&self, run: &str) -> io::Result<()> {
        match self.tree.make_last_folder(run) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.tree.make_folder(run),
            made => made,
        }
    }
}

impl FileBackend for LocalFs {
    fn place(&self, name: &str) -> String {
        self.tree.path(name).display().to_string()
    }

    fn has_shared_create_if_absent(&self) -> bool {
        false
    }

    /// Create-if-absent works only among processes of this machine; other machines have other disks.
    fn check_create_if_absent(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn read(&self, name: &str) -> io::Result<Option<Stored>> {
        match self.tree.read(name, FILE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(Stored { bytes, version: ETag(None) })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(self.tree.look(name)?.is_some())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_folder_of(name)?;
        self.tree.create(name, bytes)
    }

    fn create_unflushed(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_folder_of(name)?;
        self.tree.create_unflushed(name, bytes)
    }

    fn write_all(&self, files: &[GroupFile<'_>]) -> Vec<io::Result<()>> {
        for file in files.iter().filter(|file| file.is_new) {
            // Without the folder, the write of the file says why.
            let _ = self.make_folder_of(file.name);
        }
        self.tree.write_group(files, || Ok(()))
    }

    /// The caller holds the lock of each file.
    fn compare_and_swap_all(&self, swaps: &[Swap<'_>]) -> Vec<io::Result<ETag>> {
        let files: Vec<GroupFile<'_>> = swaps
            .iter()
            .map(|swap| GroupFile { name: swap.name, bytes: swap.bytes, is_new: false })
            .collect();
        let unflushed: BTreeSet<&String> = swaps.iter().flat_map(|swap| swap.unflushed).collect();
        let flush = || unflushed.iter().try_for_each(|folder| self.tree.flush(folder));
        let replaced = self.tree.write_group(&files, flush);
        failpoints::hit("mirror-manifests-written");
        let flushed = |(replaced, swap): (io::Result<()>, &Swap<'_>)| {
            replaced.and_then(|()| self.tree.flush(folder_of(swap.name))).map(|()| ETag(None))
        };
        replaced.into_iter().zip(swaps).map(flushed).collect()
    }

    fn touch(&self, name: &str) -> io::Result<()> {
        self.tree.touch(name)
    }

    fn make_folder(&self, name: &str) -> io::Result<()> {
        self.tree.make_folder(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.tree.replace(name, bytes)
    }

    /// The caller holds the lock, so no other process has changed the file since it was read.
    fn compare_and_swap(
        &self,
        name: &str,
        bytes: &[u8],
        _: Option<&ETag>,
        unflushed: &[String],
    ) -> io::Result<ETag> {
        self.tree.replace_after(name, bytes, || self.flush(unflushed))?;
        self.tree.flush(folder_of(name))?;
        Ok(ETag(None))
    }

    fn flush(&self, folders: &[String]) -> io::Result<()> {
        folders.iter().try_for_each(|folder| self.tree.flush(folder))
    }

    fn quarantine(&self, name: &str, quarantined: &str, _: Option<&ETag>) -> io::Result<()> {
        self.tree.rename(name, quarantined)
    }

    fn conditional_delete(&self, name: &str, _: &ETag) -> io::Result<()> {
        self.remove(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.tree.remove(name)
    }

    fn remove_below(&self, folder: &str, kept: &[&str]) -> io::Result<()> {
        for name in self.tree.names(folder)? {
            if name == LOCK_FILE || kept.contains(&name.as_str()) {
                continue;
            }
            self.tree.remove_all(&format!("{folder}/{name}"))?;
        }
        Ok(())
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        self.tree.names(folder)
    }

    /// The folders that changed last, because a local folder has no index.
    fn newest_runs(&self, limit: usize) -> io::Result<Newest> {
        let mut runs = self.run_folders()?;
        let has_more = runs.len() > limit;
        if has_more {
            runs.select_nth_unstable_by_key(limit, |(changed_at, _)| Reverse(*changed_at));
            runs.truncate(limit);
        }
        Ok(Newest { runs: runs.into_iter().map(|(_, name)| (None, name)).collect(), has_more })
    }

    /// The folders that have not changed since then.
    fn runs_before(&self, before: Timestamp) -> io::Result<Vec<String>> {
        let before: SystemTime = before.into();
        let mut runs = self.run_folders()?;
        runs.retain(|(changed_at, _)| *changed_at < before);
        runs.sort();
        Ok(runs.into_iter().map(|(_, name)| name).collect())
    }

    fn has_run(&self, run: &str) -> io::Result<bool> {
        Ok(matches!(self.tree.look(run), Ok(Some(entry)) if entry.is_folder))
    }

    fn holds_nothing(&self, run: &str) -> io::Result<bool> {
        Ok(self.tree.names(run)?.iter().all(|name| name == LOCK_FILE))
    }

    fn remove_run(&self, run: &str) -> io::Result<()> {
        for entry in self.tree.entries(run)? {
            // The lock file goes with the folder. A process that waits for it notices that its path now names
            // another file.
            if !entry.is_folder {
                self.tree.remove(&format!("{run}/{}", entry.name))?;
            }
        }
        match self.tree.remove_empty(run) {
            // The id is in use again.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => removed,
        }
    }

    fn try_become_leader(&self, folder: &str) -> io::Result<bool> {
        let mut leader_locks = self.leader_locks.lock();
        if leader_locks.contains_key(folder) {
            return Ok(true);
        }
        // A run's name has no dot, so this cannot be a run.
        self.tree.make_folder(folder)?;
        let file = self.tree.open_lock(&format!("{folder}/{LOCK_FILE}"))?;
        match file.try_lock() {
            Ok(()) => {
                leader_locks.insert(folder.to_owned(), file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn note_run(&self, _: &str, _: i64) -> io::Result<()> {
        Ok(())
    }

    fn forget_run(&self, _: &str, _: i64) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, run: &str, may_be_new: bool) -> io::Result<Option<File>> {
        self.lock_by(run, may_be_new, File::lock)
    }

    fn try_lock(&self, run: &str, may_be_new: bool) -> io::Result<Option<File>> {
        self.lock_by(run, may_be_new, |file| match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "another task or process works on the run"))
            }
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        })
    }

    fn has_leftovers(&self, folder: &str) -> io::Result<bool> {
        self.tree.has_temporaries(folder)
    }

    fn clear_leftovers(&self, folder: &str) -> io::Result<()> {
        self.tree.remove_temporaries(folder)
    }

    fn hold(&self, owner: &str) -> io::Result<()> {
        self.locks.hold(owner)
    }

    fn is_alive(&self, owner: &str, _: bool) -> io::Result<bool> {
        self.locks.is_alive(owner)
    }

    fn owner_lease(&self, _: &str) -> OwnerLease {
        OwnerLease::Endless
    }

    /// The operating system releases the locks.
    fn leave(&self) {}

    /// A lock is either free or held, so no delay is needed.
    fn detection_delay(&self) -> Duration {
        Duration::ZERO
    }
}
