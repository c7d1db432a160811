//! Files that are whole or not there: written beside their place, flushed to the disk, then named. A crash at any
//! instruction leaves the old state or the new one; the new one lasts once the name's folder is flushed too.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// What temporary files end in; a leftover of a killed process is known by it.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// Creates a file that must not exist yet. `AlreadyExists` where it does; then nothing has changed. Its name is not
/// flushed.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = Temporary::write(path, bytes)?;
    // A hard link fails where the name is taken; a rename would replace it.
    fs::hard_link(&temporary.path, path)
}

/// Writes a file, replacing one that is there. Its name is not flushed.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_after(path, bytes, || Ok(()))
}

/// As [`replace`], with something done between the flush of the content and the naming. What is flushed then costs little:
/// file systems with a journal have flushed the names that were made before with the content.
pub fn replace_after(path: &Path, bytes: &[u8], before: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let temporary = Temporary::write(path, bytes)?;
    before()?;
    fs::rename(&temporary.path, path)?;
    temporary.keep();
    Ok(())
}

/// Creates an empty file if it is not there. Its name is not flushed.
pub fn touch(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

/// Renames a file within its folder, durably.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    flush_folder_of(to)
}

/// Creates a folder and those above it, durably.
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

/// Removes what killed processes left in a folder. Only for a folder that no other process writes to.
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

/// Makes the folder's entries durable: without it, a crash can forget a file that was flushed.
pub fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// [`flush_folder`] of the folder that a file is in.
pub fn flush_folder_of(path: &Path) -> io::Result<()> {
    flush_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// A flushed file under a name of its own, removed unless kept.
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
        // From here on a failure removes the file again.
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
            // Nothing depends on it: the next start removes what is left.
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
