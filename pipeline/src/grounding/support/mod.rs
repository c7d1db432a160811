//! Support of claims: whether the quotes that a claim cites say what it says.
//!
//! Each sentence of a claim is compared with its quotes by content words (stemmed), names, numbers, negation and
//! direction. This measures words, not meaning: a free paraphrase is `partly` supported at best.

mod language;
mod verdict;
mod words;

use std::collections::BTreeMap;

use self::verdict::Material;
use super::{
    claim_support::{ClaimSupport, Support},
    claims,
    page_index::PageIndex,
    prose,
    stage_grounding::StageGrounding,
};
use crate::{
    brand::BrandProfile,
    stages::{Outputs, StageOutput},
};

/// The texts of each item that its evidence has to carry.
const JUDGED: [&str; 8] = [
    "summary",
    "mechanism",
    "strength_rationale",
    "principle",
    "why_it_works",
    "pitch",
    "why_this_brand",
    "text",
];

/// Judges every claim of an answer whose quotes were looked up.
pub(super) fn check(
    output: &StageOutput,
    earlier: &Outputs,
    index: &PageIndex,
    brand: &BrandProfile,
    grounding: &mut StageGrounding,
) {
    let profile = claims::profile_texts(brand);
    for item in claims::of(output, earlier) {
        // The quotations in its prose were looked up, so they are evidence, too.
        let spans = item.texts.iter().flat_map(|(_, text)| prose::quoted_spans(text));
        let quotes: Vec<String> = item.verified_quotes().chain(spans).map(super::shown::collapsed).collect();
        let other: &[String] = if item.from_profile { &profile } else { &[] };
        let pages: Vec<u32> = item.pages().into_iter().collect();
        let material = Material::new(&quotes, other, index.numbers_of(&pages).collect());
        // A field of several texts is as well supported as its weakest text.
        let mut fields: BTreeMap<&str, Support> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        for (field, text) in item.texts.iter().filter(|(field, _)| JUDGED.contains(field)) {
            let support = material.judge(text);
            if !fields.contains_key(field) {
                order.push(field);
            }
            fields.entry(field).and_modify(|weakest| *weakest = support.min(*weakest)).or_insert(support);
        }
        for field in order {
            let Some(support) = fields.get(field).copied() else { continue };
            grounding.claims.push(ClaimSupport {
                item: item.id.to_owned(),
                field: field.to_owned(),
                support,
            });
        }
    }
}

#[cfg(test)]
mod tests;
