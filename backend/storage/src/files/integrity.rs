//! Checks the digests of files that are read back.

use pipeline::{record::StageRecord, run::Stage};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        backend::file_backend::{ETag, Stored},
        manifest::StageEntry,
    },
};

/// The result of checking a stage file.
pub(super) enum DigestCheck {
    Record(Box<StageRecord>, String, ETag),
    Nothing,
    Damaged(String, ETag),
}

/// Checks a stage file against its own payload digest, and against the manifest's digest if the manifest
/// names it.
pub(super) fn check_digest(
    stored: Option<Stored>,
    stage: Stage,
    known: Option<&StageEntry>,
) -> Result<DigestCheck, StorageError> {
    let Some(Stored { bytes, version }) = stored else { return Ok(DigestCheck::Nothing) };
    let record = match StageRecord::from_bytes(stage, &bytes) {
        Ok(record) => record,
        Err(error) => return Ok(DigestCheck::Damaged(error.to_string(), version)),
    };
    let sha256 = digest(&record)?;
    Ok(match known {
        Some(known) if known.record_sha256 != sha256 => {
            let what = format!("has record digest {sha256}, the manifest says {}", known.record_sha256);
            DigestCheck::Damaged(what, version)
        }
        _ => DigestCheck::Record(Box::new(record), sha256, version),
    })
}

/// The digest of a whole record. It is stored in the manifest.
pub(super) fn digest(record: &StageRecord) -> Result<String, StorageError> {
    record.sha256().map_err(|error| {
        StorageError::new(StorageErrorKind::Invalid, format!("the record of {} {error}", record.meta.stage))
    })
}
