//! The documents of `innovation run`: files, the files of a folder, and addresses.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
};

use foundation::safe_read;
use pipeline::{
    document::DocumentError,
    failure::{FailureCode, RunFailure},
};
use url::Url;

use crate::documents::name;

/// The most documents of one command. Each costs at least four calls to a model, and a person waits for all of them.
pub(super) const DOCUMENTS_MAX: usize = 200;

/// The documents that the arguments name: a folder stands for its files, in the order of their names. Hidden files and folders
/// within it are left out.
///
/// # Errors
///
/// A folder cannot be read or has no file, or there are more than [`DOCUMENTS_MAX`] documents.
pub(super) fn expand(sources: &[OsString]) -> Result<Vec<OsString>, String> {
    let mut documents = Vec::new();
    for source in sources {
        let path = Path::new(source);
        if address(source).is_some() || !path.is_dir() {
            documents.push(source.clone());
        } else {
            let found = files_of(path)
                .map_err(|error| format!("the folder {} cannot be read: {error}", path.display()))?;
            if found.is_empty() {
                return Err(format!("the folder {} has no file", path.display()));
            }
            documents.extend(found);
        }
        if documents.len() > DOCUMENTS_MAX {
            return Err(format!(
                "these are more than {DOCUMENTS_MAX} documents; name a smaller folder, or single files"
            ));
        }
    }
    Ok(documents)
}

fn files_of(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && entry.path().is_file() {
            files.push(entry.path().into_os_string());
        }
        // One more says that there are too many.
        if files.len() > DOCUMENTS_MAX {
            break;
        }
    }
    files.sort();
    Ok(files)
}

/// The source as an address, if it is one. A file's name may hold anything, also invalid UTF-8.
pub(super) fn address(source: &OsStr) -> Option<&str> {
    source.to_str().filter(|source| source.contains("://"))
}

/// The document's name for people: a file's name, or the last part of an address. The address's query is left
/// out, because it may hold a signature.
pub(super) fn source_name(source: &OsStr) -> String {
    match address(source).map(Url::parse) {
        Some(Ok(url)) => name::of_url(&url),
        _ => name::of_text(&Path::new(source).file_name().unwrap_or_default().to_string_lossy()),
    }
}

pub(super) async fn read_file(path: &Path, bytes_max: usize) -> Result<Vec<u8>, RunFailure> {
    let owned = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || safe_read::read(&owned, bytes_max));
    let read = reading.await.map_err(std::io::Error::other).and_then(|read| read);
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => {
            DocumentError::TooLarge(format!("more than {bytes_max} bytes")).into()
        }
        // A repetition of the command would read the same file.
        _ => RunFailure::new(
            FailureCode::DocumentUnavailable,
            None,
            format!("the document could not be read ({}: {error})", path.display()),
            false,
        ),
    })
}

/// Quotes a text as one word of a POSIX shell.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=%+,@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.md", "a.pdf", ".hidden"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("below")).unwrap();
        let sources = [folder.path().as_os_str().to_owned(), "https://x.y/z".into(), "missing.md".into()];
        let names: Vec<String> = expand(&sources).unwrap().iter().map(|one| source_name(one)).collect();
        assert_eq!(names, ["a.pdf", "b.md", "z", "missing.md"]);
        let empty = folder.path().join("below");
        assert!(expand(&[empty.into_os_string()]).is_err());
        assert!(expand(&vec![OsString::from("x.md"); DOCUMENTS_MAX + 1]).is_err());
    }
}
