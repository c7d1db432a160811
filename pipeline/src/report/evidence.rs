//! The evidence of the Markdown report: labels for quotes, and the list of all quotes.

use super::{
    escape::inline,
    quote_list::{Quotes, unquoted},
    wording::{left_out, status_note},
};
use crate::stages::{Evidence, Lesson, Opportunity};

/// The quotes of a report, in Markdown.
#[derive(Debug)]
pub(super) struct Appendix<'a>(pub(super) Quotes<'a>);

impl Appendix<'_> {
    /// The support of a claim, to stand behind its words. Empty for records of earlier releases.
    pub(super) fn support(&self, item: &str, field: &str) -> String {
        self.0.support(item, field).map(|support| format!(" *({})*", support.word())).unwrap_or_default()
    }

    /// How many different quotes there are.
    pub(super) fn len(&self) -> usize {
        self.0.list().len()
    }

    /// The labels of an item's quotes, such as `E1 (p. 7), E3 (p. 9)`, or `none` without a usable quote.
    pub(super) fn labels<'e>(&self, evidence: impl IntoIterator<Item = &'e Evidence>) -> String {
        self.of_places(self.0.places(evidence))
    }

    /// The evidence behind a lesson.
    pub(super) fn of_lesson(&self, lesson: &Lesson) -> String {
        self.of_places(self.0.of_lesson(lesson))
    }

    /// The evidence behind an opportunity.
    pub(super) fn of_opportunity(&self, opportunity: &Opportunity) -> String {
        self.of_places(self.0.of_opportunity(opportunity))
    }

    fn of_places(&self, places: Vec<usize>) -> String {
        let labels: Vec<String> = places
            .into_iter()
            .filter_map(|at| Some((at, self.0.list().get(at)?)))
            .map(|(at, quote)| format!("E{} ({})", at + 1, inline(&self.0.short_place(quote.evidence))))
            .collect();
        if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
    }

    pub(super) fn render(&self, out: &mut String) {
        out.push_str("## Evidence\n\n");
        out.push_str(
            "Every quote was looked up in the text of the document; only those that stand there are listed.",
        );
        for sentence in left_out(self.0.absent, self.0.hidden) {
            out.push_str(&format!(" {sentence}"));
        }
        if let Some(note) = self.0.recognition_note() {
            out.push_str(&format!(" {note}"));
        }
        out.push_str("\n\n");
        if self.0.list().is_empty() {
            out.push_str("There is no usable quote.\n\n");
            return;
        }
        for (at, quote) in self.0.list().iter().enumerate() {
            let note = status_note(quote.status, self.0.format()).map(|note| format!("; {note}"));
            let part = if quote.evidence.fragment { "; part of a sentence" } else { "" };
            let recognised = if quote.evidence.recognised { "; read by OCR" } else { "" };
            let cited_by: Vec<String> = quote.cited_by.iter().map(|id| inline(id)).collect();
            out.push_str(&format!(
                "- **E{}** ({}): “{}” — cited by {}{part}{recognised}{}\n",
                at + 1,
                inline(&self.0.place(quote.evidence)),
                inline(unquoted(&quote.text)),
                cited_by.join(", "),
                note.unwrap_or_default()
            ));
        }
        out.push('\n');
    }
}
