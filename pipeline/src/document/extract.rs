//! Extraction: from a file's bytes to a document.

use super::{
    content::{Document, Page},
    docx, email, epub,
    error::DocumentError,
    error_pages,
    format::Format,
    html,
    limits::{PAGES_MAX, TEXT_BYTES_MAX},
    markdown, odf, pdf, pptx,
    raw::{RawDocument, RawPage},
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
/// * [`DocumentError::TooLarge`]: more than [`PAGES_MAX`] pages or [`TEXT_BYTES_MAX`] of text. Leaving parts out silently
///   would make the report wrong.
/// * [`DocumentError::NoText`]: not a single readable word.
/// * [`DocumentError::Encrypted`], [`DocumentError::Corrupt`] or [`DocumentError::Unsupported`]: the bytes cannot be read.
pub fn extract(source_name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
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
    finish(source_name, format, raw)
}

/// The work that all formats share: white space, page numbers, limits, running headers.
fn finish(source_name: &str, format: Format, raw: RawDocument) -> Result<Document, DocumentError> {
    if raw.pages.len() > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!(
            "{} pages; at most {PAGES_MAX} are read",
            raw.pages.len()
        )));
    }
    let mut pages: Vec<Page> = Vec::with_capacity(raw.pages.len());
    let edges: Vec<(usize, usize)> = raw.pages.iter().map(|page| page.edge_lines).collect();
    let (mut text_bytes, mut has_words) = (0_usize, false);
    for (page, number) in raw.pages.into_iter().zip(1..) {
        let mut marks = page.marks;
        let text = whitespace::normalised(&page.text, &mut marks);
        text_bytes += text.len();
        has_words = has_words || text.chars().any(says_something);
        let label = page.label.map(|label| whitespace::one_line(&label)).filter(|label| !label.is_empty());
        let RawPage { readable, is_recognised, .. } = page;
        pages.push(Page { number, label, text, readable, marks, is_recognised, ..Page::default() });
    }
    if text_bytes > TEXT_BYTES_MAX {
        return Err(DocumentError::TooLarge(format!("more than {TEXT_BYTES_MAX} bytes of text")));
    }
    if !has_words {
        return Err(DocumentError::NoText("it holds no words".to_owned()));
    }
    if let [page] = pages.as_slice()
        && let Some(said) = error_pages::said(raw.title.as_deref(), &page.text)
    {
        return Err(DocumentError::NoText(format!(
            "it is the error page of a web server, \u{201c}{said}\u{201d}; check the link, and download the document again"
        )));
    }
    running_headers::mark(&mut pages);
    for (page, (top, bottom)) in pages.iter_mut().zip(edges) {
        running_headers::mark_edges(page, top, bottom);
    }
    let title = raw.title.map(|title| whitespace::one_line(&title)).filter(|title| !title.is_empty());
    let title = title.map(|title| titles::without_shouting(&title, &titles::abbreviations(&pages)));
    Ok(Document {
        source_name: source_name.to_owned(),
        format,
        title,
        pages,
        warnings: raw.warnings,
        hidden: raw.hidden,
    })
}

/// Whether a character is more than punctuation: a letter, a digit or a pictograph.
fn says_something(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{2600}'..='\u{26ff}' | '\u{1f000}'..='\u{1faff}')
}
