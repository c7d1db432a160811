//! The paint of a page besides its text: the areas that lie below and above its glyphs, and the clip in force.
//!
//! A glyph is not seen if it has the colour of its ground, lies below something opaque, or is clipped away.
//! In doubt a glyph counts as seen: the ground of a picture, a pattern or a curve is not known.

use std::cell::Cell;

use hayro_interpret::kurbo::{Point, Rect};
use hayro_interpret::{BlendMode, DrawMode, DrawProps, Paint};

/// The most painted areas that are remembered. A page with more is a drawing, and its grounds are not known.
const AREAS_MAX: usize = 20_000;
/// The most comparisons of glyphs with areas, about a fifth of a second. Beyond, glyphs count as seen.
const COMPARISONS_MAX: usize = 200_000_000;
/// With more colours of grounds, every glyph is compared with its ground.
const COLOURS_MAX: usize = 24;
/// A smaller area is a rule or a bullet, and no ground of text.
const SIDE_MIN_POINTS: f64 = 2.5;
/// Less paint than this leaves nothing to see, and more than `OPAQUE` lets nothing through.
const UNSEEN: f32 = 0.02;
const OPAQUE: f32 = 0.98;
/// Colours that differ by less, of 1, look the same.
const SAME_COLOUR: f32 = 0.04;
/// A glyph may stick out of its clip or its cover by this much.
const SLACK_POINTS: f64 = 1.0;
/// The deepest nesting of clips and groups that is tracked. The interpreter itself stops far earlier.
const NESTING_MAX: usize = 10_000;

pub(super) type Rgb = [f32; 3];
const WHITE: Rgb = [1.0, 1.0, 1.0];

/// The paint of a run of glyphs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    /// The paint lets everything through.
    pub(super) is_unseen: bool,
    /// `None` for a pattern, or if the colour meets no ground that looks the same.
    pub(super) colour: Option<Rgb>,
}

#[derive(Debug)]
struct Area {
    bounds: Rect,
    /// `None` if the area has no single known colour.
    colour: Option<Rgb>,
    /// Whether it hides all that lies below its bounds.
    covers: bool,
    is_picture: bool,
    /// The number of glyphs drawn before it.
    drawn_before: u32,
}

#[derive(Debug, Clone, Copy)]
struct Clip {
    bounds: Rect,
    /// Whether the clip is its bounds, and not only within them.
    is_exact: bool,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    is_opaque: bool,
    is_unseen: bool,
}

#[derive(Debug)]
pub(super) struct Canvas {
    page: Rect,
    clips: Vec<Clip>,
    groups: Vec<Group>,
    areas: Vec<Area>,
    /// The different colours of the areas, so that most runs need no search.
    colours: Vec<Rgb>,
    overflowed: bool,
    comparisons: Cell<usize>,
}

impl Canvas {
    pub(super) fn new(page: Rect) -> Self {
        Self {
            page,
            clips: Vec::new(),
            groups: Vec::new(),
            areas: Vec::new(),
            colours: vec![WHITE],
            overflowed: false,
            comparisons: Cell::new(0),
        }
    }

    pub(super) fn push_clip(&mut self, bounds: Rect, is_exact: bool) {
        let last = self.clip();
        let clip = Clip { bounds: bounds.intersect(last.bounds), is_exact: is_exact && last.is_exact };
        if self.clips.len() < NESTING_MAX {
            self.clips.push(clip);
        }
    }

    pub(super) fn pop_clip(&mut self) {
        self.clips.pop();
    }

    /// The number of clips in force.
    pub(super) fn clips(&self) -> usize {
        self.clips.len()
    }

    fn clip(&self) -> Clip {
        self.clips.last().copied().unwrap_or(Clip { bounds: self.page, is_exact: true })
    }

    /// Whether a point lies in the clip. A clip that was never set is the page.
    pub(super) fn shows(&self, point: Point) -> bool {
        self.clips.last().is_none_or(|clip| {
            !clip.bounds.is_zero_area() && clip.bounds.inflate(SLACK_POINTS, SLACK_POINTS).contains(point)
        })
    }

    pub(super) fn push_group(&mut self, opacity: f32, is_masked: bool, blend: BlendMode) {
        let outer = self.group();
        let group = Group {
            is_opaque: outer.is_opaque && opacity > OPAQUE && !is_masked && blend == BlendMode::Normal,
            is_unseen: outer.is_unseen || opacity < UNSEEN,
        };
        if self.groups.len() < NESTING_MAX {
            self.groups.push(group);
        }
    }

    pub(super) fn pop_group(&mut self) {
        self.groups.pop();
    }

    fn group(&self) -> Group {
        self.groups.last().copied().unwrap_or(Group { is_opaque: true, is_unseen: false })
    }

    /// The paint of a run. Its colour is known only if a ground of that colour exists.
    pub(super) fn ink(&self, props: &DrawProps<'_>) -> Ink {
        let is_unseen = self.group().is_unseen;
        let Paint::Color(colour) = &props.paint else { return Ink { is_unseen, colour: None } };
        let [red, green, blue, alpha] = colour.to_rgba().components();
        let colour = [red, green, blue];
        let is_unseen = is_unseen || alpha < UNSEEN;
        // A mask decides how much of the paint is seen, and where.
        let known = props.soft_mask.is_none() && !self.overflowed;
        let meets = known
            && (self.colours.len() >= COLOURS_MAX
                || self.colours.iter().any(|ground| is_same(*ground, colour)));
        Ink { is_unseen, colour: meets.then_some(colour) }
    }

