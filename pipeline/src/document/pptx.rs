//! Reads PPTX. A slide is a page, in the presentation's order: its title, texts and tables, then the
//! speaker's notes.

use super::archive::Archive;
use super::raw::{RawDocument, RawPage};
use super::sections::row;
use super::xml::{Xml, walk};
use super::{error::DocumentError, limits::PAGES_MAX, office};

const PRESENTATION: &str = "ppt/presentation.xml";

/// Reads a PPTX.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut archive = Archive::open(bytes)?;
    let names = slide_names(&mut archive)?;
    if names.len() > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!("{} slides; at most {PAGES_MAX} are read", names.len())));
    }
    let mut document = RawDocument::default();
    let mut first_title = None;
    for name in names {
        let slide = Slide::read(&archive.read_required(&name)?, Part::Slide)?;
        let mut text = slide.text();
        if let Some(notes) = notes_of(&mut archive, &name)?.filter(|notes| !notes.is_empty()) {
            text.push_str("\n\nSpeaker notes:\n");
            text.push_str(&notes);
        }
        first_title = first_title.or(slide.title);
        document.pages.push(RawPage::new(text));
    }
    let core = archive.read("docProps/core.xml")?;
    let title = core.map(|xml| office::core_title(&xml)).transpose()?.flatten();
    document.title = title.or(first_title);
    Ok(document)
}

/// The names of the slides' parts, in the order of the presentation and not of their files.
fn slide_names(archive: &mut Archive<'_>) -> Result<Vec<String>, DocumentError> {
    let links = archive.read_required(&office::relationships_part(PRESENTATION))?;
    let links = office::relationships(PRESENTATION, &links)?;
    let mut names = Vec::new();
    walk(&archive.read_required(PRESENTATION)?, |event| {
        if let Xml::Start(element) = event
            && element.name == "sldId"
            && let Some(link) = element.prefixed_attribute("r:id").and_then(|id| links.get(&id))
        {
            names.push(link.target.clone());
        }
    })?;
    Ok(names)
}

fn notes_of(archive: &mut Archive<'_>, slide: &str) -> Result<Option<String>, DocumentError> {
    let Some(links) = archive.read(&office::relationships_part(slide))? else {
        return Ok(None);
    };
    let links = office::relationships(slide, &links)?;
    let Some(link) = links.values().find(|link| link.kind == "notesSlide") else {
        return Ok(None);
    };
    let Some(xml) = archive.read(&link.target)? else {
        return Ok(None);
    };
    Ok(Some(Slide::read(&xml, Part::Notes)?.text()))
}

/// The part that is read. Only the speaker's own text counts in notes, not the slide's number and header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Slide,
    Notes,
}

/// The texts of a slide, with a block for each shape.
#[derive(Debug, Default)]
struct Slide {
    title: Option<String>,
    blocks: Vec<String>,
    // The state of the reader:
    placeholder: Option<String>,
    shape: Vec<String>,
    paragraph: String,
    cells: Option<Vec<String>>,
    in_cell: bool,
    in_text: bool,
    fallback_depth: usize,
}

impl Slide {
    fn read(xml: &str, part: Part) -> Result<Self, DocumentError> {
        let mut slide = Self::default();
        walk(xml, |event| match event {
            Xml::Start(element) if element.name == "Fallback" => slide.fallback_depth += 1,
            Xml::End("Fallback") => slide.fallback_depth = slide.fallback_depth.saturating_sub(1),
            _ if slide.fallback_depth > 0 => {}
            Xml::Start(element) => match element.name {
                // A placeholder without a type holds content.
                "ph" => slide.placeholder = Some(element.attribute("type").unwrap_or_default()),
                "t" => slide.in_text = true,
                "br" => slide.paragraph.push('\n'),
                "tr" => slide.cells = Some(Vec::new()),
                "tc" => slide.in_cell = true,
                _ => {}
            },
            Xml::End(name) => slide.end(name, part),
            Xml::Text(text) => {
                if slide.in_text {
                    slide.paragraph.push_str(text);
                }
            }
        })?;
        Ok(slide)
    }

    fn end(&mut self, name: &str, part: Part) {
        match name {
            "t" => self.in_text = false,
            "p" if self.in_cell => self.paragraph.push(' '),
            "p" => {
                let paragraph = std::mem::take(&mut self.paragraph);
                if !paragraph.trim().is_empty() {
                    self.shape.push(paragraph.trim().to_owned());
                }
            }
            "tc" => {
                self.in_cell = false;
                let cell = std::mem::take(&mut self.paragraph);
                if let Some(cells) = &mut self.cells {
                    cells.push(cell);
                }
            }
            "tr" => {
                let line = row(&self.cells.take().unwrap_or_default());
                if !line.is_empty() {
                    self.shape.push(line);
                }
            }
            "sp" | "graphicFrame" => self.end_shape(part),
            _ => {}
        }
    }

    fn end_shape(&mut self, part: Part) {
        let text = std::mem::take(&mut self.shape).join("\n");
        let placeholder = self.placeholder.take();
        let kind = placeholder.as_deref();
        let is_running_header = matches!(kind, Some("dt" | "ftr" | "sldNum" | "hdr" | "sldImg"));
        if text.is_empty() || is_running_header || (part == Part::Notes && kind != Some("body")) {
            return;
        }
        if matches!(kind, Some("title" | "ctrTitle")) && self.title.is_none() {
            self.title = Some(text);
        } else {
            self.blocks.push(text);
        }
    }

    /// The text of the slide. The title comes first, wherever the file has it.
    fn text(&self) -> String {
        let blocks: Vec<&str> = self.title.iter().chain(&self.blocks).map(String::as_str).collect();
        blocks.join("\n\n")
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
}
