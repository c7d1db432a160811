//! Draws the pages of a document on the text device.

use std::collections::HashSet;
use std::sync::Arc;

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::Dict;
use hayro_interpret::hayro_syntax::page::Page as PdfPage;
use hayro_interpret::kurbo::{Affine, Rect};
use hayro_interpret::{Context, InterpreterCache, InterpreterSettings, RenderContent, interpret_page};

use super::charmap::{Collections, Fonts, named_table};
use super::device::TextDevice;
use super::fields::Annotations;
use super::layers::Layers;
use super::sight::Drawn;

/// Reads the pages of one document, and keeps what they share.
pub(super) struct PageReader<'p> {
    pdf: &'p Pdf,
    cache: InterpreterCache<'p>,
    settings: InterpreterSettings,
    fonts: Fonts,
    layers: Layers,
    /// The document's form.
    form: Option<Dict<'p>>,
}

impl<'p> PageReader<'p> {
    /// A reader that leaves out the layers that are off.
    pub(super) fn new(pdf: &'p Pdf, layers: Layers) -> Self {
        let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()).unwrap_or_default();
        Self {
            pdf,
            cache: InterpreterCache::new(),
            settings: InterpreterSettings {
                cmap_resolver: Arc::new(named_table),
                ..InterpreterSettings::default()
            },
            fonts: Fonts::default(),
            layers,
            form: catalog.get::<Dict<'_>>(b"AcroForm".as_slice()),
        }
    }

    /// The page as a viewer shows it: rotated, with the crop box at the origin and y downwards.
    ///
    /// `None` stands for a blank page.
    pub(super) fn read(&mut self, index: Option<usize>) -> Drawn {
        let pdf = self.pdf;
        let Some(page) = index.and_then(|index| pdf.pages().get(index)) else {
            return Drawn::default();
        };
        Drawn { object: page.raw().obj_id().map(|id| id.obj_number), ..self.drawn(page) }
    }

    fn drawn(&mut self, page: &PdfPage<'p>) -> Drawn {
        let device = self.draw(page, HashSet::new());
        let mut unnamed = device.naming().unnamed_fonts();
        if unnamed.is_empty() && !device.naming().misses_collections() {
            return device.finish();
        }
        if self.fonts.collections.is_none() {
            self.fonts.collections = Some(Collections::of(self.pdf));
            let device = self.draw(page, HashSet::new());
            unnamed = device.naming().unnamed_fonts();
            if unnamed.is_empty() {
                return device.finish();
            }
        }
        self.draw(page, unnamed).finish()
    }

    fn draw(&mut self, page: &PdfPage<'p>, charmap_first: HashSet<u128>) -> TextDevice<'_> {
        let (width, height) = page.render_dimensions();
        let (width, height) = (f64::from(width), f64::from(height));
        let transform = Affine::new(page.initial_transform(true).as_coeffs());
        let bounds = Rect::new(0.0, 0.0, width, height);
        let parts = |parts| InterpreterSettings { render_content: parts, ..self.settings.clone() };
        let context = |settings| Context::new(transform, bounds, &self.cache, page.xref(), settings);
        let found = Annotations::of(page, self.form.as_ref(), &self.layers);
        let has_annotations = page.raw().contains_key(b"Annots".as_slice());
        let mut content = context(parts(RenderContent::PAGE));
        let mut annotations = has_annotations.then(|| context(parts(RenderContent::ANNOTATIONS)));
        let mut device = TextDevice::new(width, height, &mut self.fonts, &self.layers, charmap_first);
        interpret_page(page, &mut content, &mut device);
        if let Some(annotations) = &mut annotations {
            device.sheet().start_annotations();
            interpret_page(page, annotations, &mut device);
            device.sheet().finish_annotations(&found, transform);
        }
        device
    }
}
