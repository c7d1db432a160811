//! Matches lessons with the products of a brand's profile that could carry them.

use std::collections::BTreeSet;

use crate::{
    analyst::extractive::{
        analysis::mechanisms::{self, Mechanism, Variant},
        stages::{products, subjects::Subject},
        text::words,
    },
    brand::BrandProfile,
};

/// How many of a variant's first signs count more.
const SURE_SIGNS: usize = 5;
/// The factor for a product of another class than the lesson's case. The lesson carries over, but less
/// surely.
const OTHER_CLASS_FACTOR: f64 = 0.65;
/// How many of a lesson's kinds are tried, besides the generic one.
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

/// The text of a profile that templates may refer to.
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

/// A product of the portfolio, with the facts that every lesson needs.
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
    let profile = mechanisms::counted(&profile);
    let mut found: Vec<Match> = Vec::new();
    for (subject_index, subject) in subjects.iter().enumerate() {
        let said = [&mechanisms::counted(&subject.text), &profile];
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
                // A short document with a short profile needs several proposals for one product.
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
    // Matches without a sign stay at the end, so that a poor profile still gets five opportunities.
    found.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then((a.subject, a.product).cmp(&(b.subject, b.product)))
    });
    found
}

/// Whether a variant needs a sign in the profile. A variant for any class does not.
fn needs_signs(variant: &Variant) -> bool {
    variant.class != "any"
}

/// How well a product carries a lesson. `plans` holds the stems of the profile's priorities and recent
/// innovations.
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
    // A doubtful kind must not win by other points, so sureness counts squared.
    let factor = if subject.is_of_another_class(carrier.class) { OTHER_CLASS_FACTOR } else { 1.0 };
    factor * sureness * sureness * (0.25 + fit + shared + pull)
}
