//! The sources of the storage flags: the environment at the start, and a file that may change them while runs
//! are active.
//!
//! The file holds `KEY=value` lines and overrides the environment, key by key. Operators replace it by
//! rename. If its content is unreadable or incomplete, or would switch off all storage, the last good flags
//! stay, and an alarm is raised. They survive a restart: a copy of the last good content lies on the local disk of
//! this replica. The file is polled, because inotify does not support every kind of mount. Half a second of delay
//! is short enough for a person.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use foundation::safe_read;
use parking_lot::Mutex;
use storage::{
    mode::{Flags, is_known, is_true},
    private_tree::PrivateTree,
};
use tokio::sync::watch;

/// The largest file that is read. It holds two lines and comments.
const BYTES_MAX: usize = 64 * 1024;

/// The copy of the last good content, below the local storage folder. No run has a name with a dot.
const SNAPSHOT: &str = ".flags/last-good";
const SNAPSHOT_FOLDER: &str = ".flags";

/// How long a read may take. A file on a dead mount never answers, and must not hold up the start.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// The flags of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    pub database_writes: bool,
    pub file_fallback: bool,
}

/// The current flags.
#[derive(Debug, Clone)]
pub struct FlagSource {
    sender: Arc<watch::Sender<Flags>>,
    defaults: Defaults,
    file: Option<Arc<WatchedFile>>,
}

/// The flags file, and the state of reading it.
#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    /// The folder that keeps the last good content across restarts. None keeps it only while the process lives.
    state_folder: Option<PrivateTree>,
    state: Mutex<FileState>,
    /// An earlier read has not ended.
    is_reading: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct FileState {
    alarm: Option<String>,
    basis: Option<Basis>,
    /// The content in the snapshot, as far as this process knows.
    kept: Option<String>,
    is_snapshot_failing: bool,
}

/// Where the flags come from while the file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// The file was good since the start.
    LastGood,
    /// The file has not been good since the start, but a copy of its last good content was.
    Snapshot,
    Environment,
}

impl Basis {
    const fn as_str(self) -> &'static str {
        match self {
            Self::LastGood => "the last good flags stay",
            Self::Snapshot => "the last good flags from before the start stay",
            Self::Environment => "the flags of the environment apply",
        }
    }
}

impl FlagSource {
    /// Creates the source and reads the flags for the first time. `state_folder` keeps the last good content.
    #[must_use]
    pub fn new(defaults: Defaults, file: Option<PathBuf>, state_folder: Option<PathBuf>) -> Self {
        let Defaults { database_writes, file_fallback } = defaults;
        let (sender, _) = watch::channel(Flags { database_writes, file_fallback, revision: 1 });
        let file = file.map(|path| {
            let (state, is_reading) = (Mutex::default(), Arc::default());
            Arc::new(WatchedFile {
                path,
                state_folder: state_folder.map(PrivateTree::new),
                state,
                is_reading,
            })
        });
        let source = Self { sender: Arc::new(sender), defaults, file };
        source.look();
        source
    }

