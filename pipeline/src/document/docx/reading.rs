//! Reads the XML of a text: which elements are text, and which are none.

use super::body::{Body, StoryLink};
use super::paragraph::Paragraph;
use crate::document::{
    office::symbols::shown,
    xml::{Element, Xml},
};

/// A document has a few sections, and each refers to six headers and footers at most.
const STORIES_MAX: usize = 1_000;

/// Reads events into a body.
pub(super) struct Reading<'d> {
    pub(super) body: Body<'d>,
    in_text: bool,
    in_instruction: bool,
    /// Within the properties of a paragraph. The look there is that of its end, not of its text.
    in_properties: bool,
    in_row_properties: bool,
    /// Depth within text boxes.
    boxes: usize,
    /// Depth within an element that is not shown.
    skipped: usize,
    /// The count of pieces when each choice of versions began. A later version counts if the first showed none.
    choices: Vec<usize>,
    pieces: usize,
    has_title_page: bool,
    section_stories: Vec<StoryLink>,
}

impl<'d> Reading<'d> {
    pub(super) fn new(body: Body<'d>) -> Self {
        Self {
            body,
            in_text: false,
            in_instruction: false,
            in_properties: false,
            in_row_properties: false,
            boxes: 0,
            skipped: 0,
            choices: Vec::new(),
            pieces: 0,
            has_title_page: false,
            section_stories: Vec::new(),
        }
    }

    pub(super) fn on(&mut self, event: &Xml<'_>) {
        match event {
            Xml::Start(element) if self.skipped > 0 || self.skips(element) => self.skipped += 1,
            Xml::End(_) if self.skipped > 0 => self.skipped -= 1,
            Xml::Text(_) if self.skipped > 0 => {}
            Xml::Start(element) => self.start(element),
            Xml::End(name) => self.end(name),
            Xml::Text(text) => self.text(text),
        }
    }

