//! A quote on its page: the words, then the part of the page that holds them, then the whole page. It needs no script and
//! loads nothing.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pipeline::{document::Format, report::ReportQuote, stages::QuoteArea};

use crate::{documents::pictures::Picture, html_text::escaped, runs::DocumentQueryError};
use storage::files::KeptDocument;

const STYLE: &str = include_str!("evidence.css");

/// How much of the page around a quote is shown, in points: some lines above and below.
const AROUND: f64 = 42.0;
/// The part of the page is at least so wide, so that a short quote does not fill the screen.
const PART_WIDTH_MIN: f64 = 260.0;

/// The content of the page.
pub(super) struct Shown<'a> {
    pub(super) quote: &'a ReportQuote,
    pub(super) document_name: &'a str,
    pub(super) kept: Option<&'a KeptDocument>,
    pub(super) picture: Result<Picture, DocumentQueryError>,
}

pub(super) fn render(shown: &Shown<'_>, nonce: &str) -> String {
    let Shown { quote, document_name, kept, picture } = shown;
    let label = escaped(&quote.label);
    let place = escaped(&quote.place);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{label} ({place})</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style nonce=\"{nonce}\">\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{label} ({place})</h1>\n<blockquote>{}</blockquote>\n<p>{} {}</p>\n",
        escaped(&quote.quote),
        escaped(document_name),
        note(quote),
    );
    match picture {
        Ok(picture) => figures(&mut page, quote, picture),
        Err(reason) => {
            // Writing to a String does not fail, here and below.
            let _ =
                writeln!(page, "<p>There is no picture of the page: {}.</p>", escaped(&reason.to_string()));
        }
    }
    page.push_str("<p><a href=\"../report\">The report</a>");
    if kept.is_some() {
        let at = if kept.is_some_and(|kept| kept.format == Format::Pdf) {
            format!("#page={}", quote.page)
        } else {
            String::new()
        };
        let _ = write!(page, " · <a href=\"../document{at}\">The document</a>");
    }
    page.push_str("</p>\n</body>\n</html>\n");
    page
}

fn note(quote: &ReportQuote) -> String {
    let status = quote.note.as_ref().map(|note| format!("Note: {note}.")).unwrap_or_default();
    let part = if quote.is_fragment { "It is part of a sentence." } else { "" };
    let reader =
        if quote.is_recognised { "OCR read the page; compare the words with the picture." } else { "" };
    escaped([&status, part, reader].join(" ").trim())
}

/// A part of a page, in points.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

fn figures(page: &mut String, quote: &ReportQuote, picture: &Picture) {
    let (width, height) =
        (f64::from(picture.width) / picture.scale, f64::from(picture.height) / picture.scale);
    let whole = Part { left: 0.0, top: 0.0, width, height };
    let rectangles = rectangles(&quote.boxes, whole);
    let png = STANDARD.encode(&picture.png);
    let mut has_picture = false;
    let mut figure = |page: &mut String, part: Part, words: &str| {
        let Part { left, top, width: part_width, height: part_height } = part;
        let _ = write!(
            page,
            "<figure>\n<svg viewBox=\"{left:.1} {top:.1} {part_width:.1} {part_height:.1}\" role=\"img\" aria-label=\"{words}\">\n"
        );
        // The picture is in the page once, and both figures use it.
        let _ = if has_picture {
            writeln!(page, "<use href=\"#page\"/>")
        } else {
            writeln!(
                page,
                "<image id=\"page\" width=\"{width:.1}\" height=\"{height:.1}\" href=\"data:image/png;base64,{png}\"/>"
            )
        };
        has_picture = true;
        let _ = write!(page, "{rectangles}</svg>\n<figcaption>{words}</figcaption>\n</figure>\n");
    };
    if let Some(part) = around(&quote.boxes, whole) {
        figure(page, part, "The quote on its page");
    }
    let words = if quote.boxes.is_empty() {
        "The whole page; the place of the quote on it is not known"
    } else {
        "The whole page"
    };
    figure(page, whole, words);
}