    /// Returns a receiver of every change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Flags> {
        self.sender.subscribe()
    }

    /// Why the file is rejected, while it is, and which flags apply.
    #[must_use]
    pub fn alarm(&self) -> Option<String> {
        self.file.as_ref()?.state.lock().alarm.clone()
    }

    /// Which flags apply while the file is rejected: a sentence without names of this machine.
    #[must_use]
    pub fn public_alarm(&self) -> Option<String> {
        let state = self.file.as_ref()?.state.lock();
        let basis = state.alarm.as_ref().and(state.basis)?;
        Some(format!("FLAGS_FILE cannot be used; {}; see the log", basis.as_str()))
    }

    /// Whether there is a file to read.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file, if there is one. Blocks, for a limited time.
    pub fn look(&self) {
        let Some(file) = &self.file else { return };
        let read = file.read().and_then(|text| Ok((self.parse(&text)?, text)));
        let mut state = file.state.lock();
        let alarm = match read {
            Ok((flags, text)) => {
                state.basis = Some(Basis::LastGood);
                self.apply(flags);
                file.keep(&mut state, text);
                None
            }
            Err(reason) => {
                let basis = match state.basis {
                    Some(basis) => basis,
                    None => self.fall_back(file),
                };
                state.basis = Some(basis);
                Some(format!("FLAGS_FILE {}: {reason}; {}", file.path.display(), basis.as_str()))
            }
        };
        if state.alarm != alarm {
            if let Some(alarm) = &alarm {
                tracing::error!(event = "flags_file_rejected", "{alarm}");
            }
            state.alarm = alarm;
        }
    }

    /// Takes the flags of the snapshot, if there is one. A damaged one counts as absent.
    fn fall_back(&self, file: &WatchedFile) -> Basis {
        let text =
            file.state_folder.as_ref().and_then(|folder| text_of(folder.read(SNAPSHOT, BYTES_MAX)).ok());
        match text.and_then(|text| self.parse(&text).ok()) {
            Some(flags) => {
                self.apply(flags);
                Basis::Snapshot
            }
            None => Basis::Environment,
        }
    }

    fn apply(&self, (database_writes, file_fallback): (bool, bool)) {
        self.sender.send_if_modified(|flags| {
            let old = *flags;
            let is_new = (old.database_writes, old.file_fallback) != (database_writes, file_fallback);
            if is_new {
                *flags = Flags { database_writes, file_fallback, revision: old.revision + 1 };
                tracing::warn!(event = "storage_flags_changed",
                    old_mode = %old.mode(),
                    new_mode = %flags.mode(),
                    revision = flags.revision,
                    "storage flags changed by FLAGS_FILE"
                );
            }
            is_new
        });
    }

    /// Parses both flags from the file's lines. A flag that the file lacks comes from the environment.
    fn parse(&self, text: &str) -> Result<(bool, bool), String> {
        let (mut database_writes, mut file_fallback) =
            (self.defaults.database_writes, self.defaults.file_fallback);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = number + 1;
            let (key, value) =
                line.split_once('=').ok_or_else(|| format!("line {number} is not KEY=value"))?;
            let flag = match key.trim() {
                "ENABLE_DATABASE_WRITES" => &mut database_writes,
                "ENABLE_FILE_FALLBACK" => &mut file_fallback,
                _ => {
                    return Err(format!(
                        "line {number} names no flag; known: ENABLE_DATABASE_WRITES, ENABLE_FILE_FALLBACK"
                    ));
                }
            };
            if !is_known(value) {
                return Err(format!("line {number} has a value that is neither true nor false"));
            }
            *flag = is_true(value);
        }
        let flags = Flags { database_writes, file_fallback, revision: 0 };
        if flags.accepts_nothing() {
            return Err("it would switch off all storage".to_owned());
        }
        Ok((database_writes, file_fallback))
    }
}

impl WatchedFile {
    /// Reads the file in a thread of its own, because no call to a dead mount ends.
    fn read(&self) -> Result<String, String> {
        if self.is_reading.swap(true, Ordering::AcqRel) {
            return Err(format!("it does not answer within {READ_TIMEOUT:?}"));
        }
        let (path, is_reading) = (self.path.clone(), self.is_reading.clone());
        let (sender, receiver) = mpsc::sync_channel(1);
        let started = std::thread::Builder::new().name("flags-file".to_owned()).spawn(move || {
            let read = read_text(&path);
            is_reading.store(false, Ordering::Release);
            // Nobody waits any more.
            let _ = sender.send(read);
        });
        if let Err(error) = started {
            self.is_reading.store(false, Ordering::Release);
            return Err(error.to_string());
        }
        receiver
            .recv_timeout(READ_TIMEOUT)
            .unwrap_or_else(|_| Err(format!("it does not answer within {READ_TIMEOUT:?}")))
    }

    /// Keeps good content for the next start.
    fn keep(&self, state: &mut FileState, text: String) {
        let Some(folder) = &self.state_folder else { return };
        if state.kept.as_deref() == Some(text.as_str()) {
            return;
        }
        match write_snapshot(folder, text.as_bytes()) {
            Ok(()) => {
                state.kept = Some(text);
                state.is_snapshot_failing = false;
            }
            Err(error) if !state.is_snapshot_failing => {
                state.is_snapshot_failing = true;
                tracing::warn!(
                    event = "flags_snapshot_failed",
                    place = %folder.path(SNAPSHOT).display(),
                    %error,
                    "the flags of FLAGS_FILE could not be kept; if the file is unreadable at the next start, the environment applies"
                );
            }
            Err(_) => {}
        }
    }
}

fn write_snapshot(folder: &PrivateTree, bytes: &[u8]) -> io::Result<()> {
    folder.replace(SNAPSHOT, bytes)?;
    folder.flush(SNAPSHOT_FOLDER)
}

fn read_text(path: &Path) -> Result<String, String> {
    text_of(safe_read::read(path, BYTES_MAX))
}

