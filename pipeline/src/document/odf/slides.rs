//! Reads ODP, and the pages of drawings (ODG). A slide is a page: its title, its texts from the upper left to
//! the lower right, then the speaker's notes.

use super::package::{Parts, parts};
use super::reading::Reading;
use crate::document::{
    content::HiddenReason,
    error::DocumentError,
    limits::PAGES_MAX,
    office::{hidden::HiddenTexts, unread::Unread},
    pptx::{order::reading_order, shape::Frame},
    raw::{RawDocument, RawPage},
    sections::Sections,
    xml::{Element, Xml, walk},
};

/// A shape of a slide that was read.
#[derive(Debug)]
struct Shape {
    class: String,
    frame: Option<Frame>,
    page: RawPage,
}

/// The slide that is being read.
#[derive(Debug, Default)]
struct Slide {
    is_hidden: bool,
    shapes: Vec<Shape>,
}

/// A shape that is being read.
struct Open<'d> {
    class: String,
    frame: Option<Frame>,
    is_placeholder: bool,
    reading: Reading<'d>,
}

struct Deck<'d> {
    parts: &'d Parts,
    slide: Option<Slide>,
    open: Option<Open<'d>>,
    /// The depth below the slide.
    depth: usize,
    pages: Vec<RawPage>,
    hidden: HiddenTexts,
    title: Option<String>,
    unread: Unread,
}

/// Reads an ODP, packed or flat.
pub(in crate::document) fn extract_slides(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut parts = parts(bytes)?;
    let mut warnings = std::mem::take(&mut parts.warnings);
    let mut deck = Deck {
        parts: &parts,
        slide: None,
        open: None,
        depth: 0,
        pages: Vec::new(),
        hidden: HiddenTexts::default(),
        title: None,
        unread: Unread::default(),
    };
    let mut in_body = false;
    walk(&parts.content, |event| match &event {
        Xml::Start(element) if element.name == "body" => in_body = true,
        Xml::End("body") => in_body = false,
        event if in_body && deck.pages.len() <= PAGES_MAX => deck.on(event),
        _ => {}
    })?;
    deck.unread.check_text(&deck.pages)?;
    warnings.extend(deck.unread.warnings());
    let (hidden, warning) = deck.hidden.finish(deck.pages.len());
    warnings.extend(warning);
    Ok(RawDocument {
        title: parts.title.clone().or(deck.title),
        pages: deck.pages,
        warnings,
        hidden,
        ..RawDocument::default()
    })
}

impl Deck<'_> {
    fn on(&mut self, event: &Xml<'_>) {
        match event {
            Xml::Start(element) if self.slide.is_none() => {
                if element.name == "page" {
                    let style = element.attribute("style-name").unwrap_or_default();
                    let is_hidden = self.parts.styles.is_invisible("drawing-page", &style);
                    self.slide = Some(Slide { is_hidden, ..Slide::default() });
                    self.depth = 0;
                }
            }
            Xml::End(name) if self.slide.is_some() && self.depth == 0 => {
                if *name == "page" {
                    self.end_slide();
                }
            }
            _ if self.slide.is_none() => {}
            Xml::Start(element) => {
                if self.depth == 0 {
                    self.start_shape(element);
                }
                self.depth += 1;
                self.feed(event, Some(element));
            }
            Xml::End(_) => {
                self.feed(event, None);
                self.depth -= 1;
                if self.depth == 0 {
                    self.end_shape();
                }
            }
            Xml::Text(_) => self.feed(event, None),
        }
    }

    fn feed(&mut self, event: &Xml<'_>, element: Option<&Element<'_>>) {
        let Some(open) = &mut self.open else { return };
        // A group lies where its first shape lies.
        if open.frame.is_none() {
            open.frame = element.and_then(frame);
        }
        open.reading.on(event);
    }

    fn start_shape(&mut self, element: &Element<'_>) {
        let is_notes = element.name == "notes";
        let is_comment = element.name == "annotation";
        self.unread.comments += usize::from(is_comment);
        if is_comment || matches!(element.name, "forms" | "par" | "title" | "desc" | "layer-set") {
            return;
        }
        let mut reading = Reading::new(&self.parts.styles, &self.parts.charts);
        reading.divides = false;
        let class =
            if is_notes { "notes".to_owned() } else { element.attribute("class").unwrap_or_default() };
        let is_placeholder = element.attribute("placeholder").as_deref() == Some("true");
        self.open = Some(Open { class, frame: frame(element), is_placeholder, reading });
    }

    fn end_shape(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.reading.divide();
        let is_running_header =
            matches!(open.class.as_str(), "date-time" | "footer" | "header" | "page-number" | "page");
        // The picture in the notes is that of the slide.
        if open.class != "notes" {
            self.unread.pictures += open.reading.unread.pictures;
        }
        self.unread.comments += open.reading.unread.comments;
        let number = u32::try_from(self.pages.len() + 1).unwrap_or(u32::MAX);
        self.hidden.join_at(open.reading.hidden, number);
        let mut sections = Sections::default();
        for page in open.reading.sections.pages() {
            sections.append(page);
        }
        let page = sections.pages().into_iter().next();
        if let (Some(page), false, Some(slide)) =
            (page, is_running_header || open.is_placeholder, &mut self.slide)
        {
            slide.shapes.push(Shape { class: open.class, frame: open.frame, page });
        }
    }

    fn end_slide(&mut self) {
        let Some(slide) = self.slide.take() else { return };
        let (notes, shapes): (Vec<Shape>, Vec<Shape>) =
            slide.shapes.into_iter().partition(|shape| shape.class == "notes");
        let (titles, others): (Vec<Shape>, Vec<Shape>) =
            shapes.into_iter().partition(|shape| shape.class == "title");
        let mut page = Sections::default();
        for title in &titles {
            page.heading(1, &title.page.text);
        }
        for shape in in_order(others) {
            page.append(shape.page);
        }
        for note in notes {
            page.block("Speaker notes:");
            page.line(&note.page.text);
        }
        let page = page.pages().into_iter().next().unwrap_or_else(|| RawPage::new(String::new()));
        let number = u32::try_from(self.pages.len() + 1).unwrap_or(u32::MAX);
        if slide.is_hidden {
            // It keeps its number, so that those of the others are right.
            self.hidden.add(number, HiddenReason::Marked, &page.text);
            self.pages.push(RawPage::new(String::new()));
            return;
        }
        if let (None, Some(title)) = (&self.title, titles.first()) {
            self.title = Some(title.page.text.clone());
        }
        self.pages.push(page);
    }
}

