//! Reading files back: bounded, and believed only when they prove themselves.

use std::{io, path::Path};

use pipeline::{record::StageRecord, run::Stage};

use super::{
    super::{StorageError, StorageErrorKind},
    manifest::StoredStage,
};
use crate::regular_file;

/// The largest file that is read back. A record of a 400-page report has some 100 KB.
const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What stands at a stage's place.
pub(super) enum Found {
    Record(Box<StageRecord>, String),
    Nothing,
    Damaged(String),
}

/// Reads a stage file and proves it: by its own payload digest, and by the manifest's where that names it.
pub(super) fn read_stage(
    path: &Path,
    stage: Stage,
    known: Option<&StoredStage>,
) -> Result<Found, StorageError> {
    let Some(bytes) = read_bounded(path).map_err(at(path))? else { return Ok(Found::Nothing) };
    let record = match StageRecord::from_bytes(stage, &bytes) {
        Ok(record) => record,
        Err(error) => return Ok(Found::Damaged(error.to_string())),
    };
    let sha256 = digest(&record)?;
    Ok(match known {
        Some(known) if known.record_sha256 != sha256 => {
            Found::Damaged(format!("has record digest {sha256}, the manifest says {}", known.record_sha256))
        }
        _ => Found::Record(Box::new(record), sha256),
    })
}

/// The digest of a whole record, kept beside it.
pub(super) fn digest(record: &StageRecord) -> Result<String, StorageError> {
    record.sha256().map_err(|error| {
        StorageError::new(StorageErrorKind::Refused, format!("the record of {} {error}", record.meta.stage))
    })
}

/// An I/O error with the path it met; the error's text names the errno.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> StorageError + Copy {
    move |error| StorageError::new(StorageErrorKind::Unavailable, format!("{}: {error}", path.display()))
}

/// A file's bytes; none where there is no file.
pub(super) fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match regular_file::read(path, FILE_BYTES_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
