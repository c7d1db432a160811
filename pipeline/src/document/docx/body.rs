//! A text of a DOCX as it is read: the main text, a note, a header.

use std::collections::{HashMap, HashSet};

use super::fields::Fields;
use super::math::Math;
use super::numbering::{Counter, Label, Numbering};
use super::paragraph::Paragraph;
use super::styles::{Role, Styles};
use super::table::Table;
use crate::document::{
    content::HiddenReason,
    office::{hidden::HiddenTexts, unread::Unread},
    raw::RawPage,
    sections::Sections,
};

/// The parts that a text refers to.
#[derive(Debug)]
pub(super) struct Context<'d> {
    pub(super) styles: &'d Styles,
    pub(super) numbering: &'d Numbering,
    /// The notes by kind and id.
    pub(super) notes: &'d HashMap<String, String>,
    /// No picture and no colour lies behind the text.
    pub(super) ground_is_white: bool,
}

/// The drawings and documents in a text, by the ids of their links. Each is shown once.
#[derive(Debug, Default)]
pub(super) struct Embedded {
    pub(super) drawings: HashMap<String, Vec<String>>,
    pub(super) chunks: HashMap<String, Vec<RawPage>>,
}

/// A header or footer that a section refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoryLink {
    pub(super) is_header: bool,
    /// `default`, `first` or `even`.
    pub(super) pages: String,
    pub(super) id: String,
}

/// A text as it is read.
pub(super) struct Body<'d> {
    pub(super) context: &'d Context<'d>,
    pub(super) embedded: Embedded,
    pub(super) sections: Sections,
    pub(super) hidden: HiddenTexts,
    pub(super) unread: Unread,
    pub(super) stories: Vec<StoryLink>,
    pub(super) paragraphs: Vec<Paragraph>,
    pub(super) tables: Vec<Table>,
    pub(super) fields: Fields,
    pub(super) math: Math,
    counter: Counter,
    /// The notes that the current section refers to, in order.
    section_notes: Vec<String>,
    seen_notes: HashSet<String>,
    /// Text whose paragraph's end was deleted.
    carried: String,
    after_list_item: bool,
    pub(super) title: Option<String>,
    pub(super) heading: Option<String>,
}

impl<'d> Body<'d> {
    pub(super) fn new(context: &'d Context<'d>, embedded: Embedded) -> Self {
        Self {
            context,
            embedded,
            sections: Sections::default(),
            hidden: HiddenTexts::default(),
            unread: Unread::default(),
            stories: Vec::new(),
            paragraphs: Vec::new(),
            tables: Vec::new(),
            fields: Fields::default(),
            math: Math::default(),
            counter: Counter::default(),
            section_notes: Vec::new(),
            seen_notes: HashSet::new(),
            carried: String::new(),
            after_list_item: false,
            title: None,
            heading: None,
        }
    }

    /// Adds text to the current paragraph, or to its hidden text. A text box may have any ground.
    pub(super) fn push(&mut self, text: &str, in_box: bool) {
        let has_ground = in_box || self.tables.iter().any(Table::has_ground);
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        let ground_is_white = self.context.ground_is_white && !has_ground && !paragraph.is_shaded;
        let look = paragraph.look();
        let shown = self.math.shown(text).unwrap_or_else(|| look.shown(text));
        match look.hidden_reason(ground_is_white) {
            Some(reason) => paragraph.hide(reason, &shown),
            None => paragraph.text.push_str(&shown),
        }
        self.fields.note_text();
    }

    pub(super) fn end_paragraph(&mut self) {
        self.fields.end_paragraph();
        self.math.end_paragraph();
        let Some(mut paragraph) = self.paragraphs.pop() else { return };
        let page = self.sections.page_number();
        for (reason, text) in std::mem::take(&mut paragraph.hidden) {
            self.hidden.add(page, reason, &text);
        }
        let is_pure = self.paragraphs.is_empty();
        if is_pure && !self.carried.is_empty() {
            paragraph.text.insert_str(0, &std::mem::take(&mut self.carried));
        }
        if paragraph.joins_next && is_pure {
            self.carried = std::mem::take(&mut paragraph.text);
        } else if !paragraph.is_gone || !paragraph.text.trim().is_empty() {
            self.finish(&paragraph, true);
        }
        for lines in std::mem::take(&mut paragraph.drawings) {
            self.drawing(&lines);
        }
    }

    /// The label of the paragraph in its list. Hidden paragraphs do not count; empty ones do.
    fn label(&mut self, paragraph: &Paragraph) -> Option<Label> {
        let (id, level) = paragraph.list()?;
        let numbering = self.context.numbering;
        let level = level.or_else(|| numbering.level_of_style(id, &paragraph.style_id)).unwrap_or_default();
        self.counter.next(numbering, id, level)
    }

