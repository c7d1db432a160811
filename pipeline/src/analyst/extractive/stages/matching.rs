//! Lessons × the brand's profile: which lesson could be carried by which product, and by what else in the
//! profile.

use std::collections::BTreeSet;

use crate::{
    analyst::extractive::{
        analysis::mechanisms::{self, Mechanism, Variant},
        stages::{products, subjects::Subject},
        text::words,
    },
    brand::BrandProfile,
};

/// So many of a variant's first signs count more.
const SURE_SIGNS: usize = 5;
/// What a lesson loses on a product of another class than its own case: it can be carried over, but less surely.
const OTHER_CLASS_FACTOR: f64 = 0.65;
/// Of a lesson's kinds so many are tried, and the fallback.
const KINDS_MAX: usize = 4;

/// A lesson carried by a product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match {
    pub(crate) score: f64,
    /// Indexes into the subjects and the profile's portfolio.
    pub(crate) subject: usize,
    pub(crate) product: usize,
    pub(crate) mechanism: &'static Mechanism,
    pub(crate) variant: &'static Variant,
}

/// Everything of a profile that templates may speak of.
fn profile_text(brand: &BrandProfile) -> String {
    let lists = [
        &brand.product_portfolio,
        &brand.target_customers,
        &brand.recent_innovations,
        &brand.strategic_priorities,
        &brand.brand_values,
    ];
    lists.iter().flat_map(|list| list.iter()).map(|entry| format!("{entry}. ")).collect()
}

/// A product of the portfolio, with what is asked of it for every lesson.
struct Carrier {
    class: &'static str,
    stems: BTreeSet<String>,
    concepts: BTreeSet<&'static str>,
}

/// Every lesson with every product that could carry it, best first.
pub(crate) fn matches(subjects: &[Subject<'_>], brand: &BrandProfile) -> Vec<Match> {
    let carriers: Vec<Carrier> = brand
        .product_portfolio
        .iter()
        .map(|entry| Carrier {
            class: products::class_of(entry, &brand.industry),
            stems: words::stems_of_phrase(entry).into_iter().collect(),
            concepts: products::concepts_of(entry),
        })
        .collect();
    let plans: Vec<Vec<String>> = brand
        .strategic_priorities
        .iter()
        .chain(&brand.recent_innovations)
        .map(|text| words::stems_of_phrase(text))
        .collect();
    let profile = words::stemmed(&profile_text(brand));
    let mut found: Vec<Match> = Vec::new();
    for (subject_index, subject) in subjects.iter().enumerate() {
        let said = format!("{}{profile}", subject.text);
        for (product_index, carrier) in carriers.iter().enumerate() {
            let surest = subject.kinds.iter().take(KINDS_MAX);
            let fallback = subject
                .kinds
                .iter()
                .skip(KINDS_MAX)
                .filter(|(_, mechanism)| mechanism.kind == mechanisms::GENERIC);
            for (sureness, mechanism) in surest.chain(fallback) {
                let Some(variant) = mechanism.variant_for(carrier.class, &said) else { continue };
                let score = score(subject, carrier, &plans, *sureness, variant);
                let (subject, product) = (subject_index, product_index);
                found.push(Match { score, subject, product, mechanism, variant });
                // A short document with a short profile needs more than one thing to do with a product.
                if mechanism.kind == mechanisms::GENERIC {
                    let others = mechanism.variants.iter().filter(|other| other.title != variant.title);
                    found.extend(others.map(|variant| Match {
                        score: 0.0,
                        subject,
                        product,
                        mechanism,
                        variant,
                    }));
                }
            }
        }
    }
    // What shows no sign of carrying is kept last, so that a poor profile still gets its five.
    found.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then((a.subject, a.product).cmp(&(b.subject, b.product)))
    });
    found
}

/// Only what fits any product does without a sign in the profile's own words.
fn needs_signs(variant: &Variant) -> bool {
    variant.class != "any"
}

/// How well a product carries a lesson; `plans` are the stems of what the profile plans and has lately done.
fn score(
    subject: &Subject<'_>,
    carrier: &Carrier,
    plans: &[Vec<String>],
    sureness: f64,
    variant: &Variant,
) -> f64 {
    // The first signs of a list are the surest.
    let fit: f64 = variant
        .fits
        .iter()
        .enumerate()
        .filter(|(_, sign)| carrier.stems.contains(*sign))
        .map(|(order, _)| if order < SURE_SIGNS { 0.32 } else { 0.12 })
        .sum::<f64>()
        .min(1.2);
    if fit <= 0.0 && needs_signs(variant) {
        return 0.0;
    }
    let shared: f64 =
        carrier.concepts.iter().filter_map(|concept| subject.concepts.get(concept)).sum::<f64>().min(0.8);
    let pull: f64 = plans
        .iter()
        .map(|stems| stems.iter().filter(|stem| variant.fits.contains(*stem)).count().min(3) as f64)
        .sum::<f64>()
        .min(5.0)
        * 0.03;
    // The kind must be clear before anything else counts.
    let factor = if subject.is_of_another_class(carrier.class) { OTHER_CLASS_FACTOR } else { 1.0 };
    factor * sureness * sureness * (0.25 + fit + shared + pull)
}
