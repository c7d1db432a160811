//! A folder of files that only their owner reads, and in which no symbolic link is followed.
//!
//! Names are relative to the root, such as `run-1/stage1/inspirations.json`. Each component is opened from the one before it
//! without following a link, so nobody who plants one in the tree leads a read, a write or a removal out of it. The root itself
//! may be a link: its operator names it.
//!
//! Files have the mode 0600 and folders 0700, whatever the umask. Entries that root makes get the owner of their folder, so that
//! the service, which runs as another user, can go on with them.
//!
//! Writes are atomic: the content goes to a temporary file, is flushed, and then gets its name. A crash at any
//! instruction leaves the old state or the new one. The new one is durable once the folder is flushed too.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

/// The suffix of temporary files. It identifies the leftovers of a killed process.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

const FOLDER_MODE: Mode = Mode::RWXU;

const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// For opening a file: no link is followed, and a pipe does not wait for its other end.
const FILE_FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The deepest folder that is removed as a whole. A run's folder has two levels.
const DEPTH_MAX: u8 = 16;

/// A folder and everything below it.
#[derive(Debug, Clone)]
pub struct PrivateTree {
    root: PathBuf,
}

/// A file that is written together with others.
#[derive(Debug, Clone, Copy)]
pub struct GroupFile<'f> {
    pub name: &'f str,
    pub bytes: &'f [u8],
    /// Whether the name must be free. Otherwise, the file replaces what has it.
    pub is_new: bool,
}

/// An entry of a folder.
#[derive(Debug)]
pub struct Entry {
    pub name: String,
    pub is_folder: bool,
    pub is_file: bool,
    pub changed_at: SystemTime,
}

impl PrivateTree {
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// An entry's full path, for people.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }

    /// Opens a folder.
    fn folder(&self, name: &str) -> io::Result<OwnedFd> {
        let mut folder = open_root(&self.root)?;
        for part in parts(name) {
            folder = rustix::fs::openat(&folder, part, FOLDER_FLAGS, Mode::empty())?;
        }
        Ok(folder)
    }

