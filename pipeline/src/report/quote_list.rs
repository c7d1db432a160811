//! The quotes of a report: every quote that stands in the document, once, in the order in which it is first cited.

use std::collections::HashMap;

use super::input::ReportInput;
use crate::{
    document::Format,
    grounding::{ClaimSupport, Support, collapsed},
    stages::{Evidence, Inspiration, Lesson, Opportunity, Outputs, QuoteStatus},
};

/// One quote.
#[derive(Debug)]
pub(super) struct Quote<'a> {
    /// The quote as people read it.
    pub(super) text: String,
    pub(super) status: QuoteStatus,
    /// The evidence that cited it first.
    pub(super) evidence: &'a Evidence,
    /// Ids of the items that cite it.
    pub(super) cited_by: Vec<&'a str>,
}

/// All quotes that stand in the document. A quote's place in the list, from 0, is its label less one.
#[derive(Debug)]
pub(super) struct Quotes<'a> {
    outputs: &'a Outputs,
    format: Format,
    list: Vec<Quote<'a>>,
    places: HashMap<(u32, String), usize>,
    claims: HashMap<(&'a str, &'a str), Support>,
    /// Quotes that stand nowhere.
    pub(super) absent: usize,
    /// Quotes that stand only in text that no reader sees.
    pub(super) hidden: usize,
}

impl<'a> Quotes<'a> {
    pub(super) fn new(outputs: &'a Outputs, input: &ReportInput<'a>) -> Self {
        let mut claims = HashMap::new();
        for claim in input.records.iter().flat_map(|record| &record.meta.grounding.claims) {
            let ClaimSupport { item, field, support } = claim;
            claims.entry((item.as_str(), field.as_str())).or_insert(*support);
        }
        let mut quotes = Self {
            outputs,
            format: input.document.format,
            list: Vec::new(),
            places: HashMap::new(),
            claims,
            absent: 0,
            hidden: 0,
        };
        for item in outputs.inspirations() {
            quotes.take(&item.id, &item.evidence);
        }
        for item in outputs.trends() {
            quotes.take(&item.id, &item.evidence);
        }
        quotes
    }

    fn take(&mut self, item: &'a str, evidence: &'a [Evidence]) {
        for evidence in evidence {
            let Some(status) = evidence.status.filter(|status| status.is_verified()) else {
                let is_hidden = evidence.status == Some(QuoteStatus::Hidden);
                *(if is_hidden { &mut self.hidden } else { &mut self.absent }) += 1;
                continue;
            };
            let text = collapsed(&evidence.quote);
            let next = self.list.len();
            let at = *self.places.entry((evidence.page, text.clone())).or_insert(next);
            match self.list.get_mut(at) {
                Some(quote) if quote.cited_by.contains(&item) => {}
                Some(quote) => quote.cited_by.push(item),
                None => self.list.push(Quote { text, status, evidence, cited_by: vec![item] }),
            }
        }
    }

    /// The support of a claim. None for records of earlier releases.
    pub(super) fn support(&self, item: &str, field: &str) -> Option<Support> {
        self.claims.get(&(item, field)).copied()
    }

    /// The note on quotes that were recognised in pictures, if there are any.
    pub(super) fn recognition_note(&self) -> Option<&'static str> {
        self.list.iter().any(|quote| quote.evidence.recognised).then_some(
            "OCR, a program that recognises letters in pictures, read the pages of the quotes that say so; compare \
             their figures and names with the page.",
        )
    }

    pub(super) fn list(&self) -> &[Quote<'a>] {
        &self.list
    }

    /// As [`Self::place`], with as much of a long name as fits beside a quote's label.
    pub(super) fn short_place(&self, evidence: &Evidence) -> String {
        const CHARS_MAX: usize = 32;
        let mut label = evidence.label.clone();
        if let Some(label) = &mut label
            && let Some((end, _)) = label.char_indices().nth(CHARS_MAX)
        {
            label.truncate(end);
            label.push('…');
        }
        self.format.cited_place(evidence.page, label.as_deref())
    }

    /// The page that a quote stands on, as texts cite it.
    pub(super) fn place(&self, evidence: &Evidence) -> String {
        self.format.cited_place(evidence.page, evidence.label.as_deref())
    }

    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// The places of an item's quotes in the list, ascending.
    pub(super) fn places<'e>(&self, evidence: impl IntoIterator<Item = &'e Evidence>) -> Vec<usize> {
        let mut places: Vec<usize> = evidence
            .into_iter()
            .filter(|evidence| evidence.status.is_some_and(QuoteStatus::is_verified))
            .filter_map(|evidence| self.places.get(&(evidence.page, collapsed(&evidence.quote))).copied())
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The quotes behind a lesson: those of the inspirations and trends it comes from.
    pub(super) fn of_lesson(&self, lesson: &Lesson) -> Vec<usize> {
        self.places(self.behind(lesson))
    }

    /// The quotes behind an opportunity: those of its lessons.
    pub(super) fn of_opportunity(&self, opportunity: &Opportunity) -> Vec<usize> {
        let lessons = self.outputs.lessons().iter();
        self.places(
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
pub(super) fn unquoted(quote: &str) -> &str {
    let inner =
        quote.strip_prefix(['"', '“', '„', '«']).and_then(|rest| rest.strip_suffix(['"', '”', '“', '»']));
    inner.filter(|inner| !inner.contains(['"', '“', '”', '„', '«', '»'])).unwrap_or(quote)
}
