//! The device that the PDF interpreter draws on. It keeps the text, and as much of the picture as decides
//! whether a reader sees the text.

use std::collections::HashSet;

use hayro_interpret::font::{Glyph as FontGlyph, GlyphRun};
use hayro_interpret::hayro_cmap::WritingMode;
use hayro_interpret::hayro_syntax::object::Dict;
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use hayro_interpret::{BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, SoftMask};

use super::canvas::{Canvas, Ink};
use super::charmap::Fonts;
use super::glyph::{Glyph, raised};
use super::layers::Layers;
use super::naming::Naming;
use super::placement::{PenUnits, Slant, end_of, ink_of_mark};
use super::shapes::{bounds_of, boxes_of};
use super::sheet::Sheet;
use super::sight::Drawn;
use super::spans::Spans;
use super::weight::Weights;
use crate::document::content::HiddenReason;

/// Text may stick out of the page by this much.
const BLEED_POINTS: f64 = 2.0;
/// A path with more elements is a curve or an icon, not a rule.
const RULE_ELEMENTS_MAX: usize = 8;
/// Smaller text cannot be read.
const TINY_POINTS: f64 = 1.0;

/// Collects one page.
pub(super) struct TextDevice<'m> {
    sheet: Sheet,
    bounds: Rect,
    naming: Naming<'m>,
    pen_units: PenUnits,
    weights: Weights,
    canvas: Canvas,
    spans: Spans,
    layers: &'m Layers,
}

/// The properties that all glyphs of a run share.
struct Run {
    ink: Ink,
    is_invisible: bool,
    /// Glyphs that are drawings may have colours of their own.
    is_drawing: bool,
    /// The size along the line, which differs from the glyph's own if it is narrowed.
    breadth: f64,
}

impl Run {
    /// A drawing may be of any size in its own space, so its extent counts.
    fn is_tiny(&self, size: f64, extent: f64) -> bool {
        if self.is_drawing {
            size < TINY_POINTS && extent < TINY_POINTS
        } else {
            size < TINY_POINTS || self.breadth < TINY_POINTS
        }
    }
}

impl<'m> TextDevice<'m> {
    /// A device for a page of this size. For the fonts in `charmap_first`, the charmap knows more than the
    /// interpreter.
    pub(super) fn new(
        width: f64,
        height: f64,
        fonts: &'m mut Fonts,
        layers: &'m Layers,
        charmap_first: HashSet<u128>,
    ) -> Self {
        let bounds = Rect::new(0.0, 0.0, width, height).inflate(BLEED_POINTS, BLEED_POINTS);
        Self {
            sheet: Sheet::new(width, height, bounds),
            bounds,
            naming: Naming::new(fonts, charmap_first),
            pen_units: PenUnits::default(),
            weights: Weights::default(),
            canvas: Canvas::new(bounds),
            spans: Spans::default(),
            layers,
        }
    }

    pub(super) fn naming(&self) -> &Naming<'m> {
        &self.naming
    }

    /// The glyphs, for what the interpreter does not draw.
    pub(super) fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    pub(super) fn finish(self) -> Drawn {
        self.sheet.finish(&self.canvas, self.naming.pictures)
    }

    /// Why a reader does not see a glyph, as far as is known when it is drawn.
    fn reason(&self, run: &Run, glyph: &Glyph) -> Option<HiddenReason> {
        let centre = glyph.origin.midpoint(glyph.end);
        let extent = (glyph.end - glyph.origin).hypot();
        if self.spans.is_off() {
            Some(HiddenReason::Layer)
        } else if !self.bounds.contains(centre) || !self.canvas.shows(raised(glyph)) {
            Some(HiddenReason::Outside)
        } else if run.is_invisible {
            Some(HiddenReason::Marked)
        } else if run.is_tiny(glyph.size, extent) {
            Some(HiddenReason::Tiny)
        } else if run.ink.is_unseen {
            Some(HiddenReason::Colour)
        } else {
            let colour = run.ink.colour.filter(|_| !run.is_drawing)?;
            self.canvas.is_ground(raised(glyph), colour).then_some(HiddenReason::Colour)
        }
    }

    fn note_area(&mut self, bounds: Rect, is_box: bool, props: &DrawProps<'_>, mode: &DrawMode) {
        self.sheet.paint_through(bounds);
        self.canvas.paint(bounds, is_box, props, mode, self.sheet.len() as u32);
    }
}

