//! Support of claims: whether the quotes that a claim cites say what it says.
//!
//! Each sentence of a claim is compared with its quotes by content words (stemmed), names, numbers, negation and
//! direction. This measures words, not meaning: a free paraphrase is `partly` supported at best.

mod language;
mod prepared;
mod sentences;
mod stems;
mod verdict;
mod words;

use std::{cell::LazyCell, collections::BTreeMap};

use self::{prepared::Library, sentences::sentences, verdict::Material};
use super::{
    claim_support::{ClaimSupport, Support},
    claims::{self, ItemClaims},
    finding::Slice,
    page_index::PageIndex,
    prose, search,
    shown::collapsed,
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

/// The most sentences of one answer's claims that are looked up in the document. Each look-up reads the whole document.
const LOOKUPS_MAX: usize = 200;
/// Shorter sentences may stand anywhere by chance.
const WORDS_MIN: usize = 4;

/// Judges every claim of an answer whose quotes were looked up.
pub(super) fn check(
    output: &StageOutput,
    earlier: &Outputs,
    index: &PageIndex,
    brand: &BrandProfile,
    grounding: &mut StageGrounding,
) {
    let profile = LazyCell::new(|| claims::profile_texts(brand));
    let mut library = Library::default();
    let mut lookups_left = LOOKUPS_MAX;
    for item in claims::of(output, earlier) {
        // The quotations in its prose were looked up, so they are evidence, too.
        let spans = item.texts.iter().flat_map(|(_, text)| prose::quoted_spans(text));
        let mut quotes: Vec<String> = item.verified_quotes().chain(spans).map(collapsed).collect();
        quotes.extend(own_sentences(&item, index, &mut lookups_left));
        let other: &[String] = if item.from_profile { &profile } else { &[] };
        let pages: Vec<u32> = item.pages().into_iter().collect();
        let material = Material::new(&quotes, other, index.numbers_of(&pages).collect(), &mut library);
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

/// The whole sentences of the document that an item's claims repeat word for word. They are evidence of their own, though
/// no quote of the item names them.
fn own_sentences(item: &ItemClaims<'_>, index: &PageIndex, lookups_left: &mut usize) -> Vec<String> {
    let Some(page) = item.pages().first().copied() else { return Vec::new() };
    let judged = item.texts.iter().filter(|(field, _)| JUDGED.contains(field));
    let all = judged.flat_map(|(_, text)| sentences(text));
    let mut found = Vec::new();
    for sentence in all.filter(|sentence| sentence.split_whitespace().count() >= WORDS_MIN) {
        let Some(left) = lookups_left.checked_sub(1) else { break };
        *lookups_left = left;
        let slice = search::exactly(index, sentence.trim(), page).and_then(|finding| finding.slice);
        // A part of a sentence may leave out the word that turns it around, so the whole sentence is the evidence.
        found.extend(
            slice.filter(|Slice { is_fragment, .. }| !is_fragment).map(|slice| collapsed(&slice.text)),
        );
    }
    found
}

#[cfg(test)]
mod tests;
