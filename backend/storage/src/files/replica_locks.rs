//! Remembers on a local disk which replicas live there, which died there, and what they last saw in the
//! registry.
//!
//! A container that restarts after a kill finds its dead self in the registry for ten minutes. The lock of
//! that dead self on this disk is free, so it is no other replica. A container that restarts during an
//! outage cannot look at the registry. It goes on with the last look of its dead self: any other replica
//! that started since then counts that dead self as alive for as long as the look is valid.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    time::Duration,
};

use chrono::TimeDelta;
use parking_lot::Mutex;
use pipeline::{clock::Timestamp, record::sha256_hex};

use crate::{
    files::{config::StoragePlace, layout::REPLICAS_FOLDER},
    private_tree::PrivateTree,
};

/// How long the registry counts a silent replica as alive. A look of a dead replica is valid as long.
const LOOK_VALID: TimeDelta = TimeDelta::minutes(10);

/// The registry forgets a replica after a day, and so does the disk.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(1);

/// A file holds one word and one number.
const FILE_BYTES_MAX: u64 = 64;

/// A longer id of a replica is replaced by its digest.
const ID_BYTES_MAX: usize = 64;

/// The replicas of one disk.
#[derive(Debug)]
pub struct ReplicaLocks {
    tree: PrivateTree,
    own: Mutex<Option<Own>>,
}

/// This replica's place on the disk.
#[derive(Debug)]
struct Own {
    /// Locked as long as the process lives.
    file: File,
    /// The newest note of a dead replica when this one entered.
    last: Option<Note>,
}

/// A replica's note about its last look at the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    at_ms: i64,
    word: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Alone,
    Others,
    /// The replica has said goodbye to the registry.
    Left,
}

impl Word {
    const ALL: [Self; 3] = [Self::Alone, Self::Others, Self::Left];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Others => "others",
            Self::Left => "left",
        }
    }
}

impl Note {
    fn parse(text: &str) -> Option<Self> {
        let (word, at_ms) = text.trim_end().split_once(' ')?;
        let word = Word::ALL.into_iter().find(|known| known.as_str() == word)?;
        Some(Self { at_ms: at_ms.parse().ok()?, word })
    }

    fn age(self, now: Timestamp) -> TimeDelta {
        TimeDelta::milliseconds(now.timestamp_millis().saturating_sub(self.at_ms))
    }

    /// How long others may still count the replica, which was alone, as alive.
    fn look_left(self, now: Timestamp) -> Option<Duration> {
        let age = self.age(now);
        // A clock that was set back proves nothing.
        let is_valid = self.word == Word::Alone && (TimeDelta::zero()..LOOK_VALID).contains(&age);
        is_valid.then(|| (LOOK_VALID - age).to_std().unwrap_or_default())
    }
}

impl ReplicaLocks {
    /// None for a bucket: it has no locks, and needs none.
    #[must_use]
    pub fn at(place: &StoragePlace) -> Option<Self> {
        match place {
            StoragePlace::Folder(root) => {
                Some(Self { tree: PrivateTree::new(root.clone()), own: Mutex::default() })
            }
            StoragePlace::Bucket(_) => None,
        }
    }

    /// Announces this replica on its disk, once. If the last replica of this disk died after it had found no other replica in
    /// the registry, returns how long that look is still valid.
    ///
    /// # Errors
    ///
    /// An error of the file system. `WouldBlock` if a living process has the same id.
    pub fn enter(&self, replica: &str, now: Timestamp) -> io::Result<Option<Duration>> {
        let mut own = self.own.lock();
        // An earlier call succeeded after its caller had given up. Its lock would refuse this one.
        if let Some(own) = &*own {
            return Ok(own.last.and_then(|note| note.look_left(now)));
        }
        self.tree.make_folder(REPLICAS_FOLDER)?;
        let last = self.last_note(now)?;
        let file = self.tree.open_lock(&name_of(replica))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        *own = Some(Own { file, last });
        Ok(last.and_then(|note| note.look_left(now)))
    }

    /// Whether a replica lived on this disk and is dead.
    #[must_use]
    pub fn is_dead(&self, replica: &str) -> bool {
        self.tree.open(&name_of(replica)).is_ok_and(|file| file.try_lock_shared().is_ok())
    }

