//! Reads PPTX. A slide is a page, in the presentation's order: its title, texts, tables and charts from the
//! upper left to the lower right, then the speaker's notes.

mod arranging;
mod autonumber;
mod deck;
mod ground;
mod layout;
pub(super) mod order;
mod places;
mod run;
pub(super) mod shape;
mod slide;
mod text;

use self::deck::{Deck, deck};
use self::layout::Layouts;
use self::shape::Part;
use self::slide::Slide;
use super::content::{HiddenReason, LineRole};
use super::office::chart::chart_lines;
use super::office::diagram::diagram_lines;
use super::office::hidden::HiddenTexts;
use super::office::package::{Package, Relationships};
use super::office::unread::Unread;
use super::raw::{RawDocument, RawPage};
use super::{error::DocumentError, limits::PAGES_MAX};

/// Charts and diagrams of one slide.
const DRAWINGS_MAX: usize = 100;

/// The presentation as it is read.
struct Reading<'b> {
    package: Package<'b>,
    layouts: Layouts,
    hidden: HiddenTexts,
    unread: Unread,
    first_title: Option<String>,
}

/// Reads a PPTX.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut package = Package::open(bytes)?;
    let main = package.main_part()?;
    let xml = package.archive.read_required(&main)?;
    let links = package.relationships(&main);
    let deck = deck(&xml, &links)?;
    if deck.slides.len() > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!(
            "{} slides; at most {PAGES_MAX} are read",
            deck.slides.len()
        )));
    }
    let mut reading = Reading {
        package,
        layouts: Layouts::default(),
        hidden: HiddenTexts::default(),
        unread: Unread::default(),
        first_title: None,
    };
    let mut document = RawDocument::default();
    let mut fault = None;
    let mut read = 0;
    for (name, number) in deck.slides.iter().zip(1..) {
        // A slide that cannot be read keeps its number, so that the numbers of the others are right.
        let page = match reading.slide(name.as_deref(), number, &deck) {
            Ok(page) => {
                read += 1;
                page
            }
            Err(error) => {
                reading.package.warn(format!("Slide {number} cannot be read, and its text is missing."));
                fault = Some(error);
                RawPage::new(String::new())
            }
        };
        document.pages.push(page);
    }
    match fault {
        Some(error) if read == 0 => return Err(error),
        _ => {}
    }
    reading.unread.check_text(&document.pages)?;
    reading.finish(&mut document);
    Ok(document)
}