    /// Whether an element and all within it are not shown.
    fn skips(&mut self, element: &Element<'_>) -> bool {
        match element.name {
            // Deleted, or moved elsewhere, while changes were tracked. In properties it is the paragraph's end.
            "del" | "moveFrom" => {
                if self.in_row_properties {
                    if let (Some(table), "del") = (self.body.tables.last_mut(), element.name) {
                        table.delete_row();
                    }
                } else if self.in_properties
                    && let Some(paragraph) = self.body.paragraphs.last_mut()
                {
                    paragraph.joins_next |= element.name == "del";
                    paragraph.is_gone |= element.name == "moveFrom";
                }
                true
            }
            "AlternateContent" => {
                self.choices.push(self.pieces);
                false
            }
            "Choice" | "Fallback" => self.choices.last().is_some_and(|before| self.pieces > *before),
            // The reading of ruby, settings of controls, and stops of tabulators.
            "rt" | "sdtPr" | "sdtEndPr" | "tabs" | "delText" | "delInstrText" => true,
            // Properties before a change.
            name => name.ends_with("Change"),
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        match element.name {
            "p" => {
                self.body.start_paragraph();
                self.in_properties = false;
            }
            "pPr" => self.in_properties = true,
            "trPr" => self.in_row_properties = true,
            "hidden" if self.in_row_properties => {
                if let Some(table) = self.body.tables.last_mut() {
                    table.is_hidden_row = element.is_on();
                }
            }
            "r" => self.with_paragraph(Paragraph::start_run),
            "t" => self.in_text = true,
            "instrText" => self.in_instruction = true,
            "tab" | "ptab" => self.push(" "),
            "noBreakHyphen" => self.push("\u{2011}"),
            "br" if element.attribute("type").as_deref() == Some("page") => self.body.page_break(),
            "br" | "cr" => self.push("\n"),
            "sym" => self.symbol(element),
            "fldChar" => {
                if let Some(shown) = self.body.fields.mark(element) {
                    self.push(&shown);
                }
            }
            "checkBox" | "default" | "checked" | "result" | "listEntry" => self.body.fields.form(element),
            "fldSimple" => self.simple_field(element),
            "footnoteReference" => self.note(element, "footnote"),
            "endnoteReference" => self.note(element, "endnote"),
            "tbl" => self.body.tables.push(super::table::Table::default()),
            "tr" | "tc" | "tblStyle" | "hMerge" | "vMerge" => self.with_table(element),
            "txbxContent" => self.boxes += 1,
            "chart" | "relIds" => self.drawing(element),
            "blip" | "imagedata" => {
                self.body.unread.pictures += 1;
                self.pieces += 1;
            }
            "OLEObject" => self.body.unread.objects += 1,
            "subDoc" => self.body.unread.subdocuments += 1,
            "altChunk" => {
                if let Some(id) = element.prefixed_attribute("id") {
                    self.body.chunk(&id);
                }
            }
            "headerReference" | "footerReference" => self.story(element),
            "titlePg" => self.has_title_page = element.is_on(),
            _ if self.in_properties => self.paragraph_property(element),
            "shd" if self.body.tables.last().is_some() && !self.in_run() => self.with_table(element),
            _ => self.run_property(element),
        }
        if let Some(signs) = self.body.math.start(element) {
            self.push(&signs);
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "instrText" => self.in_instruction = false,
            "pPr" => self.in_properties = false,
            "trPr" => self.in_row_properties = false,
            "r" => self.with_paragraph(Paragraph::end_run),
            "p" => self.body.end_paragraph(),
            "tc" => {
                if let Some(table) = self.body.tables.last_mut() {
                    table.end_cell();
                }
            }
            "tr" => self.body.end_row(),
            "tbl" => {
                self.body.tables.pop();
            }
            "txbxContent" => self.boxes = self.boxes.saturating_sub(1),
            "AlternateContent" => {
                self.choices.pop();
            }
            "sectPr" => self.end_section(),
            _ => {}
        }
        if let Some(signs) = self.body.math.end(name) {
            self.push(&signs);
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_text {
            self.push(text);
        } else if self.in_instruction {
            self.body.fields.instruction(text);
        }
    }

    /// Adds text, unless it belongs to a field's instruction or is a page's number.
    fn push(&mut self, text: &str) {
        if !self.body.fields.shows_text() {
            return;
        }
        self.pieces += 1;
        if self.body.fields.is_page_number() {
            self.with_paragraph(|paragraph| paragraph.has_page_number = true);
        } else {
            self.body.push(text, self.boxes > 0);
        }
    }

    pub(super) fn with_paragraph(&mut self, change: impl FnOnce(&mut Paragraph)) {
        if let Some(paragraph) = self.body.paragraphs.last_mut() {
            change(paragraph);
        }
    }

    fn in_run(&mut self) -> bool {
        self.body.paragraphs.last_mut().is_some_and(|paragraph| paragraph.run().is_some())
    }

    fn with_table(&mut self, element: &Element<'_>) {
        if let Some(table) = self.body.tables.last_mut() {
            table.start(element);
        }
    }

    /// A sign of a font of symbols.
    fn symbol(&mut self, element: &Element<'_>) {
        let code = element.attribute("char").and_then(|code| u32::from_str_radix(&code, 16).ok());
        let Some(code) = code else { return };
        let font = element.attribute("font").unwrap_or_default();
        let sign = shown(&font, code).or_else(|| char::from_u32(code));
        // A sign that no table knows cannot be read.
        let sign = sign.filter(|c| !('\u{e000}'..='\u{f8ff}').contains(c)).unwrap_or('\u{fffd}');
        self.push(sign.encode_utf8(&mut [0; 4]));
    }

    /// A field with its result in it. Page numbers differ from page to page.
    fn simple_field(&mut self, element: &Element<'_>) {
        let instruction = element.attribute("instr").unwrap_or_default();
        let name = instruction.split_whitespace().next().unwrap_or_default();
        if matches!(name, "PAGE" | "NUMPAGES" | "SECTIONPAGES") {
            self.with_paragraph(|paragraph| paragraph.has_page_number = true);
            // The event of its end comes, and ends this.
            self.skipped += 1;
        }
    }

    fn note(&mut self, element: &Element<'_>, kind: &str) {
        if let Some(id) = element.attribute("id") {
            self.body.note(kind, &id);
        }
    }

    fn drawing(&mut self, element: &Element<'_>) {
        let link = if element.name == "chart" { "id" } else { "dm" };
        let id = element.prefixed_attribute(link);
        let lines = id.and_then(|id| self.body.embedded.drawings.remove(&id));
        if let Some(lines) = lines {
            self.pieces += 1;
            self.with_paragraph(|paragraph| paragraph.drawings.push(lines));
        }
    }

    fn story(&mut self, element: &Element<'_>) {
        if self.body.stories.len() + self.section_stories.len() >= STORIES_MAX {
            return;
        }
        if let Some(id) = element.prefixed_attribute("id") {
            let is_header = element.name == "headerReference";
            let pages = element.attribute("type").unwrap_or_else(|| "default".to_owned());
            self.section_stories.push(StoryLink { is_header, pages, id });
        }
    }

    /// Headers of a first page count where the section has one.
    fn end_section(&mut self) {
        let has_title_page = std::mem::take(&mut self.has_title_page);
        let stories = std::mem::take(&mut self.section_stories);
        self.body
            .stories
            .extend(stories.into_iter().filter(|story| story.pages != "first" || has_title_page));
    }
}