fn in_order(shapes: Vec<Shape>) -> Vec<Shape> {
    let frames: Option<Vec<Frame>> = shapes.iter().map(|shape| shape.frame).collect();
    let Some(frames) = frames else { return shapes };
    let mut slots: Vec<Option<Shape>> = shapes.into_iter().map(Some).collect();
    reading_order(&frames).into_iter().filter_map(|at| slots.get_mut(at).and_then(Option::take)).collect()
}

fn frame(element: &Element<'_>) -> Option<Frame> {
    let length = |name: &str| element.attribute(name).and_then(|value| millimetres(&value));
    let (left, top) = (length("x")?, length("y")?);
    Some(Frame {
        left,
        top,
        width: length("width").unwrap_or_default(),
        height: length("height").unwrap_or_default(),
    })
}

fn millimetres(length: &str) -> Option<f64> {
    let digits = length.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let factor = match length.get(digits.len()..)? {
        "cm" => 10.0,
        "in" => 25.4,
        "pt" => 25.4 / 72.0,
        "pc" => 25.4 / 6.0,
        _ => 1.0,
    };
    digits.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::archive::tests::zip;

    #[test]
    fn slides_come_in_order_hidden_ones_apart() {
        let content = "<office:document-content><office:automatic-styles><style:style style:name='d' \
            style:family='drawing-page'><style:drawing-page-properties presentation:visibility='hidden'/></style:style>\
            </office:automatic-styles><office:body><office:presentation><draw:page><draw:frame svg:x='1cm' svg:y='9cm'>\
            <draw:text-box><text:p>Below</text:p></draw:text-box></draw:frame><draw:frame svg:x='1cm' svg:y='30mm'>\
            <draw:text-box><text:p>Above</text:p></draw:text-box></draw:frame><draw:frame presentation:class='title' \
            svg:x='1cm' svg:y='20cm'><draw:text-box><text:p>Title</text:p></draw:text-box></draw:frame><draw:frame \
            presentation:class='outline' presentation:placeholder='true'><draw:text-box><text:p>Click</text:p></draw:text-box>\
            </draw:frame><presentation:notes><draw:page-thumbnail/><draw:frame presentation:class='notes'><draw:text-box>\
            <text:p>Say this.</text:p></draw:text-box></draw:frame></presentation:notes></draw:page><draw:page \
            draw:style-name='d'><draw:frame><draw:text-box><text:p>Secret</text:p></draw:text-box></draw:frame></draw:page>\
            </office:presentation></office:body></office:document-content>";
        let document = extract_slides(&zip(&[("content.xml", content.as_bytes())])).unwrap();
        let texts: Vec<&str> = document.pages.iter().map(|page| page.text.as_str()).collect();
        assert_eq!(texts, ["Title\n\nAbove\n\nBelow\n\nSpeaker notes:\nSay this.", ""]);
        assert_eq!(document.title.as_deref(), Some("Title"));
        assert_eq!((document.hidden[0].page, document.hidden[0].text.as_str()), (2, "Secret"));
    }
}