impl Reading<'_> {
    fn slide(&mut self, name: Option<&str>, number: u32, deck: &Deck) -> Result<RawPage, DocumentError> {
        let missing = || DocumentError::Corrupt(format!("its slide {number} is missing"));
        let name = name.ok_or_else(missing)?;
        let xml = self.package.archive.read(name)?.ok_or_else(missing)?;
        let links = self.package.relationships(name);
        let drawings = self.drawings(&links);
        let places = self.layouts.places(&mut self.package, &links);
        let mut slide = Slide::read(&xml, Part::Slide, drawings)?;
        slide.arrange(&places, deck.size);
        self.unread.pictures += slide.pictures;
        self.unread.objects += slide.objects;
        for (reason, text) in &slide.hidden {
            self.hidden.add(number, *reason, text);
        }
        let comments: Vec<String> = links.of_kind("comments").map(|(_, target)| target.to_owned()).collect();
        for target in comments {
            let xml = self.package.side_part(&target, "the comments").unwrap_or_default();
            // Both forms of comments have one of these elements each.
            self.unread.comments += xml.matches("<p:cm ").count() + xml.matches("<p188:cm ").count();
        }
        let mut page = slide.page();
        if let Some(notes) = self.notes(&links).filter(|notes| !notes.is_empty()) {
            page.push("\n\n", "Speaker notes:", LineRole::Text);
            page.push("\n", &notes, LineRole::Text);
        }
        if slide.is_hidden {
            self.hidden.add(number, HiddenReason::Marked, &page.text);
            return Ok(RawPage::new(String::new()));
        }
        if self.first_title.is_none() {
            self.first_title = slide.title();
        }
        Ok(page)
    }

    /// The lines of the slide's charts and diagrams, by the ids of their links.
    fn drawings(&mut self, links: &Relationships) -> Vec<(String, Vec<String>)> {
        let charts = links.of_kind("chart").chain(links.of_kind("chartEx")).map(|link| (link, true));
        let diagrams = links.of_kind("diagramData").map(|link| (link, false));
        let mut drawings = Vec::new();
        for ((id, target), is_chart) in charts.chain(diagrams).take(DRAWINGS_MAX) {
            let what = if is_chart { "a chart" } else { "a diagram" };
            let Some(xml) = self.package.side_part(target, what) else { continue };
            let lines = if is_chart { chart_lines(&xml) } else { diagram_lines(&xml) };
            drawings.extend(self.package.sound(lines, what).map(|lines| (id.to_owned(), lines)));
        }
        drawings
    }

    fn notes(&mut self, links: &Relationships) -> Option<String> {
        let what = "the speaker's notes of a slide";
        let xml = self.package.side_part(links.first("notesSlide")?, what)?;
        let notes = Slide::read(&xml, Part::Notes, Vec::new());
        self.package.sound(notes, what).map(|notes| notes.page().text)
    }

    fn finish(mut self, document: &mut RawDocument) {
        self.package.warnings.extend(self.unread.warnings());
        document.title = self.package.title().or(self.first_title);
        let (hidden, warning) = self.hidden.finish(document.pages.len());
        self.package.warnings.extend(warning);
        document.warnings = self.package.warnings;
        document.hidden = hidden;
    }
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::zip;
    use super::*;

    fn shape(kind: &str, text: &str) -> String {
        format!(
            "<p:sp><p:nvSpPr><p:nvPr><p:ph type=\"{kind}\"/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p>\
             </p:txBody></p:sp>"
        )
    }

    fn links(links: &[(&str, &str, &str)]) -> String {
        let links: String = links
            .iter()
            .map(|(id, kind, target)| {
                format!("<Relationship Id=\"{id}\" Type=\"http://x/{kind}\" Target=\"{target}\"/>")
            })
            .collect();
        format!("<Relationships>{links}</Relationships>")
    }

    #[test]
    fn slides_come_in_presentation_order() {
        let table = "<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>a</a:t></a:r></a:p></a:txBody></a:tc>\
                     <a:tc><a:txBody><a:p><a:r><a:t>b</a:t></a:r></a:p></a:txBody></a:tc></a:tr></a:tbl></p:graphicFrame>";
        let first = format!(
            "<p:sld>{}{}{}</p:sld>",
            shape("sldNum", "1"),
            shape("body", "Body"),
            shape("title", "Title")
        );
        let second = format!("<p:sld>{table}</p:sld>");
        let notes = format!("<p:notes>{}{}</p:notes>", shape("body", "Say this."), shape("sldNum", "1"));
        let bytes = zip(&[
            ("ppt/presentation.xml", br#"<p:presentation><p:sldIdLst><p:sldId id="1" r:id="r9"/><p:sldId id="2" r:id="r1"/></p:sldIdLst></p:presentation>"#),
            ("ppt/_rels/presentation.xml.rels", links(&[("r1", "slide", "slides/slide1.xml"), ("r9", "slide", "slides/slide2.xml")]).as_bytes()),
            ("ppt/slides/slide2.xml", first.as_bytes()),
            ("ppt/slides/_rels/slide2.xml.rels", links(&[("r1", "notesSlide", "../notesSlides/n1.xml")]).as_bytes()),
            ("ppt/notesSlides/n1.xml", notes.as_bytes()),
            ("ppt/slides/slide1.xml", second.as_bytes()),
        ]);
        let document = extract(&bytes).unwrap();
        let texts: Vec<&str> = document.pages.iter().map(|page| page.text.as_str()).collect();
        assert_eq!(texts, ["Title\n\nBody\n\nSpeaker notes:\nSay this.", "a | b"]);
        assert_eq!(document.title.as_deref(), Some("Title"));
    }

    /// A presentation of one slide.
    fn deck_of(slide: &str) -> Vec<u8> {
        zip(&[
            ("ppt/presentation.xml", b"<p:presentation><p:sldIdLst><p:sldId id='1' r:id='r1'/><p:sldId id='2' r:id='r2'/></p:sldIdLst><p:sldSz cx='900' cy='600'/></p:presentation>"),
            ("ppt/_rels/presentation.xml.rels", links(&[("r1", "slide", "slides/slide1.xml")]).as_bytes()),
            ("ppt/slides/slide1.xml", slide.as_bytes()),
        ])
    }

    #[test]
    fn missing_slides_keep_their_numbers() {
        let document = extract(&deck_of(&format!("<p:sld>{}</p:sld>", shape("body", "Text")))).unwrap();
        let texts: Vec<&str> = document.pages.iter().map(|page| page.text.as_str()).collect();
        assert_eq!(texts, ["Text", ""]);
        assert!(document.warnings[0].contains("Slide 2"));
    }

    #[test]
    fn white_text_is_hidden_on_white_only() {
        let white = "<p:sp><p:txBody><a:p><a:r><a:rPr><a:solidFill><a:srgbClr val='FFFFFF'/></a:solidFill></a:rPr>\
                     <a:t>White</a:t></a:r></a:p></p:txBody></p:sp>";
        let filled = "<p:sp><p:spPr><a:solidFill><a:srgbClr val='000000'/></a:solidFill></p:spPr></p:sp>";
        let plain = extract(&deck_of(&format!("<p:sld>{white}{}</p:sld>", shape("body", "Text")))).unwrap();
        assert_eq!((plain.pages[0].text.as_str(), plain.hidden[0].text.as_str()), ("Text", "White"));
        assert_eq!(plain.hidden[0].reason, HiddenReason::Colour);
        let dark = extract(&deck_of(&format!("<p:sld>{white}{filled}</p:sld>"))).unwrap();
        assert_eq!((dark.pages[0].text.as_str(), dark.hidden.len()), ("White", 0));
    }

    #[test]
    fn shapes_outside_the_slide_are_hidden() {
        let at = |left: i32, text: &str| {
            format!(
                "<p:sp><p:spPr><a:xfrm><a:off x='{left}' y='9'/><a:ext cx='50' cy='50'/></a:xfrm></p:spPr><p:txBody><a:p><a:r>\
                 <a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
            )
        };
        let slide = format!("<p:sld>{}{}{}</p:sld>", at(-90, "out"), at(500, "right"), at(0, "left"));
        let document = extract(&deck_of(&slide)).unwrap();
        assert_eq!(document.pages[0].text, "left\n\nright");
        assert_eq!(
            (document.hidden[0].text.as_str(), document.hidden[0].reason),
            ("out", HiddenReason::Outside)
        );
    }
}
