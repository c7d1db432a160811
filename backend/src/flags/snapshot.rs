//! A copy of the last good flags of one source, on the local disk of this replica: of the flags file, of the database, or of
//! an order. It counts at a later start, if the source cannot be used then.
//!
//! The copy names its source and the time at which that source was good. A copy of another source, or an old one,
//! tells nothing about the present: it could bring back the flags of an incident that ended long ago.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::TimeDelta;
use parking_lot::Mutex;
use pipeline::clock::{Clock, Timestamp};
use storage::private_tree::PrivateTree;

use super::{
    content::{BYTES_MAX, text_of},
    limited::LimitedCall,
};

/// The copy of the flags file, below the local storage folder. No run has a name with a dot.
pub(super) const FILE_PLACE: &str = ".flags/last-good";
/// The copy of the database's flags.
pub(super) const DATABASE_PLACE: &str = ".flags/database";
/// The copy of the order in effect.
pub(super) const ORDER_PLACE: &str = ".flags/order";
const FOLDER: &str = ".flags";

/// The room for the first line. The system allows a path of 4096 bytes, and escapes make it longer.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// A copy of a source that was last good so long ago does not count. An incident, a weekend and a late repair fit.
const VALID: TimeDelta = TimeDelta::days(7);

/// A good source that does not change confirms its copy as often: seldom enough for any disk.
const CONFIRMED_EVERY: TimeDelta = TimeDelta::hours(1);

/// The start of the first line. The time follows, in milliseconds since 1970, and the name of the source.
const HEADER: &str = "# good at ";

/// The call that writes the copy. Tests let it hang.
pub(super) type Write = fn(&Path, &str, &[u8]) -> io::Result<()>;

#[derive(Debug)]
pub(super) struct Snapshot {
    folder: PathBuf,
    place: &'static str,
    /// The source, in one line.
    name: String,
    clock: Arc<dyn Clock>,
    write: Write,
    disk: LimitedCall,
    /// No call to the disk is made under this lock.
    kept: Mutex<Kept>,
}

/// The copy, as far as this process knows.
#[derive(Debug, Default)]
struct Kept {
    text: Option<String>,
    at: Timestamp,
    is_failing: bool,
}

impl Snapshot {
    /// Of the flags file.
    pub(super) fn of_file(folder: PathBuf, flags_file: &Path, clock: Arc<dyn Clock>, write: Write) -> Self {
        Self::new(folder, FILE_PLACE, format!("{flags_file:?}"), clock, write)
    }

    /// Of the flags in the database.
    pub(super) fn of_database(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self::new(folder, DATABASE_PLACE, "database".to_owned(), clock, write)
    }

    /// Of the order in effect.
    pub(super) fn of_order(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self::new(folder, ORDER_PLACE, "order".to_owned(), clock, write)
    }

    fn new(folder: PathBuf, place: &'static str, name: String, clock: Arc<dyn Clock>, write: Write) -> Self {
        Self { folder, place, name, clock, write, disk: LimitedCall::default(), kept: Mutex::default() }
    }

    /// Keeps good content for a later start. Blocks, for a limited time.
    pub(super) fn keep(&self, text: String) {
        let now = self.clock.now();
        if self.kept.lock().holds(&text, now) {
            return;
        }
        let content = format!("{HEADER}{} {}\n{text}", now.timestamp_millis(), self.name);
        let (folder, place, write) = (self.folder.clone(), self.place, self.write);
        let written = self.disk.run(move || write(&folder, place, content.as_bytes()));
        let mut kept = self.kept.lock();
        match written {
            Ok(()) => *kept = Kept { text: Some(text), at: now, is_failing: false },
            Err(error) if !kept.is_failing => {
                kept.is_failing = true;
                tracing::warn!(
                    event = "flags_snapshot_failed",
                    place = %self.folder.join(self.place).display(),
                    %error,
                    "the last good flags could not be kept; if their source is unreadable at the next start, they do not apply then"
                );
            }
            Err(_) => {}
        }
    }

    /// The last good content of this source, if there is a copy that counts. Blocks, for a limited time.
    ///
    /// # Errors
    ///
    /// `TimedOut` if the disk does not answer.
    pub(super) fn load(&self) -> io::Result<Option<String>> {
        let (folder, place) = (self.folder.clone(), self.place);
        let read = self.disk.run(move || PrivateTree::new(folder).read(place, BYTES_MAX + HEADER_BYTES_MAX));
        if let Err(error) = &read
            && error.kind() == io::ErrorKind::TimedOut
        {
            return Err(error.kind().into());
        }
        // A damaged copy counts as absent.
        Ok(text_of(read).ok().and_then(|content| self.valid(&content)))
    }

    fn valid(&self, content: &str) -> Option<String> {
        let (header, text) = content.split_once('\n')?;
        let (at_ms, name) = header.strip_prefix(HEADER)?.split_once(' ')?;
        let at_ms: i64 = at_ms.parse().ok()?;
        let age = TimeDelta::milliseconds(self.clock.now().timestamp_millis().saturating_sub(at_ms));
        (name == self.name && age < VALID).then(|| text.to_owned())
    }
}

impl Kept {
    fn holds(&self, text: &str, now: Timestamp) -> bool {
        self.text.as_deref() == Some(text) && now - self.at < CONFIRMED_EVERY
    }
}

/// Writes the copy durably, and removes what a killed process has left half written.
///
/// # Errors
///
/// An error of the file system. The old copy stays.
pub(super) fn write(folder: &Path, place: &str, content: &[u8]) -> io::Result<()> {
    let tree = PrivateTree::new(folder.to_owned());
    tree.make_folder(FOLDER)?;
    tree.remove_temporaries(FOLDER)?;
    tree.replace(place, content)?;
    tree.flush(FOLDER)
}
