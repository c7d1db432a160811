//! Writes files atomically: the content goes to a temporary file, is flushed, and then gets its name. A crash
//! at any instruction leaves the old state or the new one. The new one is durable once the folder is flushed
//! too.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The suffix of temporary files. It identifies the leftovers of a killed process.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// Creates a file that must not exist. The caller flushes the folder.
///
/// # Errors
///
/// `AlreadyExists` if the file exists; nothing has changed then. Any other error of the file system.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = Temporary::write(path, bytes)?;
    // A hard link fails if the name exists, while a rename would replace it.
    fs::hard_link(&temporary.path, path)
}

/// Writes or replaces a file. The caller flushes the folder.
///
/// # Errors
///
/// An error of the file system. The old content stays.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_after(path, bytes, || Ok(()))
}

/// As [`replace`], and runs `before` between the flush of the content and the rename. A flush in `before`
/// costs little, because a journalling file system has flushed earlier names together with the content.
///
/// # Errors
///
/// An error of the file system or of `before`. The old content stays.
pub fn replace_after(path: &Path, bytes: &[u8], before: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let temporary = Temporary::write(path, bytes)?;
    before()?;
    fs::rename(&temporary.path, path)?;
    temporary.keep();
    Ok(())
}

/// Creates an empty file if it is absent. The caller flushes the folder.
///
/// # Errors
///
/// An error of the file system, except that the file exists.
pub fn touch(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

/// Renames a file within its folder, durably.
///
/// # Errors
///
/// An error of the file system.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    flush_folder_of(to)
}

/// Creates a folder and its parents, durably.
///
/// # Errors
///
/// An error of the file system, also if a file has the folder's name.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => flush_folder_of(path),
    }
}

/// Removes the leftovers of killed processes from a folder. No other process may write to the folder.
///
/// # Errors
///
/// An error of the file system.
pub fn remove_temporaries(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.ends_with(TEMPORARY_SUFFIX))
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Flushes a folder's entries. Without it, a crash can lose the name of a file that was flushed.
///
/// # Errors
///
/// An error of the file system.
pub fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Flushes the folder of a file; see [`flush_folder`].
///
/// # Errors
///
/// An error of the file system.
pub fn flush_folder_of(path: &Path) -> io::Result<()> {
    flush_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// A flushed temporary file. It is removed on drop, unless it is kept.
struct Temporary {
    path: PathBuf,
    remove: bool,
}

impl Temporary {
    fn write(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().and_then(|name| name.to_str()).unwrap_or("file");
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path =
            target.with_file_name(format!(".{name}.{}-{number}{TEMPORARY_SUFFIX}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        // From here on, a failure removes the file.
        let temporary = Self { path, remove: true };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(temporary)
    }

    fn keep(mut self) {
        self.remove = false;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.remove {
            // A failure is harmless, because the next start removes the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        create(&path, b"first").unwrap();
        assert_eq!(create(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        replace(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn of_many_creators_at_once_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let won: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..16u8)
                .map(|n| {
                    let path = &path;
                    scope.spawn(move || usize::from(create(path, &[n; 4096]).is_ok()))
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
        let bytes = fs::read(&path).unwrap();
        assert!(
            bytes.len() == 4096 && bytes.iter().all(|byte| *byte == bytes[0]),
            "one creator's file, whole"
        );
    }
}
