//! Audit records that wait in the file storage for the database.

use std::io;

use crate::{
    control_plane::AuditRecord,
    error::{StorageError, StorageErrorKind},
    files::{
        layout::{AUDIT_FOLDER, audit_file},
        limits::ATTEMPT_TIMEOUT,
        manifest::Manifest,
        run_files::RunFiles,
        store::FileStore,
    },
};

/// Audit records as the files hold them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditFiles {
    /// By id, which is the order of time.
    pub records: Vec<AuditRecord>,
    /// Whether the folder holds more than were read.
    pub has_more: bool,
}

impl FileStore {
    /// Stores one record durably. A record that is there already stays as it is. Their number has no limit: each stands
    /// for one act of a person, and a lost one cannot be made up for.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn add_audit(&self, record: &AuditRecord) -> Result<(), StorageError> {
        let record = record.clone();
        self.guarded("add_audit", AUDIT_FOLDER, ATTEMPT_TIMEOUT, move |files| files.add_audit(&record)).await
    }

    /// Reads the oldest records that wait here, at most `limit`. A damaged record is quarantined.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn oldest_audit(&self, limit: usize) -> Result<AuditFiles, StorageError> {
        self.whole(move |files| files.audit(limit, false)).await
    }

    /// Reads the newest records that wait here, at most `limit`.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn newest_audit(&self, limit: usize) -> Result<AuditFiles, StorageError> {
        self.whole(move |files| files.audit(limit, true)).await
    }

    /// Removes records that the database has, or whose retention is over.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn remove_audit(&self, records: &[AuditRecord]) -> Result<(), StorageError> {
        let names: Vec<String> = records.iter().map(|record| audit_file(&record.id)).collect();
        self.whole(move |files| files.remove_audit(&names)).await
    }
}

impl FileStore {
    /// Returns when a record was added by this process since the last call.
    pub async fn audit_added(&self) {
        self.files.audit_added.notified().await;
    }
}

impl RunFiles {
    /// Stores the record of a change durably, and then makes the change. If the change fails, and `is_made` finds that nothing
    /// has changed, it removes the record again. A process that dies in between leaves a record of a change that did not
    /// happen, and never a change without its record.
    pub(super) fn audited<T>(
        &self,
        record: Option<AuditRecord>,
        change: impl FnOnce() -> Result<T, StorageError>,
        is_made: impl FnOnce() -> Result<bool, StorageError>,
    ) -> Result<T, StorageError> {
        let Some(record) = record else { return change() };
        self.add_audit(&record)?;
        let changed = change();
        // A write without an answer may still happen.
        let is_over = |error: &StorageError| error.kind != StorageErrorKind::Indeterminate;
        if changed.as_ref().is_err_and(is_over) && matches!(is_made(), Ok(false)) {
            self.remove_audit(&[audit_file(&record.id)])?;
        }
        changed
    }

    /// As [`RunFiles::audited`], for a change of a manifest, which names the record.
    pub(super) fn audited_change<T>(
        &self,
        manifest: &mut Manifest,
        record: Option<AuditRecord>,
        change: impl FnOnce(&mut Manifest) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let Some(record) = record else { return change(manifest) };
        let (run, id) = (manifest.run_id.clone(), Some(record.id.clone()));
        manifest.audit_id.clone_from(&id);
        let is_made = || Ok(self.manifests.read(&run)?.is_some_and(|now| now.audit_id == id));
        self.audited(Some(record), || change(manifest), is_made)
    }

    fn add_audit(&self, record: &AuditRecord) -> Result<(), StorageError> {
        if !is_plain(&record.id) {
            let what = format!("{:?} is no id of an audit record", record.id);
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        }
        let name = audit_file(&record.id);
        let bytes = self.io.json_bytes(record, &name)?;
        match self.io.backend.create(&name, &bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created.map_err(|error| self.io.fault(&name, &error))?,
        }
        self.io.flush(&name).map_err(|error| self.io.fault(&name, &error))?;
        self.audit_added.notify_one();
        Ok(())
    }

    fn audit(&self, limit: usize, is_newest: bool) -> Result<AuditFiles, StorageError> {
        let listed = self.io.backend.names(AUDIT_FOLDER);
        let listed = listed.map_err(|error| self.io.fault(AUDIT_FOLDER, &error))?;
        let mut ids: Vec<&str> = listed.iter().filter_map(|name| name.strip_suffix(".json")).collect();
        ids.sort_unstable();
        let has_more = ids.len() > limit;
        let ids = match ids.len().saturating_sub(limit) {
            more if is_newest => ids.split_off(more),
            _ => ids.into_iter().take(limit).collect(),
        };
        let names: Vec<String> = ids.iter().map(|id| audit_file(id)).collect();
        let mut records = Vec::with_capacity(names.len());
        for (name, stored) in names.iter().zip(self.io.backend.read_all(&names)) {
            // Another replica may have imported it meanwhile.
            let Some(stored) = stored.map_err(|error| self.io.fault(name, &error))? else { continue };
            match serde_json::from_slice(&stored.bytes) {
                Ok(record) => records.push(record),
                Err(error) => self.io.quarantine(name, &error.to_string(), Some(&stored.version))?,
            }
        }
        Ok(AuditFiles { records, has_more })
    }

    fn remove_audit(&self, names: &[String]) -> Result<(), StorageError> {
        for name in names {
            // Not flushed. A record that returns after a crash is imported again, which changes nothing.
            self.io.backend.remove(name).map_err(|error| self.io.fault(name, &error))?;
        }
        Ok(())
    }
}

/// Whether an id is usable as a file name.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
