//! The sources of the storage flags: the environment at the start, and a file that may change them while runs
//! are active.
//!
//! The file holds `KEY=value` lines and overrides the environment, key by key. Operators replace it by
//! rename. If its content is unreadable or incomplete, or would switch off all storage, the last good flags
//! stay, and an alarm is raised. They survive a restart: a copy of the last good content lies on the local disk of
//! this replica. The file is polled, because inotify does not support every kind of mount. Half a second of delay
//! is short enough for a person.

mod content;
mod limited;
mod snapshot;

use std::{path::PathBuf, sync::Arc};

use foundation::safe_read;
use parking_lot::Mutex;
use pipeline::clock::Clock;
use storage::mode::{Flags, is_known, is_true};
use tokio::sync::watch;

use content::{BYTES_MAX, text_of};
use limited::LimitedCall;
use snapshot::Snapshot;

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
    /// None keeps the last good content only while the process lives.
    snapshot: Option<Snapshot>,
    reads: LimitedCall,
    /// Requests take this lock, so no call to a disk is made under it.
    state: Mutex<FileState>,
}

#[derive(Debug, Default)]
struct FileState {
    alarm: Option<String>,
    basis: Option<Basis>,
}

/// Where the flags come from while the file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// The file was good since the start.
    LastGood,
    /// The file has not been good since the start, but a copy of its last good content was.
    Snapshot,
    /// The disk with the copy does not answer. As soon as it does, the copy counts.
    Unanswered,
    Environment,
}

impl Basis {
    const fn as_str(self) -> &'static str {
        match self {
            Self::LastGood => "the last good flags stay",
            Self::Snapshot => "the last good flags from before the start stay",
            Self::Unanswered | Self::Environment => "the flags of the environment apply",
        }
    }
}

impl FlagSource {
    /// Creates the source and reads the flags for the first time. `state_folder` keeps the last good content.
    #[must_use]
    pub fn new(
        defaults: Defaults,
        file: Option<PathBuf>,
        state_folder: Option<PathBuf>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let kept = |path: &PathBuf| {
            state_folder.map(|folder| Snapshot::new(folder, path.clone(), clock.clone(), snapshot::write))
        };
        Self::over(defaults, file.map(|path| (kept(&path), path)))
    }

    fn over(defaults: Defaults, file: Option<(Option<Snapshot>, PathBuf)>) -> Self {
        let Defaults { database_writes, file_fallback } = defaults;
        let (sender, _) = watch::channel(Flags { database_writes, file_fallback, revision: 1 });
        let file = file.map(|(snapshot, path)| {
            let (reads, state) = (LimitedCall::default(), Mutex::default());
            Arc::new(WatchedFile { path, snapshot, reads, state })
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
        match file.read().and_then(|text| Ok((self.parse(&text)?, text))) {
            Ok((flags, text)) => {
                self.apply(flags);
                *file.state.lock() = FileState { alarm: None, basis: Some(Basis::LastGood) };
                if let Some(snapshot) = &file.snapshot {
                    snapshot.keep(text);
                }
            }
            Err(reason) => {
                let known = file.state.lock().basis.filter(|basis| *basis != Basis::Unanswered);
                let basis = known.unwrap_or_else(|| self.fall_back(file));
                let alarm = format!("FLAGS_FILE {}: {reason}; {}", file.path.display(), basis.as_str());
                let mut state = file.state.lock();
                if state.alarm.as_ref() != Some(&alarm) {
                    tracing::error!(event = "flags_file_rejected", "{alarm}");
                }
                *state = FileState { alarm: Some(alarm), basis: Some(basis) };
            }
        }
    }

    /// Takes the flags of the snapshot, if there is one.
    fn fall_back(&self, file: &WatchedFile) -> Basis {
        let Some(snapshot) = &file.snapshot else { return Basis::Environment };
        let Ok(text) = snapshot.load() else { return Basis::Unanswered };
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
    fn read(&self) -> Result<String, String> {
        let path = self.path.clone();
        text_of(self.reads.run(move || safe_read::read(&path, BYTES_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use std::{io, path::Path, time::Duration};

    use pipeline::testing::ManualClock;
    use storage::mode::Mode;

    use super::*;

    const BOTH: Defaults = Defaults { database_writes: true, file_fallback: true };

    fn source(defaults: Defaults, file: Option<PathBuf>) -> FlagSource {
        FlagSource::new(defaults, file, None, &clock())
    }

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::new())
    }

    fn mode_of(source: &FlagSource) -> (Mode, u64) {
        let flags = *source.sender.borrow();
        (flags.mode(), flags.revision)
    }

    #[test]
    fn the_flags_file_overrides_the_environment_per_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags");
        std::fs::write(&path, "# an incident\n\nENABLE_DATABASE_WRITES = off\n").unwrap();
        let source = source(BOTH, Some(path.clone()));
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
        let source = source(BOTH, Some(path.clone()));
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
        assert_eq!(mode_of(&source(none, None)), (Mode::Invalid, 1));
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
            let source = source(BOTH, Some(path.to_owned()));
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
        let start = || FlagSource::new(BOTH, Some(path.clone()), Some(state.clone()), &clock());
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
        std::fs::write(state.join(snapshot::PLACE), "torn").unwrap();
        let damaged = start();
        assert!(damaged.alarm().unwrap().contains(Basis::Environment.as_str()));
    }

    #[test]
    fn old_and_foreign_copies_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let (path, state) = (folder.path().join("flags"), folder.path().join("state"));
        let clock = Arc::new(ManualClock::new());
        let dynamic: Arc<dyn Clock> = clock.clone();
        let start = |path: &Path| FlagSource::new(BOTH, Some(path.into()), Some(state.clone()), &dynamic);
        std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
        let source = start(&path);
        let days = |days: u64| Duration::from_secs(days * 86_400);
        clock.advance(days(5));
        // The file is as good as before, which confirms the copy.
        source.look();
        clock.advance(days(5));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mode_of(&start(&path)).0, Mode::FileOnly);
        assert_eq!(mode_of(&start(&folder.path().join("other"))).0, Mode::DualWrite);
        clock.advance(days(2));
        assert_eq!(mode_of(&start(&path)).0, Mode::DualWrite);
    }

    /// The test holds it as long as the disk hangs.
    static DISK: Mutex<()> = Mutex::new(());

    fn write_slowly(folder: &Path, content: &[u8]) -> io::Result<()> {
        let _answer = DISK.lock();
        snapshot::write(folder, content)
    }

    #[test]
    fn a_hung_disk_does_not_hold_flags_up() {
        let folder = tempfile::tempdir().unwrap();
        let (path, state) = (folder.path().join("flags"), folder.path().join("state"));
        let hung = DISK.lock();
        std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
        let snapshot = Snapshot::new(state.clone(), path.clone(), clock(), write_slowly);
        let source = FlagSource::over(BOTH, Some((Some(snapshot), path.clone())));
        assert_eq!((mode_of(&source), source.alarm()), ((Mode::FileOnly, 2), None));
        std::fs::write(&path, "ENABLE_FILE_FALLBACK=false\n").unwrap();
        source.look();
        assert_eq!((mode_of(&source), source.alarm()), ((Mode::DatabaseOnly, 3), None));
        drop(hung);
        let kept = || std::fs::read_to_string(state.join(snapshot::PLACE)).unwrap_or_default();
        while !kept().contains("ENABLE_FILE_FALLBACK") {
            source.look();
        }
    }
}
