//! The report's evidence: every quote that stands in the document, listed once with a label.

use super::{escape, input::ReportInput, wording::plural};
use crate::{
    document::Format,
    grounding::{ClaimSupport, collapsed},
    stages::{Evidence, Inspiration, Lesson, Opportunity, Outputs, QuoteStatus},
};

/// A quote of the appendix.
#[derive(Debug)]
struct Entry<'a> {
    quote: String,
    page: u32,
    status: QuoteStatus,
    is_fragment: bool,
    is_recognised: bool,
    /// Ids of the items that cite it.
    cited_by: Vec<&'a str>,
}

/// All quotes that stand in the document, in the order in which they are first cited.
#[derive(Debug)]
pub(super) struct Appendix<'a> {
    outputs: &'a Outputs,
    format: Format,
    entries: Vec<Entry<'a>>,
    absent: usize,
    claims: Vec<&'a ClaimSupport>,
}

impl<'a> Appendix<'a> {
    pub(super) fn new(outputs: &'a Outputs, input: &ReportInput<'a>) -> Self {
        let claims = input.records.iter().flat_map(|record| &record.meta.grounding.claims).collect();
        let format = input.document_format;
        let mut appendix = Self { outputs, format, entries: Vec::new(), absent: 0, claims };
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
            let quote = collapsed(&evidence.quote);
            match self.position(&quote, evidence.page) {
                Some(at) => {
                    if let Some(entry) = self.entries.get_mut(at)
                        && !entry.cited_by.contains(&item)
                    {
                        entry.cited_by.push(item);
                    }
                }
                None => self.entries.push(Entry {
                    quote,
                    page: evidence.page,
                    status,
                    is_fragment: evidence.fragment,
                    is_recognised: evidence.recognised,
                    cited_by: vec![item],
                }),
            }
        }
    }

    /// The support of a claim, to stand behind its words. Empty for records of earlier releases.
    pub(super) fn support(&self, item: &str, field: &str) -> String {
        let found = self.claims.iter().find(|claim| claim.item == item && claim.field == field);
        found.map(|claim| format!(" *({})*", claim.support.word())).unwrap_or_default()
    }

    /// How many different quotes there are.
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    fn position(&self, quote: &str, page: u32) -> Option<usize> {
        self.entries.iter().position(|entry| entry.page == page && entry.quote == quote)
    }

    /// The labels of an item's quotes, such as `E1 (p. 7), E3 (p. 9)`, or `none` without a usable quote.
    pub(super) fn labels<'e>(&self, evidence: impl IntoIterator<Item = &'e Evidence>) -> String {
        let mut places: Vec<usize> = evidence
            .into_iter()
            .filter(|evidence| evidence.status.is_some_and(QuoteStatus::is_verified))
            .filter_map(|evidence| self.position(&collapsed(&evidence.quote), evidence.page))
            .collect();
        places.sort_unstable();
        places.dedup();
        let labels: Vec<String> = places
            .into_iter()
            .filter_map(|at| Some(format!("E{} ({})", at + 1, self.format.place(self.entries.get(at)?.page))))
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
        let inspirations =
            self.outputs.inspirations().iter().filter(|item| lesson.inspirations.contains(&item.id));
        let trends = self.outputs.trends().iter().filter(|item| lesson.trends.contains(&item.id));
        let of_trends: Vec<&Evidence> = trends.flat_map(|item| &item.evidence).collect();
        let mut pages: Vec<u32> = of_trends.iter().map(|evidence| evidence.page).collect();
        pages.extend(texts(lesson).flat_map(|text| self.format.cited_pages(text)));
        inspirations.flat_map(|item| self.of_case(item, lesson, &pages)).chain(of_trends).collect()
    }

    /// An inspiration's evidence for one lesson. An inspiration may tell of several cases, so only quotes
    /// about the lesson's case count. Quotes on `pages`, which the lesson's words and trends cite, always
    /// count. Others count if the inspiration teaches only this lesson, and no trend of another lesson cites
    /// their page.
    fn of_case(&self, item: &'a Inspiration, lesson: &Lesson, pages: &[u32]) -> Vec<&'a Evidence> {
        let lessons =
            self.outputs.lessons().iter().filter(|lesson| lesson.inspirations.contains(&item.id)).count();
        let foreign: Vec<u32> = self
            .outputs
            .trends()
            .iter()
            .filter(|trend| trend.inspirations.contains(&item.id) && !lesson.trends.contains(&trend.id))
            .flat_map(|trend| &trend.evidence)
            .map(|evidence| evidence.page)
            .collect();
        let is_own = |page: u32| pages.contains(&page) || lessons == 1 && !foreign.contains(&page);
        let own: Vec<&Evidence> = item.evidence.iter().filter(|evidence| is_own(evidence.page)).collect();
        if own.is_empty() { item.evidence.iter().collect() } else { own }
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
        if self.entries.iter().any(|entry| entry.is_recognised) {
            out.push_str(
                " OCR, a program that recognises letters in pictures, read the pages of the quotes that say so; compare \
                 their figures and names with the page.",
            );
        }
        out.push_str("\n\n");
        if self.entries.is_empty() {
            out.push_str("There is no usable quote.\n\n");
            return;
        }
        let wrong_page = format!("; cited from another {}, corrected", self.format.unit());
        for (at, entry) in self.entries.iter().enumerate() {
            let note = match entry.status {
                QuoteStatus::Near => {
                    "; the analyst's wording differed slightly, these are the document's words"
                }
                QuoteStatus::WrongPage => wrong_page.as_str(),
                QuoteStatus::Verbatim | QuoteStatus::Hidden | QuoteStatus::Absent => "",
            };
            let part = if entry.is_fragment { "; part of a sentence" } else { "" };
            let reader = if entry.is_recognised { "; read by OCR" } else { "" };
            let cited_by: Vec<String> = entry.cited_by.iter().map(|id| escape::inline(id)).collect();
            out.push_str(&format!(
                "- **E{}** ({}): “{}” — cited by {}{part}{reader}{note}\n",
                at + 1,
                self.format.place(entry.page),
                escape::inline(unquoted(&entry.quote)),
                cited_by.join(", ")
            ));
        }
        out.push('\n');
    }
}

/// The texts of a lesson about the document.
fn texts(lesson: &Lesson) -> impl Iterator<Item = &str> {
    let job = &lesson.job_to_be_done;
    [&lesson.principle, &lesson.why_it_works, &job.functional]
        .into_iter()
        .chain(&job.emotional)
        .chain(&job.social)
        .chain(&lesson.constraints_removed)
        .map(String::as_str)
}

/// The quote without a pair of quotation marks of its own around it.
fn unquoted(quote: &str) -> &str {
    let inner =
        quote.strip_prefix(['"', '“', '„', '«']).and_then(|rest| rest.strip_suffix(['"', '”', '“', '»']));
    inner.filter(|inner| !inner.contains(['"', '“', '”', '„', '«', '»'])).unwrap_or(quote)
}
