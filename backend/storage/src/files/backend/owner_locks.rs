//! Tracks living processes on a local disk: each holds a locked file as long as it lives.
//!
//! The operating system releases the lock when a process ends, for any reason. A lease by time would delay
//! runs after a restart, and every run on every disk would need renewals.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::atomic;
use parking_lot::Mutex;

/// The locked files of this process, by owner. They stay locked until the store is dropped.
#[derive(Debug)]
pub(super) struct OwnerLocks {
    folder: PathBuf,
    held: Mutex<HashMap<String, File>>,
}

impl OwnerLocks {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, held: Mutex::default() }
    }

    /// Announces this owner as alive, and removes the files of dead owners.
    pub(super) fn hold(&self, owner: &str) -> io::Result<()> {
        let mut held = self.held.lock();
        if held.contains_key(owner) {
            return Ok(());
        }
        atomic::create_folder(&self.folder)?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if !is_locked(&path)? {
                remove_file(&path)?;
            }
        }
        let file = File::options().create(true).truncate(false).write(true).open(self.path(owner))?;
        file.lock()?;
        held.insert(owner.to_owned(), file);
        Ok(())
    }

    /// Whether a living process holds this owner name.
    pub(super) fn is_alive(&self, owner: &str) -> io::Result<bool> {
        if self.held.lock().contains_key(owner) {
            return Ok(true);
        }
        is_locked(&self.path(owner))
    }

    fn path(&self, owner: &str) -> PathBuf {
        // An owner is an id that a process gave itself. Filtering keeps any other text inside this folder.
        let name: String = owner.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        self.folder.join(format!("{name}.lock"))
    }
}

impl Drop for OwnerLocks {
    fn drop(&mut self) {
        let held = std::mem::take(self.held.get_mut());
        for owner in held.keys() {
            // If this fails, the next process removes the file.
            let _ = remove_file(&self.path(owner));
        }
    }
}

fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes a file, if it exists.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
