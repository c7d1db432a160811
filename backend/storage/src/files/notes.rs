//! Small files of the service itself beside the runs, for what must work while the database is away.

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        layout::{
            ALERT_REPORTS_FOLDER, ALERT_SILENCES_FOLDER, ALERTS_FOLDER, DEPLOYMENTS_FOLDER, FLAG_ACKS_FOLDER,
            FLAG_ORDERS_FOLDER, FLAG_REFUSED_FOLDER,
        },
        run_files::RunFiles,
        store::FileStore,
    },
};

/// The most notes that one look at a folder reads. A folder of ours holds one note per replica, or per order of an outage.
const NOTES_MAX: usize = 200;

/// A larger note is none of ours.
const NOTE_BYTES_MAX: usize = 64 * 1024;

/// The longest name of a note, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// A folder of notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteFolder {
    /// Orders to change flags, given while the database was away.
    FlagOrders,
    /// Orders that nobody may obey, for a person who wants to know what they said.
    FlagRefused,
    /// The flags that each replica has applied.
    FlagAcks,
    /// Deployments that the database does not have yet, and the arbiter's memory.
    Deployments,
    /// The state of all alerts.
    Alerts,
    /// The reports of the replicas, for the one that notifies.
    AlertReports,
    /// Silences that people have ordered.
    AlertSilences,
}

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl NoteFolder {
    const fn name(self) -> &'static str {
        match self {
            Self::FlagOrders => FLAG_ORDERS_FOLDER,
            Self::FlagRefused => FLAG_REFUSED_FOLDER,
            Self::FlagAcks => FLAG_ACKS_FOLDER,
            Self::Deployments => DEPLOYMENTS_FOLDER,
            Self::Alerts => ALERTS_FOLDER,
            Self::AlertReports => ALERT_REPORTS_FOLDER,
            Self::AlertSilences => ALERT_SILENCES_FOLDER,
        }
    }
}

impl FileStore {
    /// Writes or replaces a note durably.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name or the size is not that of a note. `Unavailable` if the files cannot be written.
    /// `Indeterminate` if the store does not answer in time.
    pub async fn write_note(
        &self,
        folder: NoteFolder,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<(), StorageError> {
        let path = path_of(folder, name)?;
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(StorageError::new(
                StorageErrorKind::Invalid,
                format!("{path}: the note is too large"),
            ));
        }
        self.whole(move |files| {
            let io = &files.io;
            let make = || io.backend.make_folder(folder.name());
            let written = make()
                .and_then(|()| io.backend.replace(&path, &bytes))
                .and_then(|()| io.backend.flush(&[folder.name().to_owned()]));
            written.map_err(|error| io.fault(&path, &error))
        })
        .await
    }

    /// Moves a note to another folder. Killed in between, it is in both, and the next call removes it here.
    ///
    /// # Errors
    ///
    /// As [`FileStore::write_note`].
    pub async fn move_note(&self, from: NoteFolder, to: NoteFolder, note: &Note) -> Result<(), StorageError> {
        self.write_note(to, &note.name, note.bytes.clone()).await?;
        self.remove_note(from, &note.name).await
    }

    /// Reads the notes of a folder in the order of their names: of too many the last ones. A note that is too large to be one
    /// of ours has no content.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn notes(&self, folder: NoteFolder) -> Result<Vec<Note>, StorageError> {
        self.whole(move |files| read_all(files, folder)).await
    }

    /// Removes a note, if it is there.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if the store does not answer in time.
    pub async fn remove_note(&self, folder: NoteFolder, name: &str) -> Result<(), StorageError> {
        let path = path_of(folder, name)?;
        self.whole(move |files| files.io.backend.remove(&path).map_err(|error| files.io.fault(&path, &error)))
            .await
    }
}

fn read_all(files: &RunFiles, folder: NoteFolder) -> Result<Vec<Note>, StorageError> {
    let io = &files.io;
    let mut names = io.backend.names(folder.name()).map_err(|error| io.fault(folder.name(), &error))?;
    names.retain(|name| is_plain(name));
    names.sort();
    let newest = names.split_off(names.len().saturating_sub(NOTES_MAX));
    let mut notes = Vec::new();
    for name in newest {
        if let Some(stored) = io.read(&format!("{}/{name}", folder.name()))? {
            let is_ours = stored.bytes.len() <= NOTE_BYTES_MAX;
            notes.push(Note { name, bytes: if is_ours { stored.bytes } else { Vec::new() } });
        }
    }
    Ok(notes)
}

fn path_of(folder: NoteFolder, name: &str) -> Result<String, StorageError> {
    if is_plain(name) {
        Ok(format!("{}/{name}", folder.name()))
    } else {
        Err(StorageError::new(StorageErrorKind::Invalid, format!("{name:?} is no name of a note")))
    }
}

/// Whether a name is of our own making, and no temporary file.
fn is_plain(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pipeline::testing::ManualClock;

    use super::*;

    #[tokio::test]
    async fn notes_are_replaced_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::new(folder.path().join("runs"), Arc::new(ManualClock::new()));
        assert_eq!(store.notes(NoteFolder::FlagOrders).await, Ok(Vec::new()), "no folder yet");
        for (name, text) in [("b", "1"), ("a", "2"), ("b", "3")] {
            store.write_note(NoteFolder::FlagOrders, name, text.into()).await.unwrap();
        }
        let all = store.notes(NoteFolder::FlagOrders).await.unwrap();
        let texts: Vec<_> = all.iter().map(|note| (note.name.as_str(), note.bytes.as_slice())).collect();
        assert_eq!(texts, [("a", b"2".as_slice()), ("b", b"3")]);
        store.remove_note(NoteFolder::FlagOrders, "a").await.unwrap();
        store.remove_note(NoteFolder::FlagOrders, "a").await.unwrap();
        for _ in 0..2 {
            store.move_note(NoteFolder::FlagOrders, NoteFolder::FlagRefused, &all[1]).await.unwrap();
            assert_eq!(store.notes(NoteFolder::FlagOrders).await, Ok(Vec::new()));
            assert_eq!(store.notes(NoteFolder::FlagRefused).await, Ok(vec![all[1].clone()]));
        }
        assert_eq!(store.notes(NoteFolder::FlagAcks).await, Ok(Vec::new()));
        for bad in ["", "../x", "a/b", ".hidden", &"x".repeat(101)] {
            let kind = store.write_note(NoteFolder::FlagAcks, bad, Vec::new()).await.unwrap_err().kind;
            assert_eq!(kind, StorageErrorKind::Invalid, "{bad:?}");
        }
    }
}
