//! A paragraph that is being read.

use super::run::Look;
use super::styles::{ListRef, Role, Style};
use crate::document::content::HiddenReason;

/// Runs in runs: a ruby text has some.
const RUNS_MAX: usize = 64;

/// A run of text with one look.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    pub(super) look: Look,
    /// The look of its style of characters.
    pub(super) style: Look,
}

/// A paragraph that is being read. A text box puts paragraphs into a paragraph.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub(super) text: String,
    pub(super) hidden: Vec<(HiddenReason, String)>,
    pub(super) style_id: String,
    pub(super) style: Style,
    pub(super) role: Option<Role>,
    pub(super) list: ListRef,
    pub(super) in_list: bool,
    pub(super) is_shaded: bool,
    /// Its end was deleted while changes were tracked: the next paragraph goes on with it.
    pub(super) joins_next: bool,
    /// It was moved elsewhere while changes were tracked.
    pub(super) is_gone: bool,
    pub(super) has_page_number: bool,
    /// The notes of the section before this paragraph.
    pub(super) notes_before: usize,
    /// Charts and diagrams, line by line.
    pub(super) drawings: Vec<Vec<String>>,
    runs: Vec<Run>,
}

impl Paragraph {
    pub(super) fn new(style: Option<&Style>) -> Self {
        Self { style: style.cloned().unwrap_or_default(), ..Self::default() }
    }

    pub(super) fn start_run(&mut self) {
        if self.runs.len() < RUNS_MAX {
            // A run in a run looks like it, unless it says otherwise.
            self.runs.push(self.runs.last().copied().unwrap_or_default());
        }
    }

    pub(super) fn end_run(&mut self) {
        self.runs.pop();
    }

    pub(super) fn run(&mut self) -> Option<&mut Run> {
        self.runs.last_mut()
    }

    pub(super) fn look(&self) -> Look {
        let run = self.runs.last().copied().unwrap_or_default();
        run.look.over(run.style).over(self.style.look)
    }

    /// Keeps text that no reader sees. Neighbours with one reason are one passage.
    pub(super) fn hide(&mut self, reason: HiddenReason, text: &str) {
        match self.hidden.last_mut() {
            Some((last, passage)) if *last == reason => passage.push_str(text),
            _ => self.hidden.push((reason, text.to_owned())),
        }
    }

    /// The list and level, if the paragraph is in one. `0` takes it out of the list of its style.
    pub(super) fn list(&self) -> Option<(&str, Option<usize>)> {
        let id = self.list.id.as_deref().or(self.style.list.id.as_deref()).filter(|id| *id != "0")?;
        Some((id, self.list.level.or(self.style.list.level)))
    }

    pub(super) fn role(&self) -> Option<Role> {
        self.role.or(self.style.role)
    }
}
