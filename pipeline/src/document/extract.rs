//! Extraction: from a file's bytes to a document.

use super::{
    content::{Document, Page},
    docx, email, epub,
    error::DocumentError,
    finish,
    format::Format,
    html,
    limits::PAGES_MAX,
    markdown, odf, pdf, pptx,
    raw::{RawDocument, RawPage},
    recognition::{self, Scanned},
    rtf, running_headers, sheets, sniff, text, titles, whitespace,
};

/// Reads a document of any supported format, in this very process.
///
/// The bytes decide the format. The name decides only between plain text and Markdown.
///
/// Untrusted bytes can make a parser overflow the stack or exhaust memory, which ends the process. A server
/// therefore calls this only in a limited child (`backend::documents::isolate`).
///
/// # Errors
///
/// * [`DocumentError::TooLarge`]: more than [`PAGES_MAX`] pages or [`super::TEXT_BYTES_MAX`] of text. Leaving parts out silently
///   would make the report wrong.
/// * [`DocumentError::NoText`]: not a single readable word.
/// * [`DocumentError::Encrypted`], [`DocumentError::Corrupt`] or [`DocumentError::Unsupported`]: the bytes cannot be read.
pub fn extract(source_name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
    recognition::without(extract_for_recognition(source_name, bytes)?, recognition::OFF)
}

/// As [`extract`], but leaves the pages that are pictures to a program for OCR. [`recognition::join`] and
/// [`recognition::without`] complete the document.
///
/// # Errors
///
/// As [`extract`]. A document without words is no error as long as it has such pages.
pub fn extract_for_recognition(source_name: &str, bytes: &[u8]) -> Result<Scanned, DocumentError> {
    let format = sniff::format(source_name, bytes)?;
    let raw = match format {
        Format::Pdf => pdf::extract(bytes),
        Format::Docx => docx::extract(bytes),
        Format::Pptx => pptx::extract(bytes),
        Format::Xlsx => sheets::extract_workbook(bytes),
        Format::Csv => sheets::extract_csv(bytes),
        Format::Odt => odf::extract_text(bytes),
        Format::Odp => odf::extract_slides(bytes),
        Format::Ods => odf::extract_sheets(bytes),
        Format::Html => html::extract(bytes),
        Format::Markdown => markdown::extract(bytes),
        Format::Text => text::extract(bytes),
        Format::Rtf => rtf::extract(bytes),
        Format::Epub => epub::extract(bytes),
        Format::Eml => email::eml(bytes),
        Format::Mhtml => email::mhtml(bytes),
    }?;
    assemble(source_name, format, raw)
}

/// The work that all formats share: white space, page numbers, limits, running headers.
fn assemble(source_name: &str, format: Format, raw: RawDocument) -> Result<Scanned, DocumentError> {
    let RawDocument { title, pages: raw_pages, warnings, hidden, scans } = raw;
    if raw_pages.len() > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!(
            "{} pages; at most {PAGES_MAX} are read",
            raw_pages.len()
        )));
    }
    let mut pages: Vec<Page> = Vec::with_capacity(raw_pages.len());
    let edges: Vec<(usize, usize)> = raw_pages.iter().map(|page| page.edge_lines).collect();
    for (page, number) in raw_pages.into_iter().zip(1..) {
        let mut marks = page.marks;
        let text = whitespace::normalised(&page.text, &mut marks);
        let label = page.label.map(|label| whitespace::one_line(&label)).filter(|label| !label.is_empty());
        let RawPage { readable, is_recognised, .. } = page;
        pages.push(Page { number, label, text, readable, marks, is_recognised, ..Page::default() });
    }
    let title = title.map(|title| whitespace::one_line(&title)).filter(|title| !title.is_empty());
    let source_name = source_name.to_owned();
    let mut document = Document { source_name, format, title, pages, warnings, hidden };
    if scans.is_empty() {
        finish::check(&mut document)?;
    } else {
        finish::limit(&document)?;
    }
    for (page, (top, bottom)) in document.pages.iter_mut().zip(edges) {
        running_headers::mark_edges(page, top, bottom);
    }
    let title = document.title.take();
    document.title =
        title.map(|title| titles::without_shouting(&title, &titles::abbreviations(&document.pages)));
    Ok(Scanned { document, scans })
}
