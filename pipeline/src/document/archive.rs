//! A ZIP container opened with limits, because its sender chooses how far a small file inflates.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::error::DocumentError;

/// Office files have tens of entries; with many pictures, hundreds.
const ENTRIES_MAX: usize = 10_000;
/// One part of a document, inflated: a 500-page DOCX has a main part of about 10 MB.
const ENTRY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// All parts that are read, inflated.
const TOTAL_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// XML deflates up to about 30 times; a bomb does more than 1,000 times.
const RATIO_MAX: u64 = 200;
/// Small parts may be all zeros.
const RATIO_FREE_BYTES: u64 = 1024 * 1024;

/// An opened container. Archives within it are never opened.
pub(super) struct Archive<'b> {
    zip: ZipArchive<Cursor<&'b [u8]>>,
    bytes_left: u64,
}

impl<'b> Archive<'b> {
    pub(super) fn open(bytes: &'b [u8]) -> Result<Self, DocumentError> {
        let zip =
            ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged("the ZIP container cannot be opened"))?;
        if zip.len() > ENTRIES_MAX {
            return Err(DocumentError::TooLarge(format!(
                "{} files in its container; at most {ENTRIES_MAX} are allowed",
                zip.len()
            )));
        }
        Ok(Self { zip, bytes_left: TOTAL_BYTES_MAX })
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.zip.file_names().filter_map(Result::ok).map(std::borrow::Cow::into_owned)
    }

    /// The text of a part; `None` if the container has no such part.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<String>, DocumentError> {
        let file = match self.zip.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(reason)) if reason == ZipError::PASSWORD_REQUIRED => {
                return Err(DocumentError::Encrypted);
            }
            Err(_) => return Err(damaged(&format!("its part {name} cannot be opened"))),
        };
        let limit = ENTRY_BYTES_MAX
            .min(self.bytes_left)
            .min(RATIO_FREE_BYTES.max(file.compressed_size().saturating_mul(RATIO_MAX)));
        let mut bytes = Vec::new();
        // The sizes in the directory may lie, so the limit counts inflated bytes. One byte above it is enough
        // to refuse.
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|_| damaged(&format!("its part {name} cannot be inflated")))?;
        let read = bytes.len() as u64;
        if read > limit {
            return Err(DocumentError::TooLarge(format!("its part {name} inflates beyond what is allowed")));
        }
        self.bytes_left -= read;
        Ok(Some(decode(&bytes)))
    }

    /// The text of a part without which there is no document.
    pub(super) fn read_required(&mut self, name: &str) -> Result<String, DocumentError> {
        self.read(name)?.ok_or_else(|| damaged(&format!("its part {name} is missing")))
    }
}

/// XML is UTF-8 unless a byte order mark says otherwise.
fn decode(bytes: &[u8]) -> String {
    let (encoding, mark) = encoding_rs::Encoding::for_bom(bytes).unwrap_or((encoding_rs::UTF_8, 0));
    encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()).0.into_owned()
}

fn damaged(reason: &str) -> DocumentError {
    DocumentError::Corrupt(reason.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    /// A container with these parts.
    pub(in crate::document) fn zip(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in parts {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_part_that_inflates_too_far_is_refused() {
        let bytes = zip(&[("bomb", &vec![b' '; 8 << 20]), ("part", b"text")]);
        let mut archive = Archive::open(&bytes).unwrap();
        assert!(matches!(archive.read("bomb"), Err(DocumentError::TooLarge(_))));
        assert_eq!(archive.read("part").unwrap().as_deref(), Some("text"));
        assert_eq!(archive.read("other").unwrap(), None);
        assert!(matches!(archive.read_required("other"), Err(DocumentError::Corrupt(_))));
    }

    #[test]
    fn too_many_entries_are_refused() {
        let names: Vec<String> = (0..=ENTRIES_MAX).map(|n| n.to_string()).collect();
        let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert!(matches!(Archive::open(&zip(&parts)), Err(DocumentError::TooLarge(_))));
    }

    #[test]
    fn no_container_is_corrupt() {
        assert!(matches!(Archive::open(b"PK\x03\x04 torn"), Err(DocumentError::Corrupt(_))));
    }
}
