//! Tracks living processes on a local disk: each holds a locked file as long as it lives.
//!
//! The operating system releases the lock when a process ends, for any reason. A lease by time would delay
//! runs after a restart, and every run on every disk would need renewals.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    io,
};

use parking_lot::Mutex;

use crate::{files::layout::OWNERS_FOLDER, private_tree::PrivateTree};

/// The locked files of this process, by owner. They stay locked until the store is dropped.
#[derive(Debug)]
pub(super) struct OwnerLocks {
    tree: PrivateTree,
    held: Mutex<HashMap<String, File>>,
}

impl OwnerLocks {
    pub(super) fn new(tree: PrivateTree) -> Self {
        Self { tree, held: Mutex::default() }
    }

    /// Announces this owner as alive, and removes the files of dead owners.
    pub(super) fn hold(&self, owner: &str) -> io::Result<()> {
        let mut held = self.held.lock();
        if held.contains_key(owner) {
            return Ok(());
        }
        self.tree.make_folder(OWNERS_FOLDER)?;
        for entry in self.tree.entries(OWNERS_FOLDER)? {
            let name = format!("{OWNERS_FOLDER}/{}", entry.name);
            if !self.is_locked(&name)? {
                self.tree.remove(&name)?;
            }
        }
        let file = self.tree.open_lock(&name_of(owner))?;
        file.lock()?;
        held.insert(owner.to_owned(), file);
        Ok(())
    }

    /// Whether a living process holds this owner name.
    pub(super) fn is_alive(&self, owner: &str) -> io::Result<bool> {
        if self.held.lock().contains_key(owner) {
            return Ok(true);
        }
        self.is_locked(&name_of(owner))
    }

    fn is_locked(&self, name: &str) -> io::Result<bool> {
        let file = match self.tree.open(name) {
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
}

fn name_of(owner: &str) -> String {
    // An owner is an id that a process gave itself. Filtering keeps any other text inside this folder.
    let name: String = owner.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("{OWNERS_FOLDER}/{name}.lock")
}

impl Drop for OwnerLocks {
    fn drop(&mut self) {
        let held = std::mem::take(self.held.get_mut());
        for owner in held.keys() {
            // If this fails, the next process removes the file.
            let _ = self.tree.remove(&name_of(owner));
        }
    }
}
