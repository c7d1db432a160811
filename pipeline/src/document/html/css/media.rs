//! Which at-rules hold where most people read: on a screen of a desk, in light colours.

use super::variables::closed;

/// The width of the window, in pixels.
const WIDTH_PX: f32 = 1280.0;
const HEIGHT_PX: f32 = 800.0;
/// A list of more queries is none.
const PARTS_MAX: usize = 16;

/// Whether the rules in an at-rule hold. It stands here in lower case and without its `@`.
pub(super) fn holds_on_screen(at_rule: &str) -> bool {
    if let Some(query) = at_rule.strip_prefix("media") {
        return is_for_windows(query);
    }
    // Pages ask for features that all browsers have by now.
    at_rule.strip_prefix("supports").is_some_and(|condition| !condition.trim_start().starts_with("not"))
        || at_rule.starts_with("layer")
}

/// Whether a list of media holds for a window on a screen.
pub(in crate::document::html) fn is_for_windows(list: &str) -> bool {
    list.to_ascii_lowercase().split(',').take(PARTS_MAX).any(is_true)
}

/// Whether an `@import` holds, by what follows its address: a layer, a condition and media, each if it is there.
pub(in crate::document) fn import_holds(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    let mut rest = said.trim();
    for function in ["layer", "supports"] {
        let Some(after) = rest.strip_prefix(function) else { continue };
        let (inside, after) = after.strip_prefix('(').and_then(closed).unwrap_or(("", after));
        if !holds_on_screen(&format!("{function} {inside}")) {
            return false;
        }
        rest = after.trim_start();
    }
    is_for_windows(rest)
}

fn is_true(query: &str) -> bool {
    let query = query.trim();
    let (query, is_negated) = match query.strip_prefix("not ") {
        Some(rest) => (rest, true),
        None => (query.strip_prefix("only ").unwrap_or(query), false),
    };
    let mut parts = query.split(" and ").map(str::trim);
    let Some(all) = parts.try_fold(true, |all, part| Some(all & part_is_true(part)?)) else { return false };
    all != is_negated
}

/// Whether a part of a query is true, or nothing if it cannot be known.
fn part_is_true(part: &str) -> Option<bool> {
    match part {
        "" | "screen" | "all" => return Some(true),
        "print" | "speech" | "tty" | "tv" | "handheld" | "projection" => return Some(false),
        _ => {}
    }
    let condition = part.strip_prefix('(')?.strip_suffix(')')?;
    if let Some(is_true) = range(condition) {
        return Some(is_true);
    }
    let (name, value) = condition.split_once(':')?;
    let value = value.trim();
    let least = |size: f32| pixels(value).map(|px| size >= px);
    let most = |size: f32| pixels(value).map(|px| size <= px);
    match name.trim() {
        "min-width" | "min-device-width" => least(WIDTH_PX),
        "max-width" | "max-device-width" => most(WIDTH_PX),
        "min-height" | "min-device-height" => least(HEIGHT_PX),
        "max-height" | "max-device-height" => most(HEIGHT_PX),
        "orientation" => Some(value == "landscape"),
        "hover" | "any-hover" => Some(value == "hover"),
        "pointer" | "any-pointer" => Some(value == "fine"),
        "prefers-color-scheme" => Some(value == "light"),
        "prefers-reduced-motion" | "prefers-contrast" => Some(value == "no-preference"),
        "forced-colors" | "inverted-colors" => Some(value == "none"),
        "scripting" => Some(value == "enabled"),
        _ => None,
    }
}

/// `width >= 600px`
fn range(condition: &str) -> Option<bool> {
    let (name, rest) = condition.split_once(['<', '>'])?;
    let size = match name.trim() {
        "width" => WIDTH_PX,
        "height" => HEIGHT_PX,
        _ => return None,
    };
    let (or_equal, value) = match rest.strip_prefix('=') {
        Some(value) => (true, value),
        None => (false, rest),
    };
    let limit = pixels(value.trim())?;
    let is_least = condition.contains('>');
    let is_equal = (size - limit).abs() < f32::EPSILON;
    Some(if is_equal { or_equal } else { (size > limit) == is_least })
}

fn pixels(value: &str) -> Option<f32> {
    let end = value.find(|c: char| !matches!(c, '0'..='9' | '.')).unwrap_or(value.len());
    let number: f32 = value.get(..end)?.parse().ok()?;
    match value.get(end..)?.trim() {
        "px" | "" => Some(number),
        "em" | "rem" => Some(number * 16.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_for_a_desk_hold() {
        for holds in [
            "media screen",
            "media (min-width: 768px)",
            "media print, (max-width:1300px)",
            "media not print",
            "media only screen and (min-width: 48em) and (orientation: landscape)",
            "media (width >= 600px)",
            "supports (display: grid)",
            "layer base",
        ] {
            assert!(holds_on_screen(holds), "{holds}");
        }
        for holds_not in [
            "media print",
            "media (max-width: 767.98px)",
            "media not screen",
            "media (prefers-color-scheme: dark)",
            "media (width < 40rem)",
            "media (unheard-of: yes)",
            "media not (unheard-of: yes)",
            "supports not (display: grid)",
            "keyframes fade",
        ] {
            assert!(!holds_on_screen(holds_not), "{holds_not}");
        }
    }

    #[test]
    fn imports_for_a_desk_hold() {
        for holds in ["", "screen", "layer", "layer(a) screen", "supports((a) and (b)) (min-width: 9px)"] {
            assert!(import_holds(holds), "{holds}");
        }
        for holds_not in ["print", "LAYER(a) print", "layer print", "supports(not (a: b))", "unheard-of"] {
            assert!(!import_holds(holds_not), "{holds_not}");
        }
    }
}