/// The box on the page. None if nothing of it lies there.
fn on_page(area: &QuoteArea, page: Part) -> Option<Part> {
    let clamped = |value: i32, end: f64| f64::from(value).clamp(0.0, end);
    let (left, right) = (clamped(area.left, page.width), clamped(area.right, page.width));
    let (top, bottom) = (clamped(area.top, page.height), clamped(area.bottom, page.height));
    (right > left && bottom > top).then_some(Part { left, top, width: right - left, height: bottom - top })
}

fn rectangles(boxes: &[QuoteArea], page: Part) -> String {
    let mut svg = String::new();
    for Part { left, top, width, height } in boxes.iter().filter_map(|area| on_page(area, page)) {
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"1\"/>"
        );
    }
    svg
}

/// The part of the page around the boxes. None if it is most of the page.
fn around(boxes: &[QuoteArea], page: Part) -> Option<Part> {
    let parts = || boxes.iter().filter_map(|area| on_page(area, page));
    let least = |of: fn(Part) -> f64| parts().map(of).reduce(f64::min);
    let most = |of: fn(Part) -> f64| parts().map(of).reduce(f64::max);
    let (left, right) = (least(|part| part.left)?, most(|part| part.left + part.width)?);
    let (top, bottom) = (least(|part| part.top)?, most(|part| part.top + part.height)?);
    let width = (right - left + 2.0 * AROUND).max(PART_WIDTH_MIN).min(page.width);
    let height = (bottom - top + 2.0 * AROUND).min(page.height);
    let start =
        |middle: f64, length: f64, end: f64| (middle - length / 2.0).clamp(0.0, (end - length).max(0.0));
    let part = Part {
        left: start(f64::midpoint(left, right), width, page.width),
        top: start(f64::midpoint(top, bottom), height, page.height),
        width,
        height,
    };
    (part.height < 0.8 * page.height).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Part = Part { left: 0.0, top: 0.0, width: 600.0, height: 800.0 };

    fn area(left: i32, top: i32, right: i32, bottom: i32) -> QuoteArea {
        QuoteArea { left, top, right, bottom }
    }

    #[test]
    fn the_part_lies_on_the_page() {
        let part = around(&[area(10, 10, 90, 20), area(10, 22, 50, 32)], PAGE).unwrap();
        assert_eq!((part.left, part.top), (0.0, 0.0));
        assert!(part.width >= PART_WIDTH_MIN && part.height < 120.0, "{part:?}");
        let part = around(&[area(500, 780, 590, 795)], PAGE).unwrap();
        assert_eq!((part.left + part.width, part.top + part.height), (PAGE.width, PAGE.height));
        assert_eq!(around(&[area(0, 0, 600, 800)], PAGE), None, "the quote is the page");
        assert_eq!(around(&[area(i32::MIN, i32::MIN, -5, -5)], PAGE), None);
        assert_eq!(around(&[area(i32::MIN, 5, i32::MAX, i32::MAX)], PAGE), None);
    }

    #[test]
    fn a_strangers_words_stay_words() {
        let quote = ReportQuote {
            label: "E1".to_owned(),
            quote: "</blockquote><script>alert(1)</script> & \"more\"".to_owned(),
            page: 3,
            place: "p. 3".to_owned(),
            note: None,
            is_fragment: false,
            is_recognised: false,
            boxes: vec![area(10, 10, 90, 20)],
        };
        let picture = Picture { png: b"png"[..].into(), width: 1200, height: 1600, scale: 2.0 };
        let shown = Shown { quote: &quote, document_name: "<b>.pdf", kept: None, picture: Ok(picture) };
        let page = render(&shown, "n");
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert_eq!((page.matches("<svg").count(), page.matches("data:image/png").count()), (2, 1), "{page}");
        assert_eq!(page.matches("<rect x=\"10.0\" y=\"10.0\" width=\"80.0\" height=\"10.0\"").count(), 2);
        assert!(!page.contains("../document"), "it is not kept");
        let shown = Shown { picture: Err(DocumentQueryError::NoPictures), ..shown };
        assert!(render(&shown, "n").contains("only pages of a PDF"));
    }
}