    /// Opens the folder of an entry, and returns it with the entry's own name.
    fn parent<'n>(&self, name: &'n str) -> io::Result<(OwnedFd, &'n str)> {
        let (folder, own) = name.rsplit_once('/').unwrap_or(("", name));
        Ok((self.folder(folder)?, own))
    }

    fn parent_made<'n>(&self, name: &'n str) -> io::Result<(OwnedFd, &'n str)> {
        match self.parent(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folder(name.rsplit_once('/').map_or("", |(folder, _)| folder))?;
                self.parent(name)
            }
            opened => opened,
        }
    }

    /// Makes a folder and its parents, durably.
    ///
    /// # Errors
    ///
    /// An error of the file system, also if a file or a link has the name of a folder.
    pub fn make_folder(&self, name: &str) -> io::Result<()> {
        make_root(&self.root)?;
        let mut folder = open_root(&self.root)?;
        for part in parts(name) {
            if make_folder_in(&folder, part)? {
                rustix::fs::fsync(&folder)?;
            }
            folder = rustix::fs::openat(&folder, part, FOLDER_FLAGS, Mode::empty())?;
        }
        Ok(())
    }

    /// Makes one folder in an existing one, not durably. It may exist.
    ///
    /// # Errors
    ///
    /// `NotFound` without the folder above it. Any other error of the file system.
    pub fn make_last_folder(&self, name: &str) -> io::Result<()> {
        let (folder, own) = self.parent(name)?;
        make_folder_in(&folder, own)?;
        rustix::fs::openat(&folder, own, FOLDER_FLAGS, Mode::empty())?;
        Ok(())
    }

    /// Reads a regular file, and never more than `bytes_max`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for anything but a regular file, `FileTooLarge` for a larger one. Any other error of the file system.
    pub fn read(&self, name: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        let (folder, own) = self.parent(name)?;
        let file = rustix::fs::openat(&folder, own, OFlags::RDONLY | FILE_FLAGS, Mode::empty())?;
        let file = regular(File::from(file))?;
        let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if length > bytes_max {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(length + 1);
        // The file may grow during the read.
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > bytes_max { Err(too_large()) } else { Ok(bytes) }
    }

    /// Creates a file that must not exist, and its folder. The caller flushes the folder.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the name is taken; nothing has changed then. Any other error of the file system.
    pub fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (folder, own) = self.parent_made(name)?;
        let temporary = Temporary::write(folder, own, bytes)?;
        temporary.flush()?;
        temporary.link(own)
    }

    /// As [`PrivateTree::create`], without a flush: after a crash of the system the content may be damaged.
    ///
    /// # Errors
    ///
    /// As [`PrivateTree::create`].
    pub fn create_unflushed(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (folder, own) = self.parent_made(name)?;
        Temporary::write(folder, own, bytes)?.link(own)
    }

    /// Writes several files, and makes their folders. The content of all is flushed before the first one gets its name,
    /// and `before` runs in between. The caller flushes the folders. The results are in the order of the files.
    pub fn write_group(
        &self,
        files: &[GroupFile<'_>],
        before: impl FnOnce() -> io::Result<()>,
    ) -> Vec<io::Result<()>> {
        let mut written: Vec<io::Result<Temporary>> = files.iter().map(|file| self.write_one(file)).collect();
        if files.len() > 1 {
            written.iter().flatten().for_each(Temporary::begin_flush);
        }
        for one in &mut written {
            if let Ok(temporary) = one
                && let Err(error) = temporary.flush()
            {
                *one = Err(error);
            }
        }
        if let Err(error) = before() {
            return files.iter().map(|_| Err(same(&error))).collect();
        }
        let named = |(temporary, file): (io::Result<Temporary>, &GroupFile<'_>)| {
            let own = file.name.rsplit_once('/').map_or(file.name, |(_, own)| own);
            if file.is_new { temporary?.link(own) } else { temporary?.rename(own) }
        };
        written.into_iter().zip(files).map(named).collect()
    }

    fn write_one(&self, file: &GroupFile<'_>) -> io::Result<Temporary> {
        let (folder, own) = self.parent_made(file.name)?;
        Temporary::write(folder, own, file.bytes)
    }

    /// Writes or replaces a file, and makes its folder. The caller flushes the folder.
    ///
    /// # Errors
    ///
    /// An error of the file system. The old content stays.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_after(name, bytes, || Ok(()))
    }

    /// As [`PrivateTree::replace`], and runs `before` between the flush of the content and the rename. A flush in
    /// `before` costs little, because a journalling file system has flushed earlier names together with the content.
    ///
    /// # Errors
    ///
    /// An error of the file system or of `before`. The old content stays.
    pub fn replace_after(
        &self,
        name: &str,
        bytes: &[u8],
        before: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let (folder, own) = self.parent_made(name)?;
        let temporary = Temporary::write(folder, own, bytes)?;
        temporary.flush()?;
        before()?;
        temporary.rename(own)
    }

    /// Creates an empty file and its folder, if the file is absent. The caller flushes the folder.
    ///
    /// # Errors
    ///
    /// An error of the file system, except that the file exists.
    pub fn touch(&self, name: &str) -> io::Result<()> {
        let (folder, own) = self.parent_made(name)?;
        match create_new(&folder, own) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            created => created.map(drop),
        }
    }

    /// Opens a file for its lock, and creates it in an existing folder.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for anything but a regular file. Any other error of the file system.
    pub fn open_lock(&self, name: &str) -> io::Result<File> {
        let (folder, own) = self.parent(name)?;
        match rustix::fs::openat(&folder, own, OFlags::RDWR | FILE_FLAGS, Mode::empty()) {
            Ok(file) => return regular(File::from(file)),
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        match create_new(&folder, own) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = rustix::fs::openat(&folder, own, OFlags::RDWR | FILE_FLAGS, Mode::empty())?;
                regular(File::from(file))
            }
            created => created,
        }
    }

    /// Opens an existing file, to look at its lock.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn open(&self, name: &str) -> io::Result<File> {
        let (folder, own) = self.parent(name)?;
        let file = rustix::fs::openat(&folder, own, OFlags::RDONLY | FILE_FLAGS, Mode::empty())?;
        regular(File::from(file))
    }

    /// Renames a file within its folder, durably.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (source, from) = self.parent(from)?;
        let (target, to) = self.parent(to)?;
        rustix::fs::renameat(&source, from, &target, to)?;
        Ok(rustix::fs::fsync(&target)?)
    }

    /// Flushes a folder's entries. Without it, a crash can lose the name of a file that was flushed.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn flush(&self, folder: &str) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.folder(folder)?)?)
    }

    /// Removes a file or a link, if it exists.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        absent_is_fine(self.parent(name).and_then(|(folder, own)| unlink(&folder, own, AtFlags::empty())))
    }

    /// Removes an empty folder, if it exists.
    ///
    /// # Errors
    ///
    /// `DirectoryNotEmpty`. Any other error of the file system.
    pub fn remove_empty(&self, name: &str) -> io::Result<()> {
        absent_is_fine(self.parent(name).and_then(|(folder, own)| unlink(&folder, own, AtFlags::REMOVEDIR)))
    }

    /// Removes an entry, and everything below it if it is a folder. A link goes, and its target stays.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn remove_all(&self, name: &str) -> io::Result<()> {
        absent_is_fine(self.parent(name).and_then(|(folder, own)| remove_all_in(&folder, own, DEPTH_MAX)))
    }

    /// Lists a folder. Empty if there is no folder.
    ///
    /// # Errors
    ///
    /// An error of the file system, also if the name is a link.
    pub fn entries(&self, folder: &str) -> io::Result<Vec<Entry>> {
        match self.folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(folder) => entries_of(&folder),
        }
    }

    /// Lists the names in a folder, and looks at no entry. Empty if there is no folder.
    ///
    /// # Errors
    ///
    /// An error of the file system, also if the name is a link.
    pub fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        match self.folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(folder) => names_of(&folder),
        }
    }

    /// Looks at an entry itself, not at what a link names. None if it is absent.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn look(&self, name: &str) -> io::Result<Option<Entry>> {
        let found = self.parent(name).and_then(|(folder, own)| entry_in(&folder, own.to_owned()));
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Whether a folder has leftovers of killed processes, or writes that are under way.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn has_temporaries(&self, folder: &str) -> io::Result<bool> {
        Ok(self.names(folder)?.iter().any(|name| name.ends_with(TEMPORARY_SUFFIX)))
    }

    /// Removes the leftovers of killed processes from a folder. No other process may write to the folder.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn remove_temporaries(&self, folder: &str) -> io::Result<()> {
        for name in self.names(folder)? {
            if name.ends_with(TEMPORARY_SUFFIX) {
                self.remove(&format!("{folder}/{name}"))?;
            }
        }
        Ok(())
    }
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('/').filter(|part| !part.is_empty())
}

