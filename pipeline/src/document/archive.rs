//! A ZIP container opened with limits, because its sender chooses how far a small file inflates.

use std::collections::HashMap;
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

/// An opened container.
pub(super) struct Archive<'b> {
    zip: ZipArchive<Cursor<&'b [u8]>>,
    /// The entries by their names in lower case, with plain slashes.
    folded: HashMap<String, usize>,
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
        let mut folded = HashMap::new();
        for (index, name) in zip.file_names().enumerate() {
            if let Ok(name) = name {
                folded.entry(fold(&name)).or_insert(index);
            }
        }
        Ok(Self { zip, folded, bytes_left: TOTAL_BYTES_MAX })
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.index(name).is_some()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.zip.file_names().filter_map(Result::ok).map(std::borrow::Cow::into_owned)
    }

    /// The entry of this name. Programs differ in upper case, in slashes and in escapes of the same name.
    fn index(&self, name: &str) -> Option<usize> {
        self.zip
            .index_for_name(name)
            .or_else(|| self.folded.get(&fold(name)).copied())
            .or_else(|| self.folded.get(&fold(&unescaped(name)?)).copied())
    }

    /// The text of a part; `None` if the container has no such part.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<String>, DocumentError> {
        Ok(self.read_bytes(name)?.map(|bytes| decode(&bytes)))
    }

    /// The bytes of a part; `None` if the container has no such part.
    pub(super) fn read_bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, DocumentError> {
        let left = self.bytes_left;
        let Some(file) = self.entry(name)? else { return Ok(None) };
        let limit = ENTRY_BYTES_MAX
            .min(left)
            .min(RATIO_FREE_BYTES.max(file.compressed_size().saturating_mul(RATIO_MAX)));
        let mut bytes = Vec::new();
        // The sizes in the directory may lie, so the limit counts inflated bytes. One byte above it is enough
        // to refuse.
        let result = file.take(limit + 1).read_to_end(&mut bytes);
        let read = bytes.len() as u64;
        // A part that fails has cost its bytes as well.
        self.bytes_left = self.bytes_left.saturating_sub(read);
        if read > limit {
            return Err(DocumentError::TooLarge(format!("its part {name} inflates beyond what is allowed")));
        }
        result.map_err(|_| damaged(&format!("its part {name} cannot be inflated")))?;
        Ok(Some(bytes))
    }

    /// The first characters of a part, as far as they can be read.
    pub(super) fn read_start(&mut self, name: &str) -> Option<String> {
        const START_BYTES: u64 = 4_096;
        let file = self.entry(name).ok()??;
        let mut bytes = Vec::new();
        // A part that breaks off later may still begin well.
        let _ = file.take(START_BYTES).read_to_end(&mut bytes);
        Some(decode(&bytes))
    }

    fn entry(
        &mut self,
        name: &str,
    ) -> Result<Option<zip::read::ZipFile<'_, Cursor<&'b [u8]>>>, DocumentError> {
        let Some(index) = self.index(name) else { return Ok(None) };
        match self.zip.by_index(index) {
            Ok(file) => Ok(Some(file)),
            Err(ZipError::FileNotFound) => Ok(None),
            Err(ZipError::UnsupportedArchive(reason)) if reason == ZipError::PASSWORD_REQUIRED => {
                Err(DocumentError::Encrypted)
            }
            Err(_) => Err(damaged(&format!("its part {name} cannot be opened"))),
        }
    }

    /// The text of a part without which there is no document.
    pub(super) fn read_required(&mut self, name: &str) -> Result<String, DocumentError> {
        self.read(name)?.ok_or_else(|| damaged(&format!("its part {name} is missing")))
    }
}

/// A name without the differences that mean nothing: letter case, backslashes, and a slash in front.
fn fold(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_lowercase()
}

/// A name with its percent escapes resolved, if it has any.
fn unescaped(name: &str) -> Option<String> {
    if !name.contains('%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = tail.get(..2).filter(|_| *first == b'%');
        let byte = escape.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8(bytes).ok()
}

/// XML is UTF-8 unless a byte order mark or its own declaration says otherwise.
fn decode(bytes: &[u8]) -> String {
    let (encoding, mark) = encoding_rs::Encoding::for_bom(bytes)
        .or_else(|| Some((declared_encoding(bytes)?, 0)))
        .unwrap_or((encoding_rs::UTF_8, 0));
    encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()).0.into_owned()
}

fn declared_encoding(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    const DECLARATION_BYTES: usize = 128;
    match bytes {
        [b'<', 0, ..] => return Some(encoding_rs::UTF_16LE),
        [0, b'<', ..] => return Some(encoding_rs::UTF_16BE),
        _ => {}
    }
    let start = bytes.get(..DECLARATION_BYTES).unwrap_or(bytes);
    let declaration = String::from_utf8_lossy(start);
    let declaration = declaration.strip_prefix("<?xml")?.split_once("?>")?.0;
    let value = declaration.split_once("encoding")?.1.trim_start_matches([' ', '=', '"', '\'']);
    let encoding = encoding_rs::Encoding::for_label(value.split(['"', '\'']).next()?.as_bytes())?;
    // The declaration was read byte by byte, so the part cannot be UTF-16.
    encoding.is_ascii_compatible().then_some(encoding)
}

fn damaged(reason: &str) -> DocumentError {
    DocumentError::Corrupt(reason.to_owned())
}

/// The name in the container of a target, which is written relative to the part that names it.
pub(super) fn resolved(source: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<&str> = source.split('/').collect();
    path.pop();
    for step in target.split('/') {
        match step {
            "." | "" => {}
            ".." => {
                path.pop();
            }
            step => path.push(step),
        }
    }
    path.join("/")
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
    fn names_match_whatever_their_spelling() {
        let bytes = zip(&[("Word\\Document 1.XML", b"text")]);
        let mut archive = Archive::open(&bytes).unwrap();
        for name in ["word/document 1.xml", "/Word/Document%201.xml", "Word\\Document 1.XML"] {
            assert_eq!(archive.read(name).unwrap().as_deref(), Some("text"), "{name}");
        }
        assert!(!archive.contains("word/document%2.xml") && !archive.contains("%zz%"));
    }

    #[test]
    fn bytes_before_the_container_do_no_harm() {
        let bytes = [b"\r\n".as_slice(), &zip(&[("part", b"text")])].concat();
        assert_eq!(Archive::open(&bytes).unwrap().read("part").unwrap().as_deref(), Some("text"));
    }

    #[test]
    fn declared_encodings_are_believed() {
        let declared = b"<?xml version='1.0' encoding='windows-1252'?><a>\xe9</a>";
        assert!(decode(declared).contains("<a>\u{e9}</a>"));
        let utf16: Vec<u8> = "<a>\u{e9}</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf16), "<a>\u{e9}</a>");
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
