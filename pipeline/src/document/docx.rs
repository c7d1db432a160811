//! DOCX: paragraphs, headings, lists, tables and notes of the main text; sections at main headings and page breaks.

use std::collections::{HashMap, HashSet};

use super::archive::Archive;
use super::raw::RawDocument;
use super::sections::{Sections, row};
use super::xml::{Element, Xml, walk};
use super::{error::DocumentError, office};

/// Reads a DOCX.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut archive = Archive::open(bytes)?;
    let main = archive.read_required("word/document.xml")?;
    let styles = match archive.read("word/styles.xml")? {
        Some(xml) => styles(&xml)?,
        None => HashMap::new(),
    };
    let mut notes = HashMap::new();
    for (part, element) in [("word/footnotes.xml", "footnote"), ("word/endnotes.xml", "endnote")] {
        if let Some(xml) = archive.read(part)? {
            read_notes(&xml, element, &mut notes)?;
        }
    }
    let mut body = Body::new(&styles, &notes);
    walk(&main, |event| body.on(&event))?;
    body.divide();
    let title = match archive.read("docProps/core.xml")? {
        Some(xml) => office::core_title(&xml)?,
        None => None,
    };
    Ok(RawDocument {
        title: title.or(body.title).or(body.heading),
        pages: body.sections.pages(),
        warnings: Vec::new(),
    })
}

/// What a paragraph's style means for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Title,
    /// From 1.
    Heading(u8),
    ListItem,
}

/// The roles of the document's styles, by their ids, which differ by language where names do not.
fn styles(xml: &str) -> Result<HashMap<String, Role>, DocumentError> {
    let mut styles = HashMap::new();
    let mut id = String::new();
    walk(xml, |event| {
        let Xml::Start(element) = event else { return };
        match element.name {
            "style" => id = element.attribute("styleId").unwrap_or_default(),
            "name" => {
                if let Some(role) = element.attribute("val").and_then(|name| role_of_name(&name)) {
                    styles.insert(id.clone(), role);
                }
            }
            "outlineLvl" => {
                if let Some(level) = outline_level(&element) {
                    styles.entry(id.clone()).or_insert(Role::Heading(level));
                }
            }
            _ => {}
        }
    })?;
    Ok(styles)
}

fn role_of_name(name: &str) -> Option<Role> {
    let name = name.to_lowercase();
    if name == "title" {
        return Some(Role::Title);
    }
    if name.starts_with("list bullet") || name.starts_with("list number") {
        return Some(Role::ListItem);
    }
    let level = name.strip_prefix("heading ")?.parse().ok()?;
    Some(Role::Heading(level))
}

/// Levels 0 to 8 are headings 1 to 9; 9 means body text.
fn outline_level(element: &Element<'_>) -> Option<u8> {
    let level: u8 = element.attribute("val")?.parse().ok()?;
    (level < 9).then_some(level + 1)
}

/// The texts of the notes, by kind and id.
fn read_notes(xml: &str, element: &str, notes: &mut HashMap<String, String>) -> Result<(), DocumentError> {
    let mut current: Option<(String, String)> = None;
    let mut in_text = false;
    walk(xml, |event| match event {
        Xml::Start(start) if start.name == element => {
            // Separators are notes too, with a type.
            current = match (start.attribute("type"), start.attribute("id")) {
                (None, Some(id)) => Some((format!("{element} {id}"), String::new())),
                _ => None,
            };
        }
        Xml::End(name) if name == element => notes.extend(current.take()),
        Xml::Start(start) => {
            in_text = start.name == "t";
            if matches!(start.name, "p" | "tab" | "br")
                && let Some((_, text)) = &mut current
            {
                text.push(' ');
            }
        }
        Xml::Text(text) => {
            if in_text && let Some((_, note)) = &mut current {
                note.push_str(text);
            }
        }
        Xml::End(_) => in_text = false,
    })
}

/// A paragraph that is being read. Text boxes put paragraphs into paragraphs.
#[derive(Debug, Default)]
struct Paragraph {
    text: String,
    role: Option<Role>,
    in_list: bool,
}

/// A table that is being read.
#[derive(Debug, Default)]
struct Table {
    cells: Vec<String>,
    rows: usize,
}