    /// Whether the ground at a point has this colour.
    pub(super) fn is_ground(&self, point: Point, colour: Rgb) -> bool {
        if !self.may_compare(self.areas.len()) {
            return false;
        }
        let ground = self.areas.iter().rev().find(|area| area.bounds.contains(point));
        match ground {
            Some(area) => area.colour.is_some_and(|ground| is_same(ground, colour)),
            None => is_same(WHITE, colour),
        }
    }

    /// Notes a filled or stroked path. `drawn` is the number of glyphs drawn before it.
    pub(super) fn paint(
        &mut self,
        bounds: Rect,
        is_box: bool,
        props: &DrawProps<'_>,
        mode: &DrawMode,
        drawn: u32,
    ) {
        let bounds = match mode {
            DrawMode::Stroke(stroke) => {
                // A thick line is a band. The outline of a box is no ground.
                let scale = props.transform.determinant().abs().sqrt();
                let half = f64::from(stroke.line_width) * scale / 2.0;
                if bounds.width().min(bounds.height()) > half {
                    return;
                }
                bounds.inflate(half, half)
            }
            _ => bounds,
        };
        let clip = self.clip();
        let bounds = bounds.intersect(clip.bounds);
        if bounds.width() < SIDE_MIN_POINTS || bounds.height() < SIDE_MIN_POINTS {
            return;
        }
        let mut colour = None;
        if let Paint::Color(paint) = &props.paint {
            let [red, green, blue, alpha] = paint.to_rgba().components();
            if alpha < UNSEEN {
                return;
            }
            let plain = alpha > OPAQUE && props.soft_mask.is_none() && props.blend_mode == BlendMode::Normal;
            colour = (plain && self.group().is_opaque).then_some([red, green, blue]);
        }
        let is_filled = matches!(mode, DrawMode::Fill(_));
        let covers = colour.is_some() && is_box && is_filled && clip.is_exact;
        // Within the bounds of a curve, only the curve itself has the colour.
        let colour = colour.filter(|_| is_box && clip.is_exact);
        self.note(Area { bounds, colour, covers, is_picture: false, drawn_before: drawn });
    }

    /// Notes a picture. It covers what lies below it if it `is_opaque` and upright.
    pub(super) fn picture(&mut self, bounds: Rect, is_opaque: bool, drawn: u32) {
        let clip = self.clip();
        let bounds = bounds.intersect(clip.bounds);
        let covers = is_opaque && clip.is_exact && self.group().is_opaque;
        if bounds.width() > 0.0 && bounds.height() > 0.0 && !self.group().is_unseen {
            self.note(Area { bounds, colour: None, covers, is_picture: true, drawn_before: drawn });
        }
    }

    fn note(&mut self, area: Area) {
        if self.areas.len() < AREAS_MAX {
            if let Some(colour) = area.colour
                && self.colours.len() < COLOURS_MAX
                && !self.colours.contains(&colour)
            {
                self.colours.push(colour);
            }
            self.areas.push(area);
        } else {
            self.overflowed = true;
        }
    }

    /// Whether a picture lies at a point, above or below.
    pub(super) fn has_picture(&self, point: Point) -> bool {
        self.areas
            .iter()
            .any(|area| area.is_picture && area.bounds.inflate(SLACK_POINTS, SLACK_POINTS).contains(point))
    }

    /// Whether anything is drawn above a glyph that lies there, which might change its ground.
    pub(super) fn is_repainted(&self, point: Point, drawn: u32) -> bool {
        self.overflowed || self.later(drawn).any(|area| area.colour.is_none() && area.bounds.contains(point))
    }

    /// Whether something opaque was drawn later on both ends of a glyph. Returns whether it is a picture.
    pub(super) fn cover(&self, ends: [Point; 2], drawn: u32) -> Option<bool> {
        self.later(drawn)
            .find(|area| {
                area.covers
                    && ends.iter().all(|end| area.bounds.inflate(SLACK_POINTS, SLACK_POINTS).contains(*end))
            })
            .map(|area| area.is_picture)
    }

    fn later(&self, drawn: u32) -> impl Iterator<Item = &Area> {
        let first = self.areas.partition_point(|area| area.drawn_before <= drawn);
        let later = self.areas.get(first..).unwrap_or_default();
        let later = if self.may_compare(later.len()) { later } else { &[] };
        later.iter()
    }

    /// Whether so many more comparisons are allowed.
    fn may_compare(&self, count: usize) -> bool {
        let comparisons = self.comparisons.get().saturating_add(count);
        self.comparisons.set(comparisons);
        comparisons <= COMPARISONS_MAX
    }

    /// Whether anything that may cover a glyph was painted at all.
    pub(super) fn has_covers(&self) -> bool {
        self.areas.iter().any(|area| area.covers && area.drawn_before > 0)
    }
}

fn is_same(one: Rgb, other: Rgb) -> bool {
    one.iter().zip(other).all(|(one, other)| (one - other).abs() <= SAME_COLOUR)
}
