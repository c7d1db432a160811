//! Form fields and notes on a page that have no appearance of their own. A viewer draws them from their values.

use hayro_interpret::hayro_syntax::object::{Array, Dict, Name, Object, Rect, String as PdfString};
use hayro_interpret::hayro_syntax::page::Page as PdfPage;

use super::layers::Layers;
use super::strings::text_string;

/// The most annotations of a page that are looked at. A form of one page has some hundred fields.
const ANNOTATIONS_MAX: usize = 5_000;
/// The deepest nesting of a field below others.
const DEPTH_MAX: usize = 16;
/// The longest value that is drawn, in characters. More does not fit a page.
const VALUE_CHARS_MAX: usize = 20_000;
const HIDDEN: u32 = 1 << 1;
const NO_VIEW: u32 = 1 << 5;
const MULTILINE: u32 = 1 << 12;
const PASSWORD: u32 = 1 << 13;
const PUSH_BUTTON: u32 = 1 << 16;
/// The size of text whose field leaves it to the viewer.
const USUAL_SIZE: f64 = 12.0;

/// A text that a viewer draws in a box of the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BoxText {
    pub(super) text: String,
    /// In the page's own space: left, bottom, right, top.
    pub(super) bounds: [f64; 4],
    pub(super) size: f64,
    pub(super) wraps: bool,
}

/// The texts of a page's annotations beyond their appearances.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    /// Texts that may lack an appearance.
    pub(super) texts: Vec<BoxText>,
    /// The bounds of annotations on layers that are off. The interpreter draws these.
    pub(super) off: Vec<[f64; 4]>,
    /// The number of comments, which stand beside the page and not on it.
    pub(super) comments: usize,
}

impl Annotations {
    /// `form` is the document's `AcroForm`.
    pub(super) fn of(page: &PdfPage<'_>, form: Option<&Dict<'_>>, layers: &Layers) -> Self {
        let mut found = Self::default();
        let Some(annotations) = page.raw().get::<Array<'_>>(b"Annots".as_slice()) else { return found };
        for annotation in annotations.iter::<Dict<'_>>().take(ANNOTATIONS_MAX) {
            if annotation.get::<u32>(b"F".as_slice()).unwrap_or(0) & (HIDDEN | NO_VIEW) != 0 {
                continue;
            }
            let layer = annotation.get::<Dict<'_>>(b"OC".as_slice());
            if layer.is_some_and(|layer| !layers.shows(&layer)) {
                found.off.extend(bounds(&annotation));
                continue;
            }
            let kind = annotation.get::<Name<'_>>(b"Subtype".as_slice());
            match kind.as_ref().map(Name::as_str) {
                Some("Widget") => found.texts.extend(field(&annotation, form)),
                Some("FreeText") => found.texts.extend(free_text(&annotation, form)),
                Some(
                    "Text" | "Highlight" | "Underline" | "StrikeOut" | "Squiggly" | "Caret" | "Square"
                    | "Circle" | "Line" | "Polygon" | "PolyLine" | "Ink",
                ) => {
                    let says = string(&annotation, b"Contents").is_some_and(|text| !text.trim().is_empty());
                    found.comments += usize::from(says);
                }
                _ => {}
            }
        }
        found
    }
}

fn free_text(annotation: &Dict<'_>, form: Option<&Dict<'_>>) -> Option<BoxText> {
    boxed(annotation, &string(annotation, b"Contents")?, form, true)
}

fn field(widget: &Dict<'_>, form: Option<&Dict<'_>>) -> Option<BoxText> {
    let flags = inherited(widget, b"Ff").and_then(Object::into_i32).unwrap_or(0) as u32;
    let kind = inherited(widget, b"FT").and_then(Object::into_name)?;
    let text = match kind.as_str() {
        "Tx" if flags & PASSWORD == 0 => value(inherited(widget, b"V")?)?,
        "Ch" => choice(widget)?,
        "Btn" => button(widget, flags)?,
        _ => return None,
    };
    boxed(widget, &text, form, flags & MULTILINE != 0)
}

