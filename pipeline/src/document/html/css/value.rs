//! Declarations: a property and its value.

use super::color::{Color, color};

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
}

pub(in crate::document::html) const PROPERTIES: usize = 27;

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
pub(in crate::document::html) const CLIPPING: [Property; 7] = [
    Property::Clip,
    Property::ClipPath,
    Property::Transform,
    Property::Translate,
    Property::Scale,
    Property::Zoom,
    Property::Filter,
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

/// A declaration, with whether it is `!important`.
pub(super) type Declaration = (Property, Value, bool);

/// The declarations of a block that matter here.
pub(super) fn declarations(block: &str) -> Vec<Declaration> {
    /// More in one block are no style.
    const DECLARATIONS_MAX: usize = 200;
    let mut found = Vec::new();
    for declaration in block.split(';').take(DECLARATIONS_MAX) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let name = name.trim().to_ascii_lowercase();
        let value = value.trim().to_ascii_lowercase();
        let (value, important) = match value.split_once('!') {
            Some((value, rest)) => (value.trim(), rest.trim() == "important"),
            None => (value.as_str(), false),
        };
        found
            .extend(declared(&name, value).into_iter().map(|(property, value)| (property, value, important)));
    }
    found
}

fn declared(name: &str, value: &str) -> Vec<(Property, Value)> {
    let one = |property, value| vec![(property, value)];
    let size = |property| -> Vec<(Property, Value)> {
        length(value).map(|length| (property, length)).into_iter().collect()
    };
    match name {
        "display" => one(Property::NoBox, yes(value == "none")),
        "visibility" => one(Property::Invisible, yes(matches!(value, "hidden" | "collapse"))),
        "content-visibility" => one(Property::Unrendered, yes(value == "hidden")),
        "filter" | "-webkit-filter" => one(Property::Filter, yes(filters_all(value))),
        "zoom" => {
            one(Property::Zoom, yes(value.trim_end_matches('%').parse().is_ok_and(|zoom: f32| zoom <= 0.0)))
        }
        "translate" => one(Property::Translate, yes(moves_away(&format!("translate({value})")))),
        "opacity" => one(Property::Clear, yes(value.parse::<f32>().is_ok_and(|share| share < 0.03))),
        "font-size" => size(Property::FontSize),
        "font" => {
            let mut size =
                value.split_whitespace().filter_map(|word| length(word.split('/').next().unwrap_or(word)));
            // Weights are numbers without a unit, and greater than any size that hides.
            let size = size.rfind(|size| !matches!(size, Value::Length(px) if *px >= 100.0));
            size.map(|size| (Property::FontSize, size)).into_iter().collect()
        }
        "color" | "-webkit-text-fill-color" => {
            one(Property::Color, color(value).map_or(Value::Unknown, Value::Color))
        }
        "background-color" | "background" => {
            one(Property::Background, color(value).map_or(Value::Unknown, Value::Color))
        }
        "background-image" if value != "none" => one(Property::Background, Value::Unknown),
        "position" => one(Property::Positioned, yes(matches!(value, "absolute" | "fixed"))),
        "width" => size(Property::Width),
        "max-width" => size(Property::MaxWidth),
        "height" => size(Property::Height),
        "max-height" => size(Property::MaxHeight),
        "overflow" | "overflow-x" | "overflow-y" => {
            one(Property::CutsOff, yes(matches!(value, "hidden" | "clip")))
        }
        "clip" => one(Property::Clip, yes(clips_all(value))),
        "clip-path" => one(Property::ClipPath, yes(clips_all(value))),
        "transform" => one(Property::Transform, yes(moves_away(value))),
        "scale" => one(Property::Scale, yes(value.trim_start_matches(['0', '.', ' ']).is_empty())),
        _ => placed(name, value),
    }
}