fn text_of(read: io::Result<Vec<u8>>) -> Result<String, String> {
    let bytes = read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::FileTooLarge => format!("it is larger than {BYTES_MAX} bytes"),
        _ => error.to_string(),
    })?;
    String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use storage::mode::Mode;

    use super::*;

    const BOTH: Defaults = Defaults { database_writes: true, file_fallback: true };

    fn mode_of(source: &FlagSource) -> (Mode, u64) {
        let flags = *source.sender.borrow();
        (flags.mode(), flags.revision)
    }

    #[test]
    fn the_flags_file_overrides_the_environment_per_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags");
        std::fs::write(&path, "# an incident\n\nENABLE_DATABASE_WRITES = off\n").unwrap();
        let source = FlagSource::new(BOTH, Some(path.clone()), None);
        assert_eq!(mode_of(&source), (Mode::FileOnly, 2));
        source.look();
        assert_eq!(mode_of(&source), (Mode::FileOnly, 2), "what has not changed has no new revision");
        std::fs::write(&path, "ENABLE_FILE_FALLBACK=No").unwrap();
        source.look();
        assert_eq!(mode_of(&source), (Mode::DatabaseOnly, 3));
        std::fs::write(&path, "").unwrap();
        source.look();
        assert_eq!(mode_of(&source), (Mode::DualWrite, 4));
        assert_eq!(source.alarm(), None);
    }

    #[test]
    fn invalid_content_keeps_the_last_good_flags() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags");
        std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
        let source = FlagSource::new(BOTH, Some(path.clone()), None);
        for bad in [
            "ENABLE_DATABASE_WRITES=fal",
            "ENABLE_DATABASE_WRI",
            "ENABLE_DATABASE_WRITES=false\nENABLE_FILE_FALLBACK=false\n",
            "ENABLE_DATABASE_WRITE=true\n",
        ] {
            std::fs::write(&path, bad).unwrap();
            source.look();
            assert_eq!(mode_of(&source), (Mode::FileOnly, 2), "{bad:?}");
            assert!(source.alarm().unwrap().contains("the last good flags stay"), "{bad:?}");
        }
        std::fs::write(&path, [b'#'; BYTES_MAX + 1]).unwrap();
        source.look();
        assert!(source.alarm().unwrap().contains("larger"));
        std::fs::remove_file(&path).unwrap();
        source.look();
        assert_eq!(mode_of(&source), (Mode::FileOnly, 2));
        assert!(source.alarm().is_some());
        std::fs::write(&path, "ENABLE_DATABASE_WRITES=true\n").unwrap();
        source.look();
        assert_eq!(mode_of(&source), (Mode::DualWrite, 3));
        assert_eq!(source.alarm(), None);
    }

    #[test]
    fn the_environment_may_say_that_nothing_is_stored() {
        let none = Defaults { database_writes: false, file_fallback: false };
        assert_eq!(mode_of(&FlagSource::new(none, None, None)), (Mode::Invalid, 1));
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for (path, reason) in [
            (pipe.as_path(), "not a regular file"),
            (Path::new("/dev/zero"), "not a regular file"),
            (folder.path(), "not a regular file"),
            (&folder.path().join("absent"), "no such file"),
        ] {
            let source = FlagSource::new(BOTH, Some(path.to_owned()), None);
            assert_eq!(mode_of(&source), (Mode::DualWrite, 1));
            let alarm = source.alarm().unwrap();
            assert!(alarm.contains(reason) && alarm.contains(Basis::Environment.as_str()), "{alarm}");
            assert!(!source.public_alarm().unwrap().contains(path.to_str().unwrap()));
        }
    }

    #[test]
    fn the_last_good_flags_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (path, state) = (folder.path().join("flags"), folder.path().join("state"));
        let start = || FlagSource::new(BOTH, Some(path.clone()), Some(state.clone()));
        std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
        assert_eq!(mode_of(&start()), (Mode::FileOnly, 2));
        std::fs::remove_file(&path).unwrap();
        let restarted = start();
        assert_eq!(mode_of(&restarted), (Mode::FileOnly, 2));
        assert!(restarted.alarm().unwrap().contains(Basis::Snapshot.as_str()));
        restarted.look();
        assert!(restarted.alarm().unwrap().contains(Basis::Snapshot.as_str()), "and so it stays");
        std::fs::write(&path, "").unwrap();
        restarted.look();
        assert_eq!((mode_of(&restarted), restarted.alarm()), ((Mode::DualWrite, 3), None));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mode_of(&start()), (Mode::DualWrite, 1), "the newest good content counts");
        std::fs::write(state.join(SNAPSHOT), "torn").unwrap();
        let damaged = start();
        assert!(damaged.alarm().unwrap().contains(Basis::Environment.as_str()));
    }
}