/// The main text as it is read.
struct Body<'d> {
    styles: &'d HashMap<String, Role>,
    notes: &'d HashMap<String, String>,
    sections: Sections,
    paragraphs: Vec<Paragraph>,
    tables: Vec<Table>,
    /// The notes that the current section refers to, in order.
    section_notes: Vec<String>,
    seen_notes: HashSet<String>,
    in_text: bool,
    /// Within the second version of a drawing that was read already.
    fallback_depth: usize,
    after_list_item: bool,
    title: Option<String>,
    heading: Option<String>,
}

impl<'d> Body<'d> {
    fn new(styles: &'d HashMap<String, Role>, notes: &'d HashMap<String, String>) -> Self {
        Self {
            styles,
            notes,
            sections: Sections::default(),
            paragraphs: Vec::new(),
            tables: Vec::new(),
            section_notes: Vec::new(),
            seen_notes: HashSet::new(),
            in_text: false,
            fallback_depth: 0,
            after_list_item: false,
            title: None,
            heading: None,
        }
    }

    fn on(&mut self, event: &Xml<'_>) {
        match event {
            Xml::Start(element) if element.name == "Fallback" => self.fallback_depth += 1,
            Xml::End("Fallback") => self.fallback_depth = self.fallback_depth.saturating_sub(1),
            _ if self.fallback_depth > 0 => {}
            Xml::Start(element) => self.start(element),
            Xml::End(name) => self.end(name),
            Xml::Text(text) => {
                if self.in_text {
                    self.push(text);
                }
            }
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        match element.name {
            "p" => self.paragraphs.push(Paragraph::default()),
            "t" => self.in_text = true,
            "tab" => self.push(" "),
            "noBreakHyphen" => self.push("\u{2011}"),
            "br" if element.attribute("type").as_deref() == Some("page") => self.page_break(),
            "br" | "cr" => self.push("\n"),
            "pageBreakBefore"
                if element.attribute("val").is_none_or(|value| value != "0" && value != "false") =>
            {
                self.divide();
            }
            "pStyle" => {
                let role = element.attribute("val").and_then(|id| self.styles.get(&id).copied());
                self.with_paragraph(|paragraph| paragraph.role = role);
            }
            "outlineLvl" => {
                if let Some(level) = outline_level(element) {
                    self.with_paragraph(|paragraph| paragraph.role = Some(Role::Heading(level)));
                }
            }
            "numPr" => self.with_paragraph(|paragraph| paragraph.in_list = true),
            "footnoteReference" => self.note(element, "footnote"),
            "endnoteReference" => self.note(element, "endnote"),
            "tbl" => self.tables.push(Table::default()),
            "tr" => self.with_table(|table| table.cells.clear()),
            "tc" => self.with_table(|table| table.cells.push(String::new())),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "p" => {
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.finish(&paragraph);
                }
            }
            "tr" => self.finish_row(),
            "tbl" => {
                self.tables.pop();
            }
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        self.with_paragraph(|paragraph| paragraph.text.push_str(text));
    }

    fn with_paragraph(&mut self, change: impl FnOnce(&mut Paragraph)) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            change(paragraph);
        }
    }

    fn with_table(&mut self, change: impl FnOnce(&mut Table)) {
        if let Some(table) = self.tables.last_mut() {
            change(table);
        }
    }

    fn finish(&mut self, paragraph: &Paragraph) {
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cells.last_mut()) {
            cell.push(' ');
            cell.push_str(&paragraph.text);
            return;
        }
        let text = paragraph.text.trim();
        if text.is_empty() {
            return;
        }
        match paragraph.role {
            Some(Role::Title) if self.title.is_none() => self.title = Some(text.to_owned()),
            Some(Role::Heading(level)) => {
                if level == 1 {
                    self.divide();
                }
                self.heading.get_or_insert_with(|| text.to_owned());
            }
            _ => {}
        }
        let item = matches!((paragraph.role, paragraph.in_list), (Some(Role::ListItem), _) | (None, true));
        let text = if item { format!("\u{2022} {text}") } else { text.to_owned() };
        if item && self.after_list_item {
            self.sections.line(&text);
        } else {
            self.sections.block(&text);
        }
        self.after_list_item = item;
    }

    /// A row of the outermost table becomes a line; one of a table in a cell becomes text of that cell.
    fn finish_row(&mut self) {
        let Some(mut table) = self.tables.pop() else {
            return;
        };
        let line = row(&table.cells);
        table.cells.clear();
        if let Some(cell) = self.tables.last_mut().and_then(|outer| outer.cells.last_mut()) {
            cell.push(' ');
            cell.push_str(&line);
        } else if !line.is_empty() {
            if table.rows == 0 {
                self.sections.block(&line);
            } else {
                self.sections.line(&line);
            }
            table.rows += 1;
            self.after_list_item = false;
        }
        self.tables.push(table);
    }

    fn note(&mut self, element: &Element<'_>, kind: &str) {
        if let Some(id) = element.attribute("id") {
            let key = format!("{kind} {id}");
            if self.seen_notes.insert(key.clone()) {
                self.section_notes.push(key);
            }
        }
    }

    /// A break within a paragraph: what stands before it belongs to the page before.
    fn page_break(&mut self) {
        if !self.tables.is_empty() {
            return;
        }
        if let Some(paragraph) = self.paragraphs.last_mut() {
            let text = std::mem::take(&mut paragraph.text);
            let before = Paragraph { text, role: paragraph.role, in_list: paragraph.in_list };
            self.finish(&before);
        }
        self.divide();
    }

    /// Ends the section; its notes stand at its end.
    fn divide(&mut self) {
        for key in std::mem::take(&mut self.section_notes) {
            if let Some(note) = self.notes.get(&key) {
                self.sections.block(note);
            }
        }
        self.sections.divide();
        self.after_list_item = false;
    }
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::zip;
    use super::*;

    fn document(body: &str) -> Vec<u8> {
        let xml = format!("<w:document><w:body>{body}</w:body></w:document>");
        let styles = r#"<w:styles><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
            <w:style w:styleId="L"><w:name w:val="List Bullet"/></w:style><w:style w:styleId="T"><w:name w:val="Title"/></w:style></w:styles>"#;
        let notes = r#"<w:footnotes><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>no</w:t></w:r></w:p></w:footnote>
            <w:footnote w:id="2"><w:p><w:r><w:t>The note.</w:t></w:r></w:p></w:footnote></w:footnotes>"#;
        zip(&[
            ("word/document.xml", xml.as_bytes()),
            ("word/styles.xml", styles.as_bytes()),
            ("word/footnotes.xml", notes.as_bytes()),
        ])
    }

    fn p(properties: &str, text: &str) -> String {
        format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
    }

    fn texts(body: &str) -> Vec<String> {
        extract(&document(body)).unwrap().pages.into_iter().map(|page| page.text).collect()
    }

    #[test]
    fn headings_start_sections_and_lists_and_tables_keep_their_lines() {
        let heading = r#"<w:pStyle w:val="berschrift1"/>"#;
        let item = "<w:numPr/>";
        let table = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p>\
                     </w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl>";
        let body = [
            p(r#"<w:pStyle w:val="T"/>"#, "The title"),
            p(heading, "First"),
            p(item, "one"),
            p(r#"<w:pStyle w:val="L"/>"#, "two"),
            table.to_owned(),
            p(heading, "Second"),
            p("", "R&amp;D text"),
        ]
        .concat();
        assert_eq!(
            texts(&body),
            ["The title", "First\n\n\u{2022} one\n\u{2022} two\n\na | b\nc | ", "Second\n\nR&D text"]
                .map(str::trim_end)
        );
        assert_eq!(extract(&document(&body)).unwrap().title.as_deref(), Some("The title"));
    }

    #[test]
    fn page_breaks_divide_and_notes_stand_at_the_end_of_their_section() {
        let body = "<w:p><w:r><w:t>Before</w:t><w:footnoteReference w:id=\"2\"/></w:r><w:r><w:br w:type=\"page\"/></w:r>\
                    <w:r><w:t>after</w:t></w:r></w:p>";
        assert_eq!(texts(body), ["Before\n\nThe note.", "after"]);
    }

    #[test]
    fn text_boxes_are_read_once_and_deleted_text_is_not_read() {
        let body = "<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>Box</w:t></w:r></w:p>\
                    </w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>Box</w:t></w:r></w:p></mc:Fallback>\
                    </mc:AlternateContent></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>\
                    <w:r><w:t>Text</w:t></w:r></w:p>";
        assert_eq!(texts(body), ["Box\n\nText"]);
    }
}
