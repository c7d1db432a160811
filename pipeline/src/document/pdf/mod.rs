//! Reads PDF: text in reading order, from the geometry of the glyphs.
//!
//! `hayro-interpret` runs a page's drawing instructions on [`device::TextDevice`], which keeps every glyph
//! with its place. [`segment`], [`order`] and [`lines`] make text of the glyphs. If this engine fails, or
//! leaves more than a fifth of a page unread, [`fallback_extractor`] reads the page with `pdf-extract`.

mod block;
mod cells;
mod charmap;
mod columns;
mod device;
mod fallback_extractor;
mod glyph;
mod lines;
mod order;
mod placement;
mod readable;
mod reading;
mod repeats;
mod segment;
mod title;

use std::collections::HashSet;

use hayro_interpret::hayro_syntax::page::Page as PdfPage;
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, Rect};
use hayro_interpret::{Context, InterpreterCache, InterpreterSettings, interpret_page};

use self::charmap::Charmaps;
use self::device::TextDevice;
use self::fallback_extractor::FallbackExtractor;
use self::glyph::GlyphPage;
use self::reading::Reading;
use super::raw::{RawDocument, RawPage};
use super::{
    error::DocumentError,
    limits::{PAGES_MAX, TEXT_BYTES_MAX},
};

/// Reads a PDF.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
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
    if pdf.pages().len() > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!(
            "{} pages; at most {PAGES_MAX} are read",
            pdf.pages().len()
        )));
    }
    let mut reading = Reading::new(bytes);
    let cache = InterpreterCache::new();
    let mut charmaps = Charmaps::new();
    for page in pdf.pages().iter() {
        let glyphs = glyphs(page, &cache, &mut charmaps);
        reading.add(&glyphs)?;
    }
    let title = pdf.metadata().title.as_deref().and_then(title::from_metadata);
    reading.finish(title)
}

/// The glyphs of a page as a viewer shows it: rotated, with the crop box at the origin and y downwards.
fn glyphs<'a>(page: &PdfPage<'a>, cache: &InterpreterCache<'a>, charmaps: &mut Charmaps) -> GlyphPage {
    let device = interpreted(page, cache, charmaps, HashSet::new());
    let unnamed = device.unnamed_fonts();
    if unnamed.is_empty() {
        return device.finish();
    }
    interpreted(page, cache, charmaps, unnamed).finish()
}

fn interpreted<'a, 'm>(
    page: &PdfPage<'a>,
    cache: &InterpreterCache<'a>,
    charmaps: &'m mut Charmaps,
    charmap_first: HashSet<u128>,
) -> TextDevice<'m> {
    let (width, height) = page.render_dimensions();
    let (width, height) = (f64::from(width), f64::from(height));
    let transform = Affine::new(page.initial_transform(true).as_coeffs());
    let bounds = Rect::new(0.0, 0.0, width, height);
    let mut context = Context::new(transform, bounds, cache, page.xref(), InterpreterSettings::default());
    let mut device = TextDevice::new(width, height, charmaps, charmap_first);
    interpret_page(page, &mut context, &mut device);
    device
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
    document
        .warnings
        .push("The PDF is damaged; it was read by the second engine and may lack parts.".to_owned());
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_damaged() {
        assert!(matches!(extract(b"%PDF-1.7\ngarbage"), Err(DocumentError::Corrupt(_))));
    }
}
