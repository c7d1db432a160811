//! The texts in which references are looked up: the document, the brand's profile, and earlier answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::fields::each_text;
use crate::{
    brand::BrandProfile,
    grounding::{claims, needle::Needle, normalise::Skeleton, page_index::PageIndex, search},
    stages::{Outputs, StageOutput},
};

/// The most look-ups for one answer. Each reads the whole document. Passages beyond it are struck without one.
const LOOKUPS_MAX: usize = 200;

/// The bytes of a page that are read for the words of a sentence. It is a hundred printed pages.
const PAGE_BYTES_READ: usize = 256 * 1024;

pub(super) struct Sources<'a> {
    index: &'a PageIndex,
    /// The brand's profile, and what analysts have written.
    written: Skeleton,
    written_text: String,
    /// The pages that each item cites.
    pages: BTreeMap<String, BTreeSet<u32>>,
    /// Ids of items that exist.
    ids: BTreeSet<String>,
    known: HashMap<String, Option<u32>>,
    lookups_left: usize,
}

impl<'a> Sources<'a> {
    pub(super) fn new(
        index: &'a PageIndex,
        brand: &BrandProfile,
        earlier: &Outputs,
        output: &StageOutput,
        pages: BTreeMap<String, BTreeSet<u32>>,
    ) -> Self {
        let mut texts = claims::profile_texts(brand);
        let mut ids = BTreeSet::new();
        for output in [
            earlier.inspirations.clone().map(StageOutput::InputProcessing),
            earlier.trends.clone().map(StageOutput::SignalAmplification),
            earlier.lessons.clone().map(StageOutput::GeneralTranslation),
        ] {
            let Some(mut output) = output else { continue };
            each_text(&mut output, &mut |id, _, text| {
                ids.insert(id.to_owned());
                texts.push(text.clone());
            });
        }
        // An answer may name its own items.
        each_text(&mut output.clone(), &mut |id, field, text| {
            ids.insert(id.to_owned());
            if matches!(field, "title" | "name") && !text.contains(['“', '"', '„', '«']) {
                texts.push(text.clone());
            }
        });
        let written_text = texts.join("\n\n");
        let written = Skeleton::new(&written_text);
        Self { index, written, written_text, pages, ids, known: HashMap::new(), lookups_left: LOOKUPS_MAX }
    }

    /// Whether the words stand in the document, in the brand's profile, or in what analysts wrote before.
    pub(super) fn hold(&mut self, words: &str, item: &str) -> bool {
        if let Some(known) = self.known.get(words) {
            return known.is_some();
        }
        let Some(left) = self.lookups_left.checked_sub(1) else { return false };
        self.lookups_left = left;
        let needle = Needle::new(words, 0);
        let is_written = search::stands_in(&self.written, &self.written_text, &needle);
        let at_border = || {
            let pages = self.pages.get(item).into_iter().flatten();
            pages.flat_map(|page| self.index.joints(*page)).any(|text| search::holds(&text, &needle))
        };
        let page = self.index.pages.iter().find(|page| search::holds(&page.searched, &needle));
        let found = page.map(|page| page.number()).or_else(|| (is_written || at_border()).then_some(0));
        self.known.insert(words.to_owned(), found);
        found.is_some()
    }

    /// Whether an item may refer to this page: it cites it, or the page tells of what the sentence says.
    pub(super) fn confirms(&mut self, page: u32, item: &str, sentence: &str) -> bool {
        let Some(text) = self.index.page(page).map(|page| page.text()) else { return false };
        if self.pages.get(item).is_some_and(|pages| pages.contains(&page)) {
            return true;
        }
        let Some(left) = self.lookups_left.checked_sub(1) else { return false };
        self.lookups_left = left;
        let text = text.get(..text.floor_char_boundary(PAGE_BYTES_READ)).unwrap_or_default().to_lowercase();
        let beginnings: Vec<String> = content_words(sentence).collect();
        let found = beginnings.iter().filter(|beginning| text.contains(beginning.as_str())).count();
        found >= 2 && found * 2 >= beginnings.len()
    }

    pub(super) fn has_id(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

/// The beginnings of a sentence's longer words, which inflected forms share.
fn content_words(sentence: &str) -> impl Iterator<Item = String> {
    const LETTERS_MIN: usize = 4;
    let words = sentence.split(|c: char| !c.is_alphanumeric());
    words.map(str::to_lowercase).filter_map(|word| {
        let letters = word.chars().count();
        (letters >= LETTERS_MIN)
            .then(|| word.chars().take((letters - letters / 4).max(LETTERS_MIN)).collect())
    })
}
