//! Draws pages of a PDF as pictures, as a viewer shows them: rotated, within the crop box, on white paper.
//!
//! The pixels are limited here. Time and memory are not: a page may hold endless forms and huge pictures, and nothing stops
//! the renderer in between. So only a confined child draws (`backend::documents`).

use std::{fmt, sync::Arc};

use hayro::hayro_interpret::{InterpreterSettings, util::TransformExt as _};
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf, object::Dict, page::Page as PdfPage};
use hayro::kurbo::Affine;
use hayro::vello_cpu::{
    Pixmap, RasterizerSettings, RenderContext, Resources, TargetInit, color::palette::css::WHITE,
};
use hayro::{RenderCache, RenderSettings, render_into};
use serde::{Deserialize, Serialize};

use super::{header, layers::Layers, page_tree, recoded, update};
use crate::document::error::DocumentError;

/// Names the renderer and its settings. A picture of another version may look different.
pub const RENDERER: &str = "hayro-0.9.0-1";

/// The most pixels of a picture: A4 at 210 dpi. Each takes 4 bytes, and again as much for each group that is blended.
pub const PICTURE_PIXELS_MAX: u32 = 4_000_000;
/// The longest side of a picture. The renderer counts in 16 bits.
const SIDE_PIXELS_MAX: u32 = 16_384;
/// A page without a size that can be used gets that of A4, in points.
const A4: (f64, f64) = (595.0, 842.0);
const POINTS_PER_INCH: f64 = 72.0;

/// How large a picture of a page is. A picture with too many pixels gets smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureSize {
    /// In pixels.
    Width(u32),
    /// In pixels an inch.
    Dpi(u32),
}

/// A PDF whose pages can be drawn.
pub struct PagePainter {
    pdf: Pdf,
    /// For each page its index in `pdf`. None for a blank page.
    pages: Vec<Option<usize>>,
}

/// A picture of a page.
#[derive(Debug)]
pub struct PagePicture {
    pixels: Pixmap,
    /// Pixels a point (1/72 inch). With it, an [`super::super::Area`] finds its place in the picture.
    pub scale: f64,
    /// The page's size in points.
    pub page_size: (f64, f64),
}

impl fmt::Debug for PagePainter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagePainter").field("pages", &self.pages.len()).finish_non_exhaustive()
    }
}

impl PagePainter {
    /// Opens a PDF. Its pages have the numbers that reading it gives them.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Encrypted`] or [`DocumentError::Corrupt`] if the bytes cannot be read as a PDF.
    pub fn open(bytes: &[u8]) -> Result<Self, DocumentError> {
        let bytes = header::without_junk(bytes);
        let recoded = recoded::without_brotli(bytes);
        let pdf = Pdf::new(recoded.unwrap_or_else(|| bytes.to_vec())).map_err(|error| match error {
            LoadPdfError::Decryption(
                DecryptionError::PasswordProtected | DecryptionError::UnsupportedAlgorithm,
            ) => DocumentError::Encrypted,
            _ => DocumentError::Corrupt("its pages cannot be drawn".to_owned()),
        })?;
        let pages = page_tree::pages(&pdf);
        let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()).unwrap_or_default();
        let layers = Layers::of(&catalog, pdf.xref());
        let viewed = update::as_viewed(&pdf, &layers);
        drop(catalog);
        Ok(Self { pdf: viewed.unwrap_or(pdf), pages })
    }

    /// The number of pages.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Draws a page, by its number from 1. None if there is no such page.
    #[must_use]
    pub fn draw(&self, number: u32, size: PictureSize) -> Option<PagePicture> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        let index = *self.pages.get(at)?;
        let page = index.and_then(|index| self.pdf.pages().get(index));
        let page_size = page.map_or(A4, size_of);
        let (scale, width, height) = in_pixels(page_size, size);
        let mut context = RenderContext::new(width, height);
        if let Some(page) = page {
            paint(page, scale, &mut context);
        }
        context.flush();
        let mut pixels = Pixmap::new(width, height);
        let on_paper = RasterizerSettings { target_init: TargetInit::Clear(WHITE), ..Default::default() };
        context.render_with(&mut pixels, &mut Resources::default(), on_paper);
        Some(PagePicture { pixels, scale, page_size })
    }
}

impl PagePicture {
    /// In pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.pixels.width().into()
    }

    /// In pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.pixels.height().into()
    }

    /// The pixels from the upper left corner, line by line: red, green, blue, and 255.
    #[must_use]
    pub fn rgba(&self) -> &[u8] {
        self.pixels.data_as_u8_slice()
    }

    /// The picture as a PNG. None if it cannot be encoded.
    #[must_use]
    pub fn into_png(self) -> Option<Vec<u8>> {
        self.pixels.into_png().ok()
    }
}

fn paint(page: &PdfPage<'_>, scale: f64, context: &mut RenderContext) {
    let settings = InterpreterSettings { warning_sink: Arc::new(|_| {}), ..InterpreterSettings::default() };
    let transform = Affine::scale(scale) * page.initial_transform(true).to_kurbo();
    render_into(page, &RenderCache::new(), &settings, &RenderSettings::default(), context, transform);
}

fn size_of(page: &PdfPage<'_>) -> (f64, f64) {
    let (width, height) = page.render_dimensions();
    let is_usable = |side: f32| side.is_finite() && side >= 1.0;
    if is_usable(width) && is_usable(height) { (width.into(), height.into()) } else { A4 }
}

/// Pixels a point, and the sides of the picture.
fn in_pixels((width, height): (f64, f64), size: PictureSize) -> (f64, u16, u16) {
    let wanted = match size {
        PictureSize::Width(pixels) => f64::from(pixels) / width,
        PictureSize::Dpi(dpi) => f64::from(dpi) / POINTS_PER_INCH,
    };
    let by_area = (f64::from(PICTURE_PIXELS_MAX) / (width * height)).sqrt();
    let by_side = f64::from(SIDE_PIXELS_MAX) / width.max(height);
    let scale = wanted.min(by_area).min(by_side).max(f64::MIN_POSITIVE);
    // A cast from a float saturates.
    let side = |points: f64| ((points * scale).round() as u16).clamp(1, SIDE_PIXELS_MAX as u16);
    (scale, side(width), side(height))
}
