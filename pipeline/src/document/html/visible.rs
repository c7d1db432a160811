//! Which texts a reader of the page sees.

use std::collections::HashSet;

use super::css::{CLIPPING, Color, OUTSIDE, Property, Rules, Style, StyleSheet, Value};
use super::element::{is_control, is_never_shown};
use super::page::Page;
use crate::document::content::HiddenReason;

/// The visible part of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sight {
    #[default]
    Shown,
    Hidden(HiddenReason),
    /// Never part of what a page says: scripts, styles, controls.
    Apart,
}

/// The properties of a node, which those in it inherit unless they set their own.
#[derive(Clone, Copy)]
struct Context {
    /// Nothing within can undo it.
    sight: Sight,
    is_invisible: bool,
    font_px: f32,
    color: Option<Color>,
    /// `None` if it cannot be judged.
    background: Option<[u8; 3]>,
    in_svg: bool,
    /// The custom properties of style that hold for it.
    scope: Option<usize>,
}

/// Text of this size, and smaller, is not read.
const TINY_PX: f32 = 1.0;
/// The greatest difference of a channel between colours that look the same.
const SAME_COLOUR: u8 = 6;

/// The visible part of each node, and whether some style rules were left out.
pub(super) fn sights(page: &Page, sheets: &[StyleSheet]) -> (Vec<Sight>, bool) {
    let mut rules = Rules::default();
    let mut has_other_sheets = false;
    for index in 0..page.len() {
        if let Some(style) = page.attribute(index, "style") {
            rules.note_own(style);
        }
        match page.name(index) {
            "style" if is_for_readers(page, index) => {
                let sheet: String = (index..page.end(index)).filter_map(|inner| page.text(inner)).collect();
                has_other_sheets = has_other_sheets || sheet.contains("@import");
                rules.add(&sheet);
            }
            "link" => {
                let rel = page.attribute(index, "rel").unwrap_or_default().to_ascii_lowercase();
                let is_sheet = rel.contains("stylesheet") && !rel.contains("alternate");
                let address = page.attribute(index, "href").unwrap_or_default();
                let known = sheets.iter().find(|sheet| sheet.is_at(address));
                has_other_sheets = has_other_sheets || (is_sheet && known.is_none());
                if let Some(sheet) = known.filter(|_| is_sheet && is_for_readers(page, index)) {
                    rules.add(&sheet.text);
                }
            }
            _ => {}
        }
    }
    let opened = opened(page);
    let first = Context {
        sight: Sight::Shown,
        is_invisible: false,
        font_px: 16.0,
        color: Some(Color { rgb: [0; 3], is_clear: false }),
        // Another style sheet may paint the page.
        background: (!has_other_sheets).then_some([255; 3]),
        in_svg: false,
        scope: None,
    };
    let mut contexts: Vec<Context> = Vec::with_capacity(page.len());
    for index in 0..page.len() {
        let around = contexts.get(page.parent(index)).copied().unwrap_or(first);
        let context = if page.text(index).is_some() {
            Context { sight: text_sight(&around, page.text(index).unwrap_or_default()), ..around }
        } else if around.sight == Sight::Apart {
            around
        } else {
            let (style, scope) = rules.style(page, index, around.scope);
            element_context(page, index, Context { scope, ..around }, &style, opened.contains(&index))
        };
        contexts.push(context);
    }
    (contexts.into_iter().map(|context| context.sight).collect(), rules.is_cut())
}

/// Whether a style sheet is for a browser with scripts, and a window.
fn is_for_readers(page: &Page, sheet: usize) -> bool {
    !matches!(page.name(page.parent(sheet)), "noscript" | "template")
        && page.attribute(sheet, "media").is_none_or(super::css::is_for_windows)
}

fn text_sight(around: &Context, text: &str) -> Sight {
    let hidden = if around.sight != Sight::Shown || text.trim().is_empty() {
        return around.sight;
    } else if around.is_invisible {
        HiddenReason::Marked
    } else if around.font_px <= TINY_PX {
        HiddenReason::Tiny
    } else if around.color.is_some_and(|color| color.is_clear) || is_same_colour(around) {
        HiddenReason::Colour
    } else {
        return Sight::Shown;
    };
    Sight::Hidden(hidden)
}

fn is_same_colour(context: &Context) -> bool {
    let (Some(color), Some(background)) = (context.color, context.background) else { return false };
    color.rgb.into_iter().zip(background).all(|(one, other)| one.abs_diff(other) <= SAME_COLOUR)
}