impl<'a> Device<'a> for TextDevice<'_> {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let glyphs = run.glyphs();
        self.naming.start_run();
        let breadth = glyphs.first().map_or(0.0, |first| {
            let [along, across, ..] = (props.transform * first.transform()).as_coeffs();
            1000.0 * along.hypot(across)
        });
        let shared = Run {
            breadth,
            ink: self.canvas.ink(&props),
            is_invisible: matches!(mode, DrawMode::Invisible),
            is_drawing: matches!(glyphs.first().map(|first| &**first), Some(FontGlyph::Type3(_))),
        };
        if !shared.is_invisible {
            self.sheet.start_visible();
        }
        let bold = self.weights.is_bold(glyphs);
        let first_kept = self.sheet.len();
        let pen_unit = self.pen_units.of(glyphs, props.transform);
        let mut text = String::new();
        let mut slant = Slant::of(Affine::scale(1.0));
        let mut placed = glyphs.first().map(|first| props.transform * first.transform());
        for (index, glyph) in glyphs.iter().enumerate() {
            let Some(here) = placed else { break };
            let next = glyphs.get(index + 1).map(|next| props.transform * next.transform());
            let next_origin = next.map(|next| next * Point::ZERO);
            let origin = here * Point::ZERO;
            if !slant.is_of(here) {
                slant = Slant::of(here);
            }
            let Slant { size, direction, .. } = slant;
            let advance = self.naming.read(glyph, &mut text);
            let (direction, end) = if run.writing_mode() == WritingMode::Vertical {
                (Vec2::new(0.0, 1.0), origin + Vec2::new(0.0, size))
            } else {
                (direction, end_of(advance, here, next_origin, slant, pen_unit))
            };
            let (origin, end) = ink_of_mark(glyph, &text, here).map_or((origin, end), |ink| (ink, ink));
            let starts_run = self.sheet.len() == first_kept;
            let glyph = Glyph { text_start: 0, text_end: 0, origin, end, size, direction, bold, starts_run };
            let reason = self.reason(&shared, &glyph);
            self.sheet.keep(&text, glyph, reason);
            placed = next;
        }
    }

    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        if path.elements().len() <= RULE_ELEMENTS_MAX {
            let (bounds, is_box) = bounds_of(&(props.transform * path));
            self.sheet.note_rule(bounds);
            self.note_area(bounds, is_box, &props, mode);
            return;
        }
        let boxes = boxes_of(path);
        for part in &boxes {
            self.note_area(
                props.transform.transform_rect_bbox(*part),
                is_upright(props.transform),
                &props,
                mode,
            );
        }
        if boxes.is_empty() {
            let bounds = props.transform.transform_rect_bbox(path.control_box());
            self.note_area(bounds, false, &props, mode);
        }
    }

    fn draw_rect(&mut self, rect: &Rect, props: DrawProps<'a>, mode: &DrawMode) {
        let bounds = props.transform.transform_rect_bbox(*rect);
        self.sheet.note_rule(bounds);
        self.note_area(bounds, is_upright(props.transform), &props, mode);
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let size = Rect::new(0.0, 0.0, f64::from(image.width()), f64::from(image.height()));
        let drawn = props.transform.transform_rect_bbox(size).intersect(self.bounds);
        let share = drawn.area() / self.bounds.area().max(1.0);
        self.sheet.note_image(share);
        let is_opaque = props.soft_mask.is_none()
            && props.blend_mode == BlendMode::Normal
            && is_upright(props.transform)
            && match &image {
                Image::Raster(raster) => {
                    let dict = raster.stream().dict().clone();
                    !dict.contains_key(b"SMask".as_slice())
                        && !dict.contains_key(b"Mask".as_slice())
                        && !dict.contains_key(b"SMaskInData".as_slice())
                }
                Image::Stencil(_) => false,
            };
        self.sheet.paint_through(drawn);
        self.canvas.picture(drawn, is_opaque, self.sheet.len() as u32);
    }

    fn push_clip_path(&mut self, clip: &ClipPath) {
        let (bounds, is_box) = bounds_of(&clip.path);
        self.canvas.push_clip(bounds, is_box);
        if !is_box {
            self.sheet.start_clip(self.canvas.clips());
        }
    }

    fn push_clip_rect(&mut self, rect: &Rect) {
        self.canvas.push_clip(*rect, true);
    }

    fn pop_clip(&mut self) {
        self.canvas.pop_clip();
        self.sheet.end_clip(self.canvas.clips());
    }

    fn push_transparency_group(&mut self, opacity: f32, mask: Option<SoftMask<'a>>, blend: BlendMode) {
        self.canvas.push_group(opacity, mask.is_some(), blend);
    }

    fn pop_transparency_group(&mut self) {
        self.canvas.pop_group();
    }

    fn begin_marked_content(&mut self, tag: &[u8], properties: Option<&Dict<'_>>) {
        self.spans.open(tag, properties, self.layers, self.sheet.len());
    }

    fn end_marked_content(&mut self) {
        if let Some(actual) = self.spans.close() {
            self.sheet.replace(&actual);
        }
    }
}

/// Whether a transform keeps upright boxes upright.
fn is_upright(transform: Affine) -> bool {
    let [a, b, c, d, ..] = transform.as_coeffs();
    let small = 0.001 * (a.abs() + b.abs() + c.abs() + d.abs());
    (b.abs() <= small && c.abs() <= small) || (a.abs() <= small && d.abs() <= small)
}