    /// Notes what this replica saw in the registry.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn note_look(&self, has_peers: bool, now: Timestamp) -> io::Result<()> {
        self.write(if has_peers { Word::Others } else { Word::Alone }, now)
    }

    /// Notes that this replica is no longer in the registry: nobody may go on with its look.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn note_goodbye(&self, now: Timestamp) -> io::Result<()> {
        self.write(Word::Left, now)
    }

    fn write(&self, word: Word, now: Timestamp) -> io::Result<()> {
        let mut own = self.own.lock();
        let Some(Own { file, .. }) = own.as_mut() else { return Ok(()) };
        let text = format!("{} {}\n", word.as_str(), now.timestamp_millis());
        // A torn text is no note. After a power cut nothing is known, which counts as not alone.
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(text.as_bytes())
    }

    /// The newest note of a dead replica. Removes forgotten files.
    fn last_note(&self, now: Timestamp) -> io::Result<Option<Note>> {
        let mut last: Option<Note> = None;
        for entry in self.tree.entries(REPLICAS_FOLDER)? {
            let name = format!("{REPLICAS_FOLDER}/{}", entry.name);
            let Ok(mut file) = self.tree.open(&name) else { continue };
            if file.try_lock_shared().is_err() {
                continue;
            }
            match note_in(&mut file) {
                Some(note) if note.age(now) > FORGOTTEN_AFTER => self.tree.remove(&name)?,
                Some(note) if last.is_none_or(|last| last.at_ms < note.at_ms) => last = Some(note),
                _ => {}
            }
        }
        Ok(last)
    }
}

fn name_of(replica: &str) -> String {
    let is_plain = replica.len() <= ID_BYTES_MAX
        && replica.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let name = if is_plain { replica.to_owned() } else { sha256_hex(replica.as_bytes()) };
    format!("{REPLICAS_FOLDER}/{name}.lock")
}

fn note_in(file: &mut File) -> Option<Note> {
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Note::parse(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn locks(folder: &tempfile::TempDir) -> ReplicaLocks {
        ReplicaLocks::at(&StoragePlace::Folder(folder.path().to_owned())).unwrap()
    }

    #[test]
    fn a_free_lock_marks_a_dead_replica() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (locks(&folder), locks(&folder));
        one.enter("one", NOW).unwrap();
        two.enter("two", NOW).unwrap();
        assert!(!two.is_dead("one") && !two.is_dead("elsewhere"));
        drop(one);
        assert!(two.is_dead("one"));
    }

    #[test]
    fn a_look_is_inherited_for_ten_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let one = locks(&folder);
        assert_eq!(one.enter("one", NOW).unwrap(), None, "nothing is known");
        one.note_look(false, NOW).unwrap();
        assert_eq!(locks(&folder).enter("two", NOW).unwrap(), None, "it lives");
        drop(one);
        for (seconds, inherited) in [(0, Some(600)), (599, Some(1)), (600, None), (-1, None)] {
            let at = NOW + TimeDelta::seconds(seconds);
            let inherited = inherited.map(Duration::from_secs);
            assert_eq!(locks(&folder).enter("three", at).unwrap(), inherited, "{seconds}");
        }
        // The same container keeps its id, and its look.
        assert!(locks(&folder).enter("one", NOW).unwrap().is_some());
    }

    #[test]
    fn a_second_entry_repeats_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let one = locks(&folder);
        one.enter("one", NOW).unwrap();
        one.note_look(false, NOW).unwrap();
        drop(one);
        let two = locks(&folder);
        assert_eq!(two.enter("two", NOW).unwrap(), Some(Duration::from_secs(600)));
        two.note_look(true, NOW).unwrap();
        let later = NOW + TimeDelta::seconds(5);
        assert_eq!(two.enter("two", later).unwrap(), Some(Duration::from_secs(595)));
        assert!(locks(&folder).enter("two", later).is_err(), "another process");
    }

    #[test]
    fn company_and_goodbyes_are_not_inherited() {
        for note in [ReplicaLocks::note_goodbye, |one: &ReplicaLocks, at| one.note_look(true, at)] {
            let folder = tempfile::tempdir().unwrap();
            let (older, one) = (locks(&folder), locks(&folder));
            older.enter("older", NOW).unwrap();
            older.note_look(false, NOW).unwrap();
            one.enter("one", NOW).unwrap();
            note(&one, NOW + TimeDelta::seconds(1)).unwrap();
            drop((older, one));
            assert_eq!(locks(&folder).enter("two", NOW + TimeDelta::seconds(2)).unwrap(), None);
        }
    }

    #[test]
    fn odd_ids_stay_inside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let one = locks(&folder);
        one.enter("../../x", NOW).unwrap();
        one.note_look(false, NOW).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join(REPLICAS_FOLDER)).unwrap().count(), 1);
        drop(one);
        let day = NOW + TimeDelta::hours(25);
        locks(&folder).enter("two", day).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join(REPLICAS_FOLDER)).unwrap().count(), 1, "forgotten");
    }
}
