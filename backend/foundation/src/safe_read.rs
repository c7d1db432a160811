//! Reads files that another user may have written: regular files only, up to a limit.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// Reads a regular file, and never more than `bytes_max`.
///
/// # Errors
///
/// `InvalidInput` for anything but a regular file, because a pipe or device may never end or answer.
/// `FileTooLarge` for a larger file. Any other error of the file system.
pub fn read(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    check(path)?;
    let file = open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let too_large = |length: usize| {
        io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{length} bytes or more, at most {bytes_max} are read"),
        )
    };
    if length > bytes_max {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length + 1);
    // The file may grow during the read.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max { Err(too_large(bytes.len())) } else { Ok(bytes) }
}

/// Opens a regular file. A pipe that took the file's place after the first check does not block the opening.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Checks that an existing path is a regular file. The check comes before opening, because opening a pipe
/// waits for its other end.
///
/// # Errors
///
/// `InvalidInput` if the path is not a regular file.
pub fn check(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_file() {
        return Ok(());
    }
    Err(not_regular())
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(Path::new("/dev/zero"), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read(folder.path(), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read(&folder.path().join("b"), 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
