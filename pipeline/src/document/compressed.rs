//! A compressed document, kept small while a model thinks.

use sha2::{Digest as _, Sha256};

use super::{
    content::{Document, HiddenText, Page},
    format::Format,
};
use crate::compressed::{CompressError, Compressed};

/// A document whose pages and hidden text are compressed.
#[derive(Debug, Clone)]
pub struct CompressedDocument {
    pub source_name: String,
    pub format: Format,
    pub title: Option<String>,
    pub page_count: usize,
    /// The bytes of all pages' text.
    pub text_bytes: usize,
    pub warnings: Vec<String>,
    parts: Compressed,
    /// SHA-256 of the JSON of pages and hidden text: each stage's question is named by it.
    pub(crate) parts_sha256: [u8; 32],
}

impl CompressedDocument {
    /// Compresses the document's pages and hidden text.
    ///
    /// # Errors
    ///
    /// `CompressError` if they cannot be written as JSON, which is a defect.
    pub fn new(document: Document) -> Result<Self, CompressError> {
        let Document { source_name, format, title, pages, warnings, hidden } = document;
        let page_count = pages.len();
        let text_bytes = pages.iter().map(|page| page.text.len()).sum();
        let json = serde_json::to_vec(&(pages, hidden)).map_err(std::io::Error::other)?;
        Ok(Self {
            source_name,
            format,
            title,
            page_count,
            text_bytes,
            warnings,
            parts_sha256: Sha256::digest(&json).into(),
            parts: Compressed::of_json(&json)?,
        })
    }

    /// The document as it was.
    ///
    /// # Errors
    ///
    /// `CompressError` if they cannot be read back, which is a defect.
    pub fn decompress(&self) -> Result<Document, CompressError> {
        let (pages, hidden): (Vec<Page>, Vec<HiddenText>) =
            serde_json::from_slice(&self.parts.json()?).map_err(std::io::Error::other)?;
        Ok(Document {
            source_name: self.source_name.clone(),
            format: self.format,
            title: self.title.clone(),
            pages,
            warnings: self.warnings.clone(),
            hidden,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives_compression() {
        let page = |number: u32| Page {
            number,
            text: format!("Page {number}\n\nShoppers bring the bottle back – “again” \u{FFFD}.\n").repeat(50),
            readable: 0.1 + 0.2,
            running_header_lines: vec![0, 7],
            ..Page::default()
        };
        let document = Document {
            source_name: "a.pdf".to_owned(),
            format: Format::Pdf,
            title: Some("A".to_owned()),
            pages: (1..=13).map(page).collect(),
            warnings: vec!["One page could not be read.".to_owned()],
            ..Document::default()
        };
        let text: usize = document.pages.iter().map(|page| page.text.len()).sum();
        let compressed = CompressedDocument::new(document.clone()).unwrap();
        assert_eq!((compressed.decompress().unwrap(), compressed.page_count), (document, 13));
        assert!(compressed.parts.json().unwrap().len() > text);
        assert!(compressed.parts.compressed_bytes() * 3 < text);
    }
}
