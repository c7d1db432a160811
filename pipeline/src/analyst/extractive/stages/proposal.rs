//! A proposal: one lesson on one product, with the texts that decide which profile entries fit.

use crate::{
    analyst::extractive::{
        analysis::{result::Analysis, sentence::Sentence},
        stages::{citations, matching::Match, products, subjects::Subject},
        text::words,
    },
    brand::BrandProfile,
};

const CASE_CHARS_MAX: usize = 70;

/// Texts that earlier opportunities have used, and later ones should not repeat.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) sentences: Vec<usize>,
    pub(crate) constraints: Vec<String>,
    pub(crate) innovations: Vec<String>,
}

#[derive(Debug)]
/// The material of one opportunity.
pub(crate) struct Proposal<'a> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) subject: &'a Subject<'a>,
    pub(crate) brand: &'a BrandProfile,
    pub(crate) entry: &'a str,
    pub(crate) found: &'a Match,
    pub(crate) order: usize,
}

impl Proposal<'_> {
    /// A template with its slots filled, for a text that stands alone.
    pub(crate) fn filled(&self, template: &str) -> String {
        self.filled_with(template, &format!("{}’s", self.brand.brand_name))
    }

    /// Fills a template. `owner` precedes a product whose name is a common noun ("Northwind’s boots", "its
    /// boots").
    pub(crate) fn filled_with(&self, template: &str, owner: &str) -> String {
        let product = products::owned_name(self.entry, owner);
        template
            .replace("{product}", &product)
            .replace("{case}", &self.case_in_quotes())
            .replace("{brand}", &self.brand.brand_name)
    }

    /// The name of the case in quotation marks, or of the lesson if the case has none.
    fn case_in_quotes(&self) -> String {
        let name = self.case_name().unwrap_or_else(|| self.subject.lesson.title.clone());
        format!("“{}”", words::clipped(&citations::inner_quotes(&name), CASE_CHARS_MAX))
    }

    pub(crate) fn case_name(&self) -> Option<String> {
        let topic = self.analysis.topics.get(self.subject.topic?)?;
        let heading = || topic.named_by_document.then(|| topic.heading.clone());
        topic.case.clone().or_else(|| topic.name.clone()).or_else(heading)
    }

    /// The text that decides which profile entries fit: the action, the product and the reason.
    pub(crate) fn theme(&self) -> String {
        format!(
            "{} {} {} {} {}",
            self.filled(self.found.variant.title),
            self.filled(self.found.variant.pitch),
            self.subject.lesson.title,
            self.found.mechanism.serves,
            self.entry
        )
    }

    /// A narrower text, for entries that must concern the product itself.
    pub(crate) fn matter(&self) -> String {
        format!("{} {} {}", self.filled(self.found.variant.title), self.found.mechanism.serves, self.entry)
    }

    /// Whether a counter-signal is about the lesson's case. In a document with one story, each one is.
    pub(crate) fn concerns(&self, s: &Sentence) -> bool {
        self.subject.topic.is_none_or(|topic| {
            let one_story = self.analysis.topics.get(topic).is_some_and(|topic| !topic.named_by_document);
            one_story || s.topic == Some(topic)
        })
    }

    /// Whether the product is of another field than the lesson's own case.
    pub(crate) fn is_foreign(&self) -> bool {
        self.subject.is_foreign_to(self.entry, self.brand)
    }
}
