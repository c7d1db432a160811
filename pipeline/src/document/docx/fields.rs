//! Fields: a page number, a link, a form's answer. Their results are text, and their instructions are none.

use crate::document::xml::Element;

/// Fields nest a few deep. Deeper ones are not told apart.
const DEPTH_MAX: usize = 64;
/// The entries of a list to choose from.
const ENTRIES_MAX: usize = 1_000;

#[derive(Debug, Default)]
struct Field {
    in_result: bool,
    has_text: bool,
    instruction: String,
    is_checked: Option<bool>,
    entries: Vec<String>,
    chosen: usize,
}

/// The fields that are open.
#[derive(Debug, Default)]
pub(super) struct Fields {
    open: Vec<Field>,
    too_deep: usize,
}

impl Fields {
    /// Whether text is shown here, and is no instruction.
    pub(super) fn shows_text(&self) -> bool {
        self.open.iter().all(|field| field.in_result)
    }

    /// Whether a number of the page is shown here. It differs from page to page.
    pub(super) fn is_page_number(&self) -> bool {
        let names = ["PAGE", "NUMPAGES", "SECTIONPAGES"];
        self.open
            .iter()
            .any(|field| field.instruction.split_whitespace().next().is_some_and(|it| names.contains(&it)))
    }

    pub(super) fn note_text(&mut self) {
        if let Some(field) = self.open.last_mut() {
            field.has_text = true;
        }
    }

    pub(super) fn instruction(&mut self, text: &str) {
        const INSTRUCTION_BYTES_MAX: usize = 64;
        if let Some(field) = self.open.last_mut().filter(|it| it.instruction.len() < INSTRUCTION_BYTES_MAX) {
            field.instruction.push_str(text);
        }
    }

    /// Takes up a mark of a field; returns the text that a form's field shows at its end.
    pub(super) fn mark(&mut self, element: &Element<'_>) -> Option<String> {
        match element.attribute("fldCharType").as_deref() {
            Some("begin") if self.open.len() < DEPTH_MAX => self.open.push(Field::default()),
            Some("begin") => self.too_deep += 1,
            Some("separate") => {
                if let Some(field) = self.open.last_mut() {
                    field.in_result = true;
                }
            }
            Some("end") if self.too_deep > 0 => self.too_deep -= 1,
            Some("end") => {
                let field = self.open.pop()?;
                return field.shown().filter(|_| self.shows_text());
            }
            _ => {}
        }
        None
    }

    /// Takes up what a form's field says of its answer.
    pub(super) fn form(&mut self, element: &Element<'_>) {
        let Some(field) = self.open.last_mut() else { return };
        match element.name {
            "checkBox" => field.is_checked = Some(false),
            "default" | "checked" if field.is_checked.is_some() => field.is_checked = Some(element.is_on()),
            "result" => field.chosen = element.number("val").unwrap_or_default(),
            "listEntry" if field.entries.len() < ENTRIES_MAX => {
                field.entries.extend(element.attribute("val"));
            }
            _ => {}
        }
    }

    /// An instruction ends with its paragraph. A field without an end would hide the rest of the document.
    pub(super) fn end_paragraph(&mut self) {
        self.open.retain(|field| field.in_result);
    }
}

impl Field {
    fn shown(&self) -> Option<String> {
        match self.is_checked {
            Some(true) => Some("\u{2612}".to_owned()),
            Some(false) => Some("\u{2610}".to_owned()),
            None if self.has_text => None,
            None => self.entries.get(self.chosen).cloned(),
        }
    }
}
