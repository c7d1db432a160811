//! The claims of each stage, and the evidence in which their numbers may stand.

use std::collections::BTreeSet;

use crate::{
    brand::BrandProfile,
    stages::{Evidence, Inspiration, Lesson, Outputs, QuoteStatus, StageOutput, Trend},
};

/// The claims of one item of an answer.
#[derive(Debug)]
pub(super) struct ItemClaims<'a> {
    /// `I1`, `T2` …
    pub(super) id: &'a str,
    /// Prose, with the name of its field.
    pub(super) texts: Vec<(&'static str, &'a str)>,
    /// The evidence that the item cites, or that the items it refers to cite.
    pub(super) evidence: Vec<&'a Evidence>,
    /// Whether numbers may come from the brand's profile.
    pub(super) from_profile: bool,
}

impl ItemClaims<'_> {
    /// The pages of the quotes that really stand in the document, in order.
    pub(super) fn pages(&self) -> BTreeSet<u32> {
        let verified = self.evidence.iter().filter(|evidence| is_verified(evidence));
        verified.map(|evidence| evidence.page).collect()
    }

    /// Quotes that really stand in the document. One that spans a page border may hold a number from the page
    /// after the cited one.
    pub(super) fn verified_quotes(&self) -> impl Iterator<Item = &str> {
        self.evidence.iter().filter(|evidence| is_verified(evidence)).map(|evidence| evidence.quote.as_str())
    }
}

fn is_verified(evidence: &Evidence) -> bool {
    evidence.status.is_some_and(QuoteStatus::is_verified)
}

/// The claims of an answer whose quotes have been looked up.
///
/// Plans (`first_steps`, `risks`) are no claims about the document, so `90 days` need not stand in it.
pub(super) fn of<'a>(output: &'a StageOutput, earlier: &'a Outputs) -> Vec<ItemClaims<'a>> {
    match output {
        StageOutput::InputProcessing(out) => out.inspirations.iter().map(inspiration).collect(),
        StageOutput::SignalAmplification(out) => out.trends.iter().map(|item| trend(item, earlier)).collect(),
        StageOutput::GeneralTranslation(out) => {
            out.lessons.iter().map(|item| lesson(item, earlier)).collect()
        }
        StageOutput::BrandContextualization(out) => {
            let context = ItemClaims {
                id: "brand_context",
                texts: vec![("text", &out.brand_context)],
                evidence: earlier
                    .inspirations()
                    .iter()
                    .flat_map(|item| &item.evidence)
                    .chain(earlier.trends().iter().flat_map(|item| &item.evidence))
                    .collect(),
                from_profile: true,
            };
            let opportunities = out.opportunities.iter().map(|item| {
                let mut texts = vec![
                    ("title", item.title.as_str()),
                    ("pitch", &item.pitch),
                    ("why_this_brand", &item.why_this_brand),
                ];
                texts.extend(item.target_customers.iter().map(|text| ("target_customers", text.as_str())));
                let evidence = earlier
                    .lessons()
                    .iter()
                    .filter(|lesson| item.lessons.contains(&lesson.id))
                    .flat_map(|lesson| lesson_evidence(lesson, earlier))
                    .collect();
                ItemClaims { id: &item.id, texts, evidence, from_profile: true }
            });
            std::iter::once(context).chain(opportunities).collect()
        }
    }
}

fn inspiration(item: &Inspiration) -> ItemClaims<'_> {
    let mut texts =
        vec![("title", item.title.as_str()), ("summary", &item.summary), ("mechanism", &item.mechanism)];
    texts.extend(item.key_elements.iter().map(|text| ("key_elements", text.as_str())));
    ItemClaims { id: &item.id, texts, evidence: item.evidence.iter().collect(), from_profile: false }
}

fn trend<'a>(item: &'a Trend, earlier: &'a Outputs) -> ItemClaims<'a> {
    ItemClaims {
        id: &item.id,
        texts: vec![("name", &item.name), ("strength_rationale", &item.strength_rationale)],
        evidence: item.evidence.iter().chain(inspirations_evidence(&item.inspirations, earlier)).collect(),
        from_profile: false,
    }
}

fn lesson<'a>(item: &'a Lesson, earlier: &'a Outputs) -> ItemClaims<'a> {
    let job = &item.job_to_be_done;
    let mut texts = vec![
        ("title", item.title.as_str()),
        ("principle", &item.principle),
        ("why_it_works", &item.why_it_works),
        ("job_to_be_done", &job.functional),
    ];
    let optional = job.emotional.iter().chain(&job.social);
    texts.extend(optional.map(|text| ("job_to_be_done", text.as_str())));
    texts.extend(item.constraints_removed.iter().map(|text| ("constraints_removed", text.as_str())));
    ItemClaims { id: &item.id, texts, evidence: lesson_evidence(item, earlier), from_profile: false }
}

fn lesson_evidence<'a>(lesson: &'a Lesson, earlier: &'a Outputs) -> Vec<&'a Evidence> {
    inspirations_evidence(&lesson.inspirations, earlier)
        .chain(
            earlier
                .trends()
                .iter()
                .filter(|trend| lesson.trends.contains(&trend.id))
                .flat_map(|trend| &trend.evidence),
        )
        .collect()
}

fn inspirations_evidence<'a>(ids: &'a [String], earlier: &'a Outputs) -> impl Iterator<Item = &'a Evidence> {
    earlier.inspirations().iter().filter(|item| ids.contains(&item.id)).flat_map(|item| &item.evidence)
}

/// All texts of a brand's profile.
pub(super) fn profile_texts(brand: &BrandProfile) -> Vec<String> {
    let mut texts: Vec<String> = [&brand.brand_name, &brand.country, &brand.industry, &brand.positioning]
        .into_iter()
        .chain(&brand.product_portfolio)
        .chain(&brand.target_customers)
        .chain(&brand.recent_innovations)
        .chain(&brand.strategic_priorities)
        .chain(&brand.brand_values)
        .chain(&brand.competitors)
        .chain(&brand.constraints)
        .chain(&brand.tone)
        .chain(&brand.research_notes)
        .cloned()
        .collect();
    texts.extend(brand.other.values().map(ToString::to_string));
    texts
}