/// Opens the root. Its operator may have made it a link.
fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, root, flags, Mode::empty())?)
}

/// Makes the root and the folders above it, durably.
fn make_root(root: &Path) -> io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    let parent = root.parent().unwrap_or(Path::new(""));
    if !parent.as_os_str().is_empty() {
        make_root(parent)?;
    }
    let Some(name) = root.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let folder = open_root(parent)?;
    let is_new = make_folder_in(&folder, name)?;
    if is_new {
        rustix::fs::fsync(&folder)?;
    } else if !root.is_dir() {
        return Err(rustix::io::Errno::NOTDIR.into());
    }
    Ok(())
}

/// Makes a folder with its mode and owner. Returns whether it is new.
fn make_folder_in(folder: &OwnedFd, name: &str) -> io::Result<bool> {
    match rustix::fs::mkdirat(folder, name, FOLDER_MODE) {
        Err(rustix::io::Errno::EXIST) => return Ok(false),
        made => made?,
    }
    let made = rustix::fs::openat(folder, name, FOLDER_FLAGS, Mode::empty())?;
    settle(&made, folder, FOLDER_MODE)?;
    Ok(true)
}

/// Creates a file with its mode and owner.
fn create_new(folder: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | FILE_FLAGS;
    let file = rustix::fs::openat(folder, name, flags, FILE_MODE)?;
    settle(&file, folder, FILE_MODE)?;
    Ok(File::from(file))
}

