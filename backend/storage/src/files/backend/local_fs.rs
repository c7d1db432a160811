//! Files in a local folder: durable by `fsync`, created by hard links, changed under a lock file.

use std::{
    cmp::Reverse,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use pipeline::clock::Timestamp;

use crate::{
    atomic,
    files::{
        backend::{
            file_backend::{ETag, FileBackend, Newest, OwnerLease, Stored},
            owner_locks::{OwnerLocks, remove_file},
        },
        layout::{LOCK_FILE, OWNERS_FOLDER},
    },
};
use foundation::safe_read;

/// The largest file that is read back. A record of a 400-page report has about 100 KB.
pub(in crate::files) const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A folder that holds all runs.
#[derive(Debug)]
pub(in crate::files) struct LocalFs {
    root: PathBuf,
    locks: OwnerLocks,
    /// Held by the one process that is the leader.
    leader_lock: Mutex<Option<File>>,
}

impl LocalFs {
    pub(in crate::files) fn new(root: PathBuf) -> Self {
        let locks = OwnerLocks::new(root.join(OWNERS_FOLDER));
        Self { root, locks, leader_lock: Mutex::default() }
    }

    /// A name has no `..`. It consists of run ids, without separators and dots, and of internal names.
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }

    /// Lists all run folders, each with its time of last change.
    fn run_folders(&self) -> io::Result<Vec<(SystemTime, String)>> {
        let mut runs = Vec::new();
        for entry in entries(&self.root)? {
            // Some file systems report no time. Then any order will do.
            let changed_at = entry.metadata().and_then(|metadata| metadata.modified());
            if let Ok(name) = entry.file_name().into_string()
                && !name.starts_with('.')
            {
                runs.push((changed_at.unwrap_or(SystemTime::UNIX_EPOCH), name));
            }
        }
        Ok(runs)
    }

    /// Creates a run's folder. Its name is flushed together with its first content.
    fn make_run_folder(&self, run: &str) -> io::Result<()> {
        let folder = self.path(run);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => atomic::create_folder(&folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            made => made,
        }
    }

    /// Creates the folder of a file.
    fn make_room(&self, path: &Path) -> io::Result<()> {
        match path.parent().map_or(Ok(()), atomic::create_folder) {
            // The folder exists as a file. This is not an existing file of the given name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(io::Error::new(io::ErrorKind::NotADirectory, error))
            }
            made => made,
        }
    }
}

/// Lists a folder. Empty if there is no folder.
fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.collect(),
    }
}

impl FileBackend for LocalFs {
    fn place(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn has_shared_create_if_absent(&self) -> bool {
        false
    }

    /// Create-if-absent works only among processes of this machine; other machines have other disks.
    fn check_create_if_absent(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn read(&self, name: &str) -> io::Result<Option<Stored>> {
        match safe_read::read(&self.path(name), FILE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(Stored { bytes, version: ETag(None) })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.path(name).try_exists()
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        // A stage's folder. Its name is flushed together with the manifest.
        if let Some(Err(error)) = path.parent().map(fs::create_dir)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            self.make_room(&path)?;
        }
        atomic::create(&path, bytes)
    }

    fn touch(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        self.make_room(&path)?;
        atomic::touch(&path)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        match atomic::replace(&path, bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_room(&path)?;
                atomic::replace(&path, bytes)
            }
            replaced => replaced,
        }
    }

    /// The caller holds the lock, so no other process has changed the file since it was read.
    fn compare_and_swap(
        &self,
        name: &str,
        bytes: &[u8],
        _: Option<&ETag>,
        unflushed: &[String],
    ) -> io::Result<ETag> {
        let path = self.path(name);
        atomic::replace_after(&path, bytes, || self.flush(unflushed))?;
        atomic::flush_folder_of(&path)?;
        Ok(ETag(None))
    }

    fn flush(&self, folders: &[String]) -> io::Result<()> {
        folders.iter().try_for_each(|folder| atomic::flush_folder(&self.path(folder)))
    }

    fn quarantine(&self, name: &str, quarantined: &str, _: Option<&ETag>) -> io::Result<()> {
        atomic::rename(&self.path(name), &self.path(quarantined))
    }

    fn conditional_delete(&self, name: &str, _: &ETag) -> io::Result<()> {
        self.remove(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        remove_file(&self.path(name))
    }

    fn remove_below(&self, folder: &str, kept: &[&str]) -> io::Result<()> {
        for entry in entries(&self.path(folder))? {
            let name = entry.file_name();
            if name == LOCK_FILE || kept.iter().any(|kept| name == *kept) {
                continue;
            }
            let is_folder = entry.file_type()?.is_dir();
            if is_folder { fs::remove_dir_all(entry.path()) } else { remove_file(&entry.path()) }?;
        }
        Ok(())
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = entries(&self.path(folder))?;
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
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
        Ok(self.path(run).is_dir())
    }

    fn holds_nothing(&self, run: &str) -> io::Result<bool> {
        Ok(entries(&self.path(run))?.iter().all(|entry| entry.file_name() == LOCK_FILE))
    }

    fn remove_run(&self, run: &str) -> io::Result<()> {
        let folder = self.path(run);
        for entry in entries(&folder)? {
            // The lock file goes with the folder. A process that waits for it notices that its path now names
            // another file.
            if entry.file_type()?.is_file() {
                remove_file(&entry.path())?;
            }
        }
        match fs::remove_dir(&folder) {
            // The id is in use again.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => removed,
        }
    }

    fn try_become_leader(&self, folder: &str) -> io::Result<bool> {
        let mut leader_lock = self.leader_lock.lock();
        if leader_lock.is_some() {
            return Ok(true);
        }
        // A run's name has no dot, so this cannot be a run.
        let path = self.path(folder).join(LOCK_FILE);
        self.make_room(&path)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {
                *leader_lock = Some(file);
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
        let path = self.path(run).join(LOCK_FILE);
        loop {
            if may_be_new {
                self.make_run_folder(run)?;
            }
            match safe_read::check(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = match File::options().create(true).truncate(false).write(true).open(&path) {
                // Another process removed the folder meanwhile.
                Err(error) if may_be_new && error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            file.lock()?;
            // Another process may have removed the folder meanwhile. Then another process may hold the lock in
            // a new folder.
            let is_current = match (file.metadata(), fs::metadata(&path)) {
                (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
                _ => false,
            };
            if is_current {
                return Ok(Some(file));
            }
        }
    }

    fn clear_leftovers(&self, folder: &str) -> io::Result<()> {
        let folder = self.path(folder);
        if folder.is_dir() { atomic::remove_temporaries(&folder) } else { Ok(()) }
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
