//! The properties that can hide a text, and their values.

use super::color::Color;

/// A property that can hide a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::document::html) enum Property {
    /// Whether the element has no box at all.
    NoBox,
    /// Whether what the box holds is left out.
    Unrendered,
    Invisible,
    FontSize,
    Color,
    Background,
    Clear,
    Positioned,
    // Whether the box begins far outside of the page, if it is positioned. A later side does not undo an earlier one.
    Left,
    Right,
    Top,
    Bottom,
    MarginLeft,
    MarginTop,
    /// Whether the text begins far outside of its box.
    Indented,
    Width,
    MaxWidth,
    Height,
    MaxHeight,
    CutsOff,
    // Whether nothing of the box is left to see.
    Clip,
    ClipPath,
    Transform,
    Translate,
    Scale,
    Zoom,
    Filter,
    Mask,
}

pub(in crate::document::html) const PROPERTIES: usize = 28;

/// Any of these moves a box off the page.
pub(in crate::document::html) const OUTSIDE: [Property; 6] = [
    Property::Left,
    Property::Right,
    Property::Top,
    Property::Bottom,
    Property::MarginLeft,
    Property::MarginTop,
];
/// Any of these leaves nothing of a box to see.
pub(in crate::document::html) const CLIPPING: [Property; 8] = [
    Property::Clip,
    Property::ClipPath,
    Property::Transform,
    Property::Translate,
    Property::Scale,
    Property::Zoom,
    Property::Filter,
    Property::Mask,
];

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::document::html) enum Value {
    Yes,
    No,
    /// In pixels.
    Length(f32),
    /// A share of the size around it.
    Share(f32),
    Color(Color),
    /// Something that nobody can judge without the rest of the page.
    Unknown,
}