fn element_context(page: &Page, index: usize, around: Context, style: &Style, is_opened: bool) -> Context {
    let name = page.name(index);
    let mut context = around;
    // A page that hides its whole body shows it later, by a script.
    let can_hide = !matches!(name, "html" | "body" | "#page");
    if is_apart(page, index, &around) {
        context.sight = Sight::Apart;
        return context;
    }
    context.in_svg = around.in_svg || name == "svg";
    if context.sight == Sight::Shown && can_hide && !is_opened {
        let is_closed_dialog = name == "dialog" && page.attribute(index, "open").is_none();
        if style.is(Property::NoBox)
            || style.is(Property::Unrendered)
            || style.is(Property::Clear)
            || is_closed_dialog
        {
            context.sight = Sight::Hidden(HiddenReason::Marked);
        } else if (style.is(Property::Positioned) && OUTSIDE.into_iter().any(|side| style.is(side)))
            || style.is(Property::MarginLeft)
            || style.is(Property::MarginTop)
            || style.is(Property::Indented)
        {
            context.sight = Sight::Hidden(HiddenReason::Outside);
        } else if is_cut_off(style) {
            context.sight = Sight::Hidden(HiddenReason::Tiny);
        }
    }
    match style.get(Property::Invisible) {
        Some(Value::Yes) => context.is_invisible = can_hide && !is_opened,
        Some(_) => context.is_invisible = false,
        None => {}
    }
    match style.get(Property::FontSize) {
        Some(Value::Length(px)) => context.font_px = px,
        Some(Value::Share(share)) => context.font_px *= share,
        _ => {}
    }
    paint(page, index, style, &mut context);
    context
}

fn paint(page: &Page, index: usize, style: &Style, context: &mut Context) {
    let attribute = |name: &str| {
        page.attribute(index, name).and_then(|value| super::css::color(&value.to_ascii_lowercase()))
    };
    match style.get(Property::Color) {
        Some(Value::Color(color)) => context.color = Some(color),
        Some(_) => context.color = None,
        None => context.color = attribute("color").or(context.color),
    }
    match style.get(Property::Background) {
        Some(Value::Color(color)) if color.is_clear => {}
        Some(Value::Color(color)) => context.background = Some(color.rgb),
        Some(_) => context.background = None,
        None => context.background = attribute("bgcolor").map(|color| color.rgb).or(context.background),
    }
}

/// Whether nothing of a box is left to see.
fn is_cut_off(style: &Style) -> bool {
    let tiny = |property| matches!(style.get(property), Some(Value::Length(px)) if px <= TINY_PX);
    let share = |property| matches!(style.get(property), Some(Value::Share(share)) if share <= 0.0);
    let sides = [Property::Width, Property::MaxWidth, Property::Height, Property::MaxHeight];
    let no_room = sides.into_iter().any(|side| tiny(side) || share(side));
    CLIPPING.into_iter().any(|property| style.is(property)) || (style.is(Property::CutsOff) && no_room)
}

/// Whether an element holds nothing that a page says.
fn is_apart(page: &Page, index: usize, around: &Context) -> bool {
    let name = page.name(index);
    if name == "template" {
        return page.attribute(index, "shadowrootmode") != Some("open");
    }
    if name == "noscript" || is_never_shown(name) || (around.in_svg && matches!(name, "title" | "style")) {
        return true;
    }
    is_control(name) && !is_worded_control(page, index)
}

/// Whether a button holds words of the page: the heading of an accordion, or a tab.
fn is_worded_control(page: &Page, index: usize) -> bool {
    const ANCESTORS_MAX: usize = 4;
    let says = |name: &str| page.attribute(index, name).is_some();
    if page.name(index) != "button" {
        return false;
    }
    if says("aria-expanded") || says("aria-controls") || says("data-bs-target") || says("data-target") {
        return true;
    }
    let mut at = index;
    (0..ANCESTORS_MAX).any(|_| {
        at = page.parent(at);
        matches!(page.name(at), "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dt" | "summary")
    })
}

/// Elements that are folded up, and that a reader opens: the panels of accordions and tabs.
fn opened(page: &Page) -> HashSet<usize> {
    let mut named: HashSet<&str> = HashSet::new();
    for index in 0..page.len() {
        for attribute in ["aria-controls", "data-bs-target", "data-target"] {
            let ids = page.attribute(index, attribute).unwrap_or_default().split_whitespace();
            named.extend(ids.map(|id| id.trim_start_matches('#')));
        }
    }
    let mut opened = HashSet::new();
    // The element before, among those that one element holds.
    let mut follows_control: HashSet<usize> = HashSet::new();
    for index in 0..page.len() {
        if page.text(index).is_some() {
            continue;
        }
        let is_named = page.attribute(index, "id").is_some_and(|id| named.contains(id));
        let is_tab = page.attribute(index, "role") == Some("tabpanel");
        let parent = page.parent(index);
        if is_named || is_tab || follows_control.contains(&parent) {
            opened.insert(index);
        }
        if page.attribute(index, "aria-expanded").is_some() {
            // The control, or the heading around it, stands before the panel.
            follows_control.insert(parent);
        } else {
            follows_control.remove(&parent);
        }
        // The control may end a heading, and the panel follows that.
        let is_last = page.end(index) >= page.end(parent) || matches!(page.name(parent), "dt" | "summary");
        let ends_heading = is_last || super::element::heading(page.name(parent)).is_some();
        if ends_heading && page.attribute(index, "aria-expanded").is_some() {
            follows_control.insert(page.parent(parent));
        }
    }
    opened
}