/// Gives a new entry its mode, which the umask may have narrowed, and the owner of its folder.
fn settle(entry: &OwnedFd, folder: &OwnedFd, mode: Mode) -> io::Result<()> {
    rustix::fs::fchmod(entry, mode)?;
    if rustix::process::geteuid().is_root() {
        let Stat { st_uid, st_gid, .. } = rustix::fs::fstat(folder)?;
        let (user, group) = (rustix::fs::Uid::from_raw(st_uid), rustix::fs::Gid::from_raw(st_gid));
        if !user.is_root() {
            rustix::fs::fchown(entry, Some(user), Some(group))?;
        }
    }
    Ok(())
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

fn unlink(folder: &OwnedFd, name: &str, flags: AtFlags) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(folder, name, flags)?)
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn names_of(folder: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        // Every name of ours is text.
        let Ok(name) = entry.file_name().to_str() else { continue };
        if !matches!(name, "." | "..") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn entries_of(folder: &OwnedFd) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for name in names_of(folder)? {
        match entry_in(folder, name) {
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => entries.push(found?),
        }
    }
    Ok(entries)
}

fn entry_in(folder: &OwnedFd, name: String) -> io::Result<Entry> {
    let stat = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let changed = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
    Ok(Entry {
        name,
        is_folder: kind == FileType::Directory,
        is_file: kind == FileType::RegularFile,
        changed_at: SystemTime::UNIX_EPOCH + changed + Duration::from_nanos(stat.st_mtime_nsec as u64),
    })
}

fn remove_all_in(folder: &OwnedFd, name: &str, depth: u8) -> io::Result<()> {
    if !entry_in(folder, name.to_owned())?.is_folder {
        return unlink(folder, name, AtFlags::empty());
    }
    let depth = depth.checked_sub(1).ok_or(io::ErrorKind::QuotaExceeded)?;
    let inner = rustix::fs::openat(folder, name, FOLDER_FLAGS, Mode::empty())?;
    for name in names_of(&inner)? {
        absent_is_fine(remove_all_in(&inner, &name, depth))?;
    }
    unlink(folder, name, AtFlags::REMOVEDIR)
}

/// An equal error, because `io::Error` has no copy.
fn same(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

/// A temporary file. It is removed on drop, unless it got its name by a rename.
struct Temporary {
    folder: OwnedFd,
    name: String,
    file: File,
    remove: bool,
}

impl Temporary {
    fn write(folder: OwnedFd, target: &str, bytes: &[u8]) -> io::Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".{target}.{}-{number}{TEMPORARY_SUFFIX}", std::process::id());
        let file = create_new(&folder, &name)?;
        // From here on, a failure removes the file.
        let mut temporary = Self { folder, name, file, remove: true };
        temporary.file.write_all(bytes)?;
        Ok(temporary)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Lets the system write the content without waiting for it. Once it does so for several files, a journalling file system
    /// makes all of them durable with the flush of the first: 32 files took a third of the time.
    fn begin_flush(&self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    /// Gives the content a name that must be free. A rename would replace what has it.
    fn link(self, own: &str) -> io::Result<()> {
        rustix::fs::linkat(&self.folder, &self.name, &self.folder, own, AtFlags::empty())?;
        Ok(())
    }

    /// Gives the content a name, and replaces what has it.
    fn rename(mut self, own: &str) -> io::Result<()> {
        rustix::fs::renameat(&self.folder, &self.name, &self.folder, own)?;
        self.remove = false;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.remove {
            // A failure is harmless, because the next start removes the file.
            let _ = rustix::fs::unlinkat(self.folder.as_fd(), &self.name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
