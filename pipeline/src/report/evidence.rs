//! The report's evidence: every quote that stands in the document, once, with a label.

use super::{escape, plural};
use crate::stages::{Evidence, Lesson, Opportunity, Outputs, QuoteStatus};

/// A quote of the appendix.
#[derive(Debug)]
struct Entry<'a> {
    quote: String,
    page: u32,
    status: QuoteStatus,
    /// Ids of the items that cite it.
    cited_by: Vec<&'a str>,
}

/// All quotes that stand in the document, in the order in which they are first cited.
#[derive(Debug)]
pub(super) struct Appendix<'a> {
    outputs: &'a Outputs,
    entries: Vec<Entry<'a>>,
    absent: usize,
}

impl<'a> Appendix<'a> {
    pub(super) fn new(outputs: &'a Outputs) -> Self {
        let mut appendix = Self { outputs, entries: Vec::new(), absent: 0 };
        for item in outputs.inspirations() {
            appendix.take(&item.id, &item.evidence);
        }
        for item in outputs.trends() {
            appendix.take(&item.id, &item.evidence);
        }
        appendix
    }

    fn take(&mut self, item: &'a str, evidence: &'a [Evidence]) {
        for evidence in evidence {
            let Some(status) = evidence.status.filter(|status| status.is_verified()) else {
                self.absent += 1;
                continue;
            };
            let quote = escape::plain(&evidence.quote);
            match self.position(&quote, evidence.page) {
                Some(at) => {
                    if let Some(entry) = self.entries.get_mut(at)
                        && !entry.cited_by.contains(&item)
                    {
                        entry.cited_by.push(item);
                    }
                }
                None => self.entries.push(Entry { quote, page: evidence.page, status, cited_by: vec![item] }),
            }
        }
    }

    fn position(&self, quote: &str, page: u32) -> Option<usize> {
        self.entries.iter().position(|entry| entry.page == page && entry.quote == quote)
    }

    /// `E1 (p. 7), E3 (p. 9)` for what an item cites, `none` for an item without a usable quote.
    pub(super) fn labels<'e>(&self, evidence: impl IntoIterator<Item = &'e Evidence>) -> String {
        let mut places: Vec<usize> = evidence
            .into_iter()
            .filter(|evidence| evidence.status.is_some_and(QuoteStatus::is_verified))
            .filter_map(|evidence| self.position(&escape::plain(&evidence.quote), evidence.page))
            .collect();
        places.sort_unstable();
        places.dedup();
        let labels: Vec<String> = places
            .into_iter()
            .filter_map(|at| Some(format!("E{} (p. {})", at + 1, self.entries.get(at)?.page)))
            .collect();
        if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
    }

    /// The evidence behind a lesson: that of the inspirations and trends it comes from.
    pub(super) fn of_lesson(&self, lesson: &Lesson) -> String {
        self.labels(self.behind(lesson))
    }

    /// The evidence behind an opportunity: that of its lessons.
    pub(super) fn of_opportunity(&self, opportunity: &Opportunity) -> String {
        let lessons = self.outputs.lessons().iter();
        self.labels(
            lessons
                .filter(|lesson| opportunity.lessons.contains(&lesson.id))
                .flat_map(|lesson| self.behind(lesson)),
        )
    }

    fn behind(&self, lesson: &Lesson) -> Vec<&'a Evidence> {
        let inspirations = self.outputs.inspirations().iter();
        let trends = self.outputs.trends().iter();
        inspirations
            .filter(|item| lesson.inspirations.contains(&item.id))
            .flat_map(|item| &item.evidence)
            .chain(trends.filter(|item| lesson.trends.contains(&item.id)).flat_map(|item| &item.evidence))
            .collect()
    }

    pub(super) fn render(&self, out: &mut String) {
        out.push_str("## Evidence\n\n");
        out.push_str(
            "Every quote was looked up in the text of the document; only those that stand there are listed.",
        );
        if self.absent > 0 {
            let (quotes, were) =
                (plural(self.absent, "quote"), if self.absent == 1 { "was" } else { "were" });
            out.push_str(&format!(" {quotes} that could not be found there {were} left out."));
        }
        out.push_str("\n\n");
        if self.entries.is_empty() {
            out.push_str("There is no usable quote.\n\n");
            return;
        }
        for (at, entry) in self.entries.iter().enumerate() {
            let note = match entry.status {
                QuoteStatus::Near => {
                    "; the analyst's wording differed slightly, these are the document's words"
                }
                QuoteStatus::WrongPage => "; cited from another page, corrected",
                QuoteStatus::Verbatim | QuoteStatus::Absent => "",
            };
            let cited_by: Vec<String> = entry.cited_by.iter().map(|id| escape::inline(id)).collect();
            out.push_str(&format!(
                "- **E{}** (p. {}): “{}” — cited by {}{note}\n",
                at + 1,
                entry.page,
                escape::inline(unquoted(&entry.quote)),
                cited_by.join(", ")
            ));
        }
        out.push('\n');
    }
}

/// The quote without a pair of quotation marks of its own around it.
fn unquoted(quote: &str) -> &str {
    let inner =
        quote.strip_prefix(['"', '“', '„', '«']).and_then(|rest| rest.strip_suffix(['"', '”', '“', '»']));
    inner.filter(|inner| !inner.contains(['"', '“', '”', '„', '«', '»'])).unwrap_or(quote)
}
