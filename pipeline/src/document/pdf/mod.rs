//! Reads PDF: text in reading order, from the geometry of the glyphs.
//!
//! `hayro-interpret` runs a page's drawing instructions on [`device::TextDevice`], which keeps every glyph
//! with its place. [`sight`] takes out what no reader sees. [`frames`] makes segments of the glyphs, [`order`]
//! puts them in order, [`lines`] makes lines of them, and [`structure`] tells headings, list items and rows. If
//! this engine fails, or leaves more than a fifth of a page unread, [`fallback_extractor`] reads the page with
//! `pdf-extract`.

mod accents;
mod actual;
mod bidi;
mod block;
mod boxes;
mod canvas;
mod cells;
mod charmap;
mod column_edges;
mod columns;
mod curves;
mod device;
mod drawn_names;
mod drop_caps;
mod fallback_extractor;
mod fields;
mod frames;
mod gaps;
mod glyph;
mod gutters;
pub(super) mod header;
mod hidden;
mod joining;
mod labels;
mod layers;
mod layout;
mod line_labels;
mod lines;
mod naming;
mod order;
mod overprints;
mod page_tree;
mod pages;
mod placed;
mod placeholder;
mod placement;
mod prose;
mod readable;
mod reading;
mod recoded;
mod render;
mod repeats;
mod rtl_marks;
mod scripts;
mod segment;
mod shapes;
mod sheet;
mod sight;
mod soft_hyphens;
mod spaced;
mod spans;
mod stacked;
mod strings;
mod structure;
#[cfg(test)]
mod tests;
mod title;
mod update;
mod verdict;
mod weight;
mod written;

pub use self::render::{PICTURE_PIXELS_MAX, PagePainter, PagePicture, PictureSize, RENDERER};

use hayro_interpret::hayro_syntax::object::Dict;
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use self::fallback_extractor::FallbackExtractor;
use self::labels::Labels;
use self::layers::Layers;
use self::pages::PageReader;
use self::reading::Reading;
use super::raw::{RawDocument, RawPage};
use super::{
    content::HiddenReason,
    error::DocumentError,
    limits::{PAGES_MAX, TEXT_BYTES_MAX},
};

/// Reads a PDF.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let bytes = header::without_junk(bytes);
    let recoded = recoded::without_brotli(bytes);
    let bytes = recoded.as_deref().unwrap_or(bytes);
    let pdf = match Pdf::new(bytes.to_vec()) {
        Ok(pdf) => pdf,
        Err(LoadPdfError::Decryption(
            DecryptionError::PasswordProtected | DecryptionError::UnsupportedAlgorithm,
        )) => return Err(DocumentError::Encrypted),
        Err(LoadPdfError::Decryption(
            DecryptionError::MissingIDEntry | DecryptionError::InvalidEncryption,
        )) => {
            return Err(DocumentError::Corrupt("its encryption is invalid".to_owned()));
        }
        Err(LoadPdfError::Invalid) => return extract_with_fallback_only(bytes),
    };
    let pages = page_tree::pages(&pdf);
    if pages.len() > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!(
            "more than {PAGES_MAX} pages; at most {PAGES_MAX} are read"
        )));
    }
    let reading = read(&pdf, bytes, &pages)?;
    let title = pdf.metadata().title.as_deref().and_then(title::from_metadata);
    let mut document = reading.finish(title)?;
    placeholder::check(&pdf, &mut document)?;
    Ok(document)
}

/// Reads all pages.
fn read<'b>(pdf: &Pdf, bytes: &'b [u8], pages: &[Option<usize>]) -> Result<Reading<'b>, DocumentError> {
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()).unwrap_or_default();
    let labels = Labels::of(&catalog);
    let layers = Layers::of(&catalog, pdf.xref());
    let all_layers = update::with_all_layers(pdf, &layers);
    let mut unlayered = all_layers.as_ref().map(|all| PageReader::new(all, Layers::default()));
    let viewed = update::as_viewed(pdf, &layers);
    let mut reader = PageReader::new(viewed.as_ref().unwrap_or(pdf), layers);
    let mut reading = Reading::new(bytes);
    for index in pages {
        let mut drawn = reader.read(*index);
        if let Some(unlayered) = &mut unlayered {
            drawn.hidden.retain(|(reason, _)| *reason != HiddenReason::Layer);
            drawn.hidden.extend(hidden::on_layers(&unlayered.read(*index).shown, &drawn.shown));
        }
        let label = labels.label(reading.next_number());
        reading.add(drawn, label)?;
    }
    Ok(reading)
}

fn extract_with_fallback_only(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let damaged = || DocumentError::Corrupt("the PDF's structure cannot be read".to_owned());
    let fallback = FallbackExtractor::open(bytes).ok_or_else(damaged)?;
    let count = fallback.page_count();
    if count > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!("{count} pages; at most {PAGES_MAX} are read")));
    }
    let mut document = RawDocument::default();
    let mut text_bytes = 0;
    for number in 1..=count {
        let page = fallback.page(number).unwrap_or(RawPage { readable: 0.0, ..RawPage::new(String::new()) });
        text_bytes += page.text.len();
        if text_bytes > TEXT_BYTES_MAX {
            return Err(DocumentError::TooLarge(format!("more than {TEXT_BYTES_MAX} bytes of text")));
        }
        document.pages.push(page);
    }
    if document.pages.iter().all(|page| page.text.is_empty()) {
        return Err(damaged());
    }
    document.warnings.push(
        "The PDF is damaged; it was read by the second engine, which may lack parts and read hidden text."
            .to_owned(),
    );
    Ok(document)
}
