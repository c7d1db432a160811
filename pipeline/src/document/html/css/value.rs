//! Declarations: a property and its value.

use std::borrow::Cow;

use super::color::color;
use super::marks::divided;
use super::property::{Property, Value};
use super::variables::closed;

/// A declaration.
#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) what: Declared,
    pub(super) is_important: bool,
}

/// The content of a declaration.
#[derive(Debug)]
pub(super) enum Declared {
    Known(Property, Value),
    /// A property whose value uses custom properties.
    Varying(String, String),
    /// A custom property.
    Custom(String, String),
}

/// The declarations of a block that matter here.
pub(super) fn declarations(block: &str) -> Vec<Declaration> {
    /// More in one block are no style. A design system declares some hundred custom properties in one.
    const DECLARATIONS_MAX: usize = 2_000;
    let mut found = Vec::new();
    for declaration in divided(block, ';').take(DECLARATIONS_MAX) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let (value, is_important) = match value.split_once('!') {
            Some((value, rest)) => (value.trim(), rest.trim().eq_ignore_ascii_case("important")),
            None => (value.trim(), false),
        };
        let (name, value) = (name.trim(), with_small_var(value));
        let value = &*value;
        let mut add = |what| found.push(Declaration { what, is_important });
        if name.starts_with("--") {
            // The names of custom properties have capitals and small letters.
            add(Declared::Custom(name.to_owned(), value.to_owned()));
        } else if value.contains("var(") {
            if can_hide(name) {
                add(Declared::Varying(name.to_owned(), value.to_owned()));
            }
        } else {
            declared(name, value)
                .into_iter()
                .for_each(|(property, value)| add(Declared::Known(property, value)));
        }
    }
    found
}

/// `VAR(--X)` as `var(--X)`: the function's name has no case, but the property's has.
fn with_small_var(value: &str) -> Cow<'_, str> {
    let lower = value.to_ascii_lowercase();
    if !lower.contains("var(") {
        return Cow::Borrowed(value);
    }
    let mut out = value.to_owned();
    for (at, found) in lower.match_indices("var(") {
        out.replace_range(at..at + found.len(), found);
    }
    Cow::Owned(out)
}

/// Whether a property is one of those that are known here.
fn can_hide(name: &str) -> bool {
    ["none", "0"].iter().any(|value| !declared(name, value).is_empty())
}

/// The properties that a declaration with this name and value sets.
pub(super) fn declared(name: &str, value: &str) -> Vec<(Property, Value)> {
    said(&name.to_ascii_lowercase(), value.to_ascii_lowercase().trim())
}

fn said(name: &str, value: &str) -> Vec<(Property, Value)> {
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
        "mask" | "mask-image" | "-webkit-mask" | "-webkit-mask-image" => {
            one(Property::Mask, yes(masks_all(value)))
        }
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

/// Whether a mask lets nothing through: one gradient whose colours are all clear.
fn masks_all(value: &str) -> bool {
    let Some((before, rest)) = value.split_once("gradient(") else { return false };
    let (inside, after) = closed(rest).unwrap_or((rest, ""));
    // Another layer may show what this one hides.
    if before.contains([',', '(']) || after.contains(',') {
        return false;
    }
    let mut depth = 0_usize;
    let stops = inside.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    let is_color = |(at, stop): &(usize, &str)| length(stop).is_none() && (*at > 0 || !is_direction(stop));
    let mut are_clear = stops
        .map(str::trim)
        .enumerate()
        .filter(is_color)
        // A colour that is not known here may show.
        .map(|(_, stop)| color(unplaced(stop)).is_some_and(|color| color.is_clear));
    are_clear.next() == Some(true) && are_clear.all(|is_clear| is_clear)
}

/// Whether the first part of a gradient is no colour, but its direction or its shape.
fn is_direction(part: &str) -> bool {
    const STARTS: [&str; 8] = ["to ", "from ", "at ", "in ", "circle", "ellipse", "closest-", "farthest-"];
    part.starts_with(|c: char| matches!(c, '0'..='9' | '.' | '-' | '+'))
        || STARTS.iter().any(|start| part.starts_with(start))
}

/// A stop of a gradient without the places that follow its colour: `transparent 40%`.
fn unplaced(stop: &str) -> &str {
    let mut rest = stop;
    while let Some((before, place)) = rest.rsplit_once(' ') {
        if length(place).is_none() {
            break;
        }
        rest = before.trim_end();
    }
    rest
}

fn moves_away(value: &str) -> bool {
    value.contains("scale(0)")
        || value.split("translate").skip(1).any(|rest| {
            let argument = rest.trim_start_matches(['x', 'y', '3', 'd']).trim_start_matches('(');
            let argument = argument.split([',', ')']).next().unwrap_or_default();
            !argument.contains('%') && matches!(length(argument), Some(Value::Length(px)) if px <= FAR_PX)
        })
}