/// The text that a choice shows: the words for its value, which may differ from the value.
fn choice(widget: &Dict<'_>) -> Option<String> {
    let options = inherited(widget, b"Opt").and_then(Object::into_array);
    let shown = |value: &str| {
        let options = options.as_ref()?.iter::<Object<'_>>().take(ANNOTATIONS_MAX);
        let mut pairs = options.filter_map(Object::into_array).filter_map(|pair| {
            let mut pair = pair.iter::<PdfString<'_>>().map(|text| text_string(text.as_bytes()));
            Some((pair.next()?, pair.next()?))
        });
        pairs.find(|(export, _)| export == value).map(|(_, words)| words)
    };
    let values: Vec<String> = match inherited(widget, b"V")? {
        Object::Array(values) => {
            values.iter::<PdfString<'_>>().take(100).map(|text| text_string(text.as_bytes())).collect()
        }
        other => vec![value(other)?],
    };
    Some(
        values
            .iter()
            .map(|value| shown(value).unwrap_or_else(|| value.clone()))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

/// The caption of a button, or the mark of a box that is ticked.
fn button(widget: &Dict<'_>, flags: u32) -> Option<String> {
    let caption = widget.get::<Dict<'_>>(b"MK".as_slice()).and_then(|look| string(&look, b"CA"));
    if flags & PUSH_BUTTON != 0 {
        return caption;
    }
    let state = widget
        .get::<Name<'_>>(b"AS".as_slice())
        .or_else(|| inherited(widget, b"V").and_then(Object::into_name))?;
    if state.as_str() == "Off" {
        return None;
    }
    // The caption is a code of the font ZapfDingbats.
    let mark = match caption.as_deref() {
        Some("8") => '\u{2718}',
        Some("l") => '\u{25cf}',
        Some("n") => '\u{25a0}',
        Some("u") => '\u{25c6}',
        Some("H") => '\u{2605}',
        _ => '\u{2714}',
    };
    Some(mark.to_string())
}

fn value(object: Object<'_>) -> Option<String> {
    match object {
        Object::String(text) => Some(text_string(text.as_bytes())),
        Object::Name(name) => Some(name.as_str().to_owned()),
        Object::Stream(stream) => Some(text_string(&stream.decoded_data().ok()?)),
        _ => None,
    }
}

fn boxed(annotation: &Dict<'_>, text: &str, form: Option<&Dict<'_>>, wraps: bool) -> Option<BoxText> {
    let text: String = text.chars().take(VALUE_CHARS_MAX).collect();
    let bounds = bounds(annotation)?;
    let [left, bottom, right, top] = bounds;
    let height = top - bottom;
    if text.trim().is_empty() || right - left < 1.0 || height < 1.0 {
        return None;
    }
    let style = inherited(annotation, b"DA").or_else(|| form?.get::<Object<'_>>(b"DA".as_slice()));
    let size = style.and_then(Object::into_string).and_then(|style| font_size(style.as_bytes()));
    let size = size.unwrap_or_else(|| if wraps { USUAL_SIZE } else { USUAL_SIZE.min(0.7 * height) });
    Some(BoxText { text, bounds, size, wraps })
}

/// Left, bottom, right, top.
fn bounds(annotation: &Dict<'_>) -> Option<[f64; 4]> {
    let Rect { x0, y0, x1, y1 } = annotation.get::<Rect>(b"Rect".as_slice())?;
    Some([x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)])
}

/// The size in the instructions `/Font size Tf`. Zero leaves it to the viewer.
fn font_size(style: &[u8]) -> Option<f64> {
    let style = String::from_utf8_lossy(style);
    let mut words = style.split_whitespace();
    let at = words.position(|word| word == "Tf")?;
    let size: f64 = style.split_whitespace().nth(at.checked_sub(1)?)?.parse().ok()?;
    (size > 0.5 && size < 500.0).then_some(size)
}

fn string(dict: &Dict<'_>, key: &[u8]) -> Option<String> {
    dict.get::<PdfString<'_>>(key).map(|text| text_string(text.as_bytes()))
}

/// A field's entry, or that of the nearest field above which has it.
fn inherited<'a>(field: &Dict<'a>, key: &[u8]) -> Option<Object<'a>> {
    let mut field = field.clone();
    for _ in 0..DEPTH_MAX {
        if let Some(value) = field.get::<Object<'a>>(key) {
            return Some(value);
        }
        field = field.get::<Dict<'a>>(b"Parent".as_slice())?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_says_the_size() {
        assert_eq!(font_size(b"/Helv 11 Tf 0 g"), Some(11.0));
        assert_eq!(font_size(b"0 g /F1 0 Tf"), None);
        assert_eq!(font_size(b"Tf"), None);
    }
}