/// The properties that move a box.
fn placed(name: &str, value: &str) -> Vec<(Property, Value)> {
    let one = |property, value| vec![(property, value)];
    match name {
        "left" => one(Property::Left, far(value)),
        "right" => one(Property::Right, far(value)),
        "top" => one(Property::Top, far(value)),
        "bottom" => one(Property::Bottom, far(value)),
        "inset" => inset(value).map(|(side, value)| (side, far(value))).to_vec(),
        "margin-left" => one(Property::MarginLeft, far(value)),
        "margin-top" => one(Property::MarginTop, far(value)),
        "text-indent" => one(Property::Indented, far(value)),
        _ => Vec::new(),
    }
}

/// Whether a place is far from the page.
fn far(value: &str) -> Value {
    yes(length(value).is_some_and(|length| matches!(length, Value::Length(px) if px <= FAR_PX)))
}

/// The sides that a value of `inset` sets: all, or up to four of them in turn from the top.
fn inset(value: &str) -> [(Property, &str); 4] {
    let mut words = value.split_whitespace();
    let top = words.next().unwrap_or_default();
    let right = words.next().unwrap_or(top);
    let bottom = words.next().unwrap_or(top);
    let left = words.next().unwrap_or(right);
    [(Property::Top, top), (Property::Right, right), (Property::Bottom, bottom), (Property::Left, left)]
}

/// So far from the page that nobody scrolls there.
const FAR_PX: f32 = -500.0;

fn yes(is: bool) -> Value {
    if is { Value::Yes } else { Value::No }
}

/// A length in pixels, or a share.
fn length(value: &str) -> Option<Value> {
    let value = value.trim();
    let end = value.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+')).unwrap_or(value.len());
    let number: f32 = value.get(..end)?.parse().ok()?;
    Some(match value.get(end..)?.trim() {
        "px" | "" => Value::Length(number),
        "pt" => Value::Length(number * 4.0 / 3.0),
        "rem" => Value::Length(number * 16.0),
        "cm" => Value::Length(number * 38.0),
        "mm" => Value::Length(number * 3.8),
        "in" => Value::Length(number * 96.0),
        // Places in em and in the size of the window are far from the page, if they are hundreds.
        "vw" | "vh" => Value::Length(number * 10.0),
        "em" if number < 0.0 => Value::Length(number * 16.0),
        "em" => Value::Share(number),
        "%" if number < 0.0 => Value::Length(number * 10.0),
        "%" => Value::Share(number / 100.0),
        _ => return None,
    })
}

fn clips_all(value: &str) -> bool {
    let arguments = |name: &str| value.strip_prefix(name).map(|rest| rest.trim_matches(['(', ')', ' ']));
    if let Some(rect) = arguments("rect") {
        let mut sides =
            rect.split([',', ' ']).filter(|side| !side.is_empty()).map(|side| match length(side) {
                Some(Value::Length(px)) => px,
                _ => f32::MAX,
            });
        return sides.clone().count() == 4 && sides.all(|side| side <= 1.0);
    }
    if let Some(inset) = arguments("inset") {
        return inset
            .split_whitespace()
            .next()
            .and_then(length)
            .is_some_and(|side| matches!(side, Value::Share(share) if share >= 0.5));
    }
    arguments("circle").is_some_and(|circle| circle.starts_with('0'))
}

/// Whether a filter lets nothing through.
fn filters_all(value: &str) -> bool {
    value.split("opacity(").skip(1).any(|rest| {
        let share = rest.split(')').next().unwrap_or_default().trim().trim_end_matches('%');
        share.parse::<f32>().is_ok_and(|share| share < 0.03)
    })
}

fn moves_away(value: &str) -> bool {
    value.contains("scale(0)")
        || value.split("translate").skip(1).any(|rest| {
            let argument = rest.trim_start_matches(['x', 'y', '3', 'd']).trim_start_matches('(');
            let argument = argument.split([',', ')']).next().unwrap_or_default();
            !argument.contains('%') && matches!(length(argument), Some(Value::Length(px)) if px <= FAR_PX)
        })
}