    fn finish(&mut self, paragraph: &Paragraph, is_whole: bool) {
        let text = paragraph.text.trim();
        if text.is_empty() && (!is_whole || paragraph.joins_next) {
            return;
        }
        let label = self.label(paragraph);
        if text.is_empty() || self.is_page_mark(paragraph) {
            return;
        }
        let number = match &label {
            Some(Label::Number(number)) => Some(number.as_str()),
            _ => None,
        };
        let numbered = number.map_or_else(|| text.to_owned(), |number| format!("{number}{text}"));
        if let Some(cell) = self.tables.last_mut().and_then(Table::cell) {
            cell.push(' ');
            cell.push_str(&numbered);
            return;
        }
        match paragraph.role() {
            Some(Role::Title) if self.title.is_none() => self.title = Some(text.to_owned()),
            Some(Role::Heading(level)) => {
                if level == 1 {
                    self.divide_before(paragraph.notes_before);
                }
                self.heading.get_or_insert_with(|| text.to_owned());
            }
            _ => {}
        }
        // Without a definition of its list, the paragraph is an item all the same.
        let is_undefined = label.is_none() && paragraph.list.id.as_deref() != Some("0");
        let is_item = match paragraph.role() {
            Some(Role::Title | Role::Heading(_)) => false,
            Some(Role::ListItem) if is_undefined => true,
            None if is_undefined => paragraph.in_list,
            _ => matches!(label, Some(Label::Bullet | Label::Number(_))),
        };
        match paragraph.role() {
            Some(Role::Heading(level)) => self.sections.heading(level, &numbered),
            _ if is_item && number.is_none() => {
                self.sections.item(&format!("\u{2022} {text}"), self.after_list_item);
            }
            _ if is_item => self.sections.item(&numbered, self.after_list_item),
            _ => self.sections.block(&numbered),
        }
        self.after_list_item = is_item;
    }

    /// Whether a paragraph holds no more than the number of its page, as in "Page 3 of 12".
    fn is_page_mark(&self, paragraph: &Paragraph) -> bool {
        const OTHER_WORDS_MAX: usize = 2;
        paragraph.has_page_number
            && paragraph.text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
                <= OTHER_WORDS_MAX
    }

    /// The lines of a chart or diagram, as a block of its own.
    fn drawing(&mut self, lines: &[String]) {
        if let Some(cell) = self.tables.last_mut().and_then(Table::cell) {
            cell.push(' ');
            cell.push_str(&lines.join(" "));
            return;
        }
        let mut follows = false;
        for line in lines {
            match (line.contains(" | "), follows) {
                (true, _) => self.sections.table_row(line, follows),
                (false, true) => self.sections.line(line),
                (false, false) => self.sections.block(line),
            }
            follows = true;
        }
        self.after_list_item = false;
    }

    /// A row of the outermost table becomes a line. A row of a table in a cell becomes text of that cell.
    pub(super) fn end_row(&mut self) {
        let Some(mut table) = self.tables.pop() else { return };
        let line = table.end_row();
        if table.is_hidden_row {
            self.hidden.add(self.sections.page_number(), HiddenReason::Marked, &line);
        } else if let Some(cell) = self.tables.last_mut().and_then(Table::cell) {
            cell.push(' ');
            cell.push_str(&line);
        } else if !line.is_empty() {
            self.sections.table_row(&line, table.rows > 0);
            table.rows += 1;
            self.after_list_item = false;
        }
        self.tables.push(table);
    }

    pub(super) fn note(&mut self, kind: &str, id: &str) {
        let key = format!("{kind} {id}");
        if self.seen_notes.insert(key.clone()) {
            self.section_notes.push(key);
        }
    }

    /// Puts a document that is linked as a whole into the text.
    pub(super) fn chunk(&mut self, id: &str) {
        for (at, page) in self.embedded.chunks.remove(id).unwrap_or_default().into_iter().enumerate() {
            if let Some(cell) = self.tables.last_mut().and_then(Table::cell) {
                cell.push(' ');
                cell.push_str(&page.text);
                continue;
            }
            if at > 0 {
                self.divide();
            }
            self.sections.append(page);
        }
        self.after_list_item = false;
    }

    /// Ends the page at a break. Text of the paragraph before the break belongs to the page before.
    pub(super) fn page_break(&mut self) {
        if !self.tables.is_empty() {
            return;
        }
        if let Some(mut paragraph) = self.paragraphs.pop() {
            if !paragraph.text.trim().is_empty() {
                self.finish(&paragraph, false);
                paragraph.text.clear();
                paragraph.list.id = Some("0".to_owned());
                paragraph.in_list = false;
            }
            self.paragraphs.push(paragraph);
        }
        self.divide();
    }

    pub(super) fn start_paragraph(&mut self) {
        let style = self.context.styles.default_paragraph();
        let notes_before = self.section_notes.len();
        let mut paragraph = Paragraph::new(style);
        paragraph.notes_before = notes_before;
        self.paragraphs.push(paragraph);
    }

    /// Ends the section, and puts its notes at its end.
    pub(super) fn divide(&mut self) {
        self.divide_before(self.section_notes.len());
    }

    /// Ends the section with the notes before this one. The others belong to the heading that follows.
    fn divide_before(&mut self, note: usize) {
        let later = self.section_notes.split_off(note.min(self.section_notes.len()));
        for key in std::mem::replace(&mut self.section_notes, later) {
            if let Some(note) = self.context.notes.get(&key) {
                self.sections.block(note);
            }
        }
        self.sections.divide();
        self.after_list_item = false;
    }

    /// Ends the text.
    pub(super) fn end(&mut self) {
        let carried = std::mem::take(&mut self.carried);
        self.sections.block(&carried);
        self.divide();
    }
}
