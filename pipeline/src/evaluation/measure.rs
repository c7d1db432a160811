//! Computes the measures from finished runs.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    figures::{CaseFigures, Evaluation, Figures, rounded, share},
    plants::{Plants, check_plants},
    texts::{action, likeness, specific, whole},
};
use crate::{
    brand::BrandProfile,
    document::Document,
    grounding::{StageGrounding, Support},
    record::{RecordError, StageRecord},
    stages::Outputs,
};

/// A page with fewer words says too little to be cited: a cover, a divider, a page of figures.
const PAGE_WORDS_MIN: usize = 50;
/// From this likeness on, two opportunities of one report are nearly equal.
const NEARLY_EQUAL: f64 = 0.5;
/// So many words of its own profile bind an opportunity to a brand. One may be chance.
const BINDING_WORDS: usize = 2;

/// A finished run of the set.
#[derive(Debug)]
pub struct EvaluatedRun<'a> {
    /// The document's name in the set.
    pub document_name: &'a str,
    pub document: &'a Document,
    pub brand: &'a BrandProfile,
    pub records: Vec<StageRecord>,
}

/// One run, read.
struct Case<'a> {
    run: &'a EvaluatedRun<'a>,
    outputs: Outputs,
    grounding: Vec<&'a StageGrounding>,
    /// The action of each opportunity.
    actions: Vec<BTreeSet<String>>,
}

/// Computes all figures. `plants` holds the planted quotes of each document.
///
/// # Errors
///
/// A record cannot be read.
pub fn evaluate(
    analyst: &str,
    runs: &[EvaluatedRun<'_>],
    plants: &[(&Document, &Plants)],
) -> Result<Evaluation, RecordError> {
    let mut cases = Vec::new();
    for run in runs {
        let mut outputs = Outputs::default();
        for record in &run.records {
            outputs.insert(record.output()?);
        }
        let grounding = run.records.iter().map(|record| &record.meta.grounding).collect();
        let actions = outputs.opportunities().iter().map(|it| action(it, run.brand)).collect();
        cases.push(Case { run, outputs, grounding, actions });
    }
    let mut brands: BTreeMap<&str, &BrandProfile> = BTreeMap::new();
    brands.extend(runs.iter().map(|run| (run.brand.id.as_str(), run.brand)));
    let brands: Vec<&BrandProfile> = brands.into_values().collect();
    let words = specific(&brands);
    let figures: Vec<CaseFigures> = cases
        .iter()
        .map(|case| CaseFigures {
            document: case.run.document_name.to_owned(),
            brand: case.run.brand.id.as_str().to_owned(),
            figures: figures(case, &cases, &words),
        })
        .collect();
    Ok(Evaluation {
        analyst: analyst.to_owned(),
        means: Figures::mean(&figures),
        cases: figures,
        plants: plants.iter().map(|(document, plants)| check_plants(document, plants)).collect(),
    })
}

fn figures(case: &Case<'_>, all: &[Case<'_>], words: &BTreeMap<&str, BTreeSet<String>>) -> Figures {
    let sum =
        |count: fn(&StageGrounding) -> u32| f64::from(case.grounding.iter().map(|it| count(it)).sum::<u32>());
    let claims = |support| case.grounding.iter().map(|it| it.claims_with(support)).sum::<usize>() as f64;
    let (supported, partly) = (claims(Support::Supported), claims(Support::Partly));
    let judged = supported + partly + claims(Support::Unsupported);
    Figures {
        quotes_verified: share(sum(StageGrounding::verified), sum(|it| it.quotes), 0.0),
        claims_supported: share(supported + partly / 2.0, judged, 0.0),
        // Each claim counts once, however many numbers it holds.
        numbers_unsupported: share(sum(|it| it.unsupported_numbers).min(judged), judged, 0.0),
        own_words: own_words(case, words),
        brand_bound: brand_bound(case, words),
        differentiation: differentiation(case, all),
        page_coverage: page_coverage(case),
        redundancy: redundancy(case),
    }
}

/// The mean over the opportunities of own words ÷ (own words + words of the other brand that fits best).
fn own_words(case: &Case<'_>, words: &BTreeMap<&str, BTreeSet<String>>) -> f64 {
    let brand = case.run.brand;
    let shares = case.outputs.opportunities().iter().map(|opportunity| {
        let said = whole(opportunity, brand);
        let held = |of: &BTreeSet<String>| of.intersection(&said).count() as f64;
        let own = words.get(brand.id.as_str()).map_or(0.0, held);
        let others = words.iter().filter(|(id, _)| **id != brand.id.as_str());
        let other = others.map(|(_, words)| held(words)).fold(0.0, f64::max);
        share(own, own + other, 0.0)
    });
    mean(shares)
}

/// The share of opportunities whose action holds words that only this brand's profile holds.
fn brand_bound(case: &Case<'_>, words: &BTreeMap<&str, BTreeSet<String>>) -> f64 {
    let Some(own) = words.get(case.run.brand.id.as_str()) else { return 0.0 };
    let bound = |action: &&BTreeSet<String>| own.intersection(action).count() >= BINDING_WORDS;
    share(case.actions.iter().filter(bound).count() as f64, case.actions.len() as f64, 0.0)
}

/// 1 − the mean likeness of an opportunity to the most similar one of each other brand, for the same document.
fn differentiation(case: &Case<'_>, all: &[Case<'_>]) -> f64 {
    let others = all.iter().filter(|other| {
        other.run.document_name == case.run.document_name && other.run.brand.id != case.run.brand.id
    });
    let nearest = others.flat_map(|other| {
        case.actions.iter().map(|own| other.actions.iter().map(|it| likeness(own, it)).fold(0.0, f64::max))
    });
    let nearest: Vec<f64> = nearest.collect();
    // One brand alone differs from nobody.
    if nearest.is_empty() { 1.0 } else { rounded(1.0 - mean(nearest.into_iter())) }
}

/// The share of pages with text that the evidence cites.
fn page_coverage(case: &Case<'_>) -> f64 {
    let pages: BTreeSet<u32> = case
        .run
        .document
        .pages
        .iter()
        .filter(|page| page.body_lines().flat_map(str::split_whitespace).count() >= PAGE_WORDS_MIN)
        .map(|page| page.number)
        .collect();
    let of_inspirations = case.outputs.inspirations().iter().flat_map(|it| &it.evidence);
    let of_trends = case.outputs.trends().iter().flat_map(|it| &it.evidence);
    let cited: BTreeSet<u32> = of_inspirations
        .chain(of_trends)
        .filter(|evidence| evidence.start.is_some())
        .map(|evidence| evidence.page)
        .collect();
    share(cited.intersection(&pages).count() as f64, pages.len() as f64, 0.0)
}

/// The share of pairs of opportunities that are nearly equal.
fn redundancy(case: &Case<'_>) -> f64 {
    let pairs = case
        .actions
        .iter()
        .enumerate()
        .flat_map(|(at, a)| case.actions.iter().skip(at + 1).map(move |b| (a, b)));
    let pairs: Vec<f64> = pairs.map(|(a, b)| likeness(a, b)).collect();
    share(pairs.iter().filter(|likeness| **likeness >= NEARLY_EQUAL).count() as f64, pairs.len() as f64, 0.0)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    share(values.iter().sum(), values.len() as f64, 0.0)
}
