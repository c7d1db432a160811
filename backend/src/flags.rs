//! The sources of the storage flags: the environment at the start, and a file that may change them while runs
//! are active.
//!
//! The file holds `KEY=value` lines and overrides the environment, key by key. Operators replace it by
//! rename. If its content is unreadable or incomplete, or would switch off all storage, the last good flags
//! stay, and an alarm is raised. The file is polled, because inotify does not support every kind of mount.
//! Half a second of delay is short enough for a person.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::watch;

use storage::mode::{Flags, is_known, is_true};

/// The largest file that is read. It holds two lines and comments.
const BYTES_MAX: u64 = 64 * 1024;

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
    file: Option<PathBuf>,
    alarm: Arc<Mutex<Option<String>>>,
}

impl FlagSource {
    /// Creates the source and reads the flags for the first time.
    #[must_use]
    pub fn new(defaults: Defaults, file: Option<PathBuf>) -> Self {
        let Defaults { database_writes, file_fallback } = defaults;
        let (sender, _) = watch::channel(Flags { database_writes, file_fallback, revision: 1 });
        let source = Self { sender: Arc::new(sender), defaults, file, alarm: Arc::default() };
        source.look();
        source
    }

    /// Returns a receiver of every change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Flags> {
        self.sender.subscribe()
    }

    /// Why the file is rejected, while it is.
    #[must_use]
    pub fn alarm(&self) -> Option<String> {
        self.alarm.lock().clone()
    }

    /// Whether there is a file to read.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file, if there is one. Blocks.
    pub fn look(&self) {
        let Some(path) = &self.file else { return };
        let read = read_bounded(path).and_then(|text| self.parse(&text));
        let alarm = match read {
            Ok((database_writes, file_fallback)) => {
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
                None
            }
            Err(reason) => Some(format!("FLAGS_FILE {}: {reason}; the last good flags stay", path.display())),
        };
        let mut current = self.alarm.lock();
        if *current != alarm {
            if let Some(alarm) = &alarm {
                tracing::error!(event = "flags_file_rejected", "{alarm}");
            }
            *current = alarm;
        }
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

fn read_bounded(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let read = file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if read as u64 > BYTES_MAX {
        return Err(format!("it is larger than {BYTES_MAX} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use storage::mode::Mode;

    use super::*;

    const BOTH: Defaults = Defaults { database_writes: true, file_fallback: true };

    fn mode(source: &FlagSource) -> (Mode, u64) {
        let flags = *source.sender.borrow();
        (flags.mode(), flags.revision)
    }

    #[test]
    fn the_flags_file_overrides_the_environment_per_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags");
        std::fs::write(&path, "# an incident\n\nENABLE_DATABASE_WRITES = off\n").unwrap();
        let source = FlagSource::new(BOTH, Some(path.clone()));
        assert_eq!(mode(&source), (Mode::FileOnly, 2));
        source.look();
        assert_eq!(mode(&source), (Mode::FileOnly, 2), "what has not changed has no new revision");
        std::fs::write(&path, "ENABLE_FILE_FALLBACK=No").unwrap();
        source.look();
        assert_eq!(mode(&source), (Mode::DatabaseOnly, 3));
        std::fs::write(&path, "").unwrap();
        source.look();
        assert_eq!(mode(&source), (Mode::DualWrite, 4));
        assert_eq!(source.alarm(), None);
    }

    #[test]
    fn invalid_content_keeps_the_last_good_flags() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags");
        std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
        let source = FlagSource::new(BOTH, Some(path.clone()));
        for bad in [
            "ENABLE_DATABASE_WRITES=fal",
            "ENABLE_DATABASE_WRI",
            "ENABLE_DATABASE_WRITES=false\nENABLE_FILE_FALLBACK=false\n",
            "ENABLE_DATABASE_WRITE=true\n",
        ] {
            std::fs::write(&path, bad).unwrap();
            source.look();
            assert_eq!(mode(&source), (Mode::FileOnly, 2), "{bad:?}");
            assert!(source.alarm().unwrap().contains("the last good flags stay"), "{bad:?}");
        }
        std::fs::write(&path, [b'#'; BYTES_MAX as usize + 1]).unwrap();
        source.look();
        assert!(source.alarm().unwrap().contains("larger"));
        std::fs::remove_file(&path).unwrap();
        source.look();
        assert_eq!(mode(&source), (Mode::FileOnly, 2));
        assert!(source.alarm().is_some());
        std::fs::write(&path, "ENABLE_DATABASE_WRITES=true\n").unwrap();
        source.look();
        assert_eq!(mode(&source), (Mode::DualWrite, 3));
        assert_eq!(source.alarm(), None);
    }

    #[test]
    fn the_environment_may_say_that_nothing_is_stored() {
        let none = Defaults { database_writes: false, file_fallback: false };
        assert_eq!(mode(&FlagSource::new(none, None)), (Mode::Invalid, 1));
    }
}
