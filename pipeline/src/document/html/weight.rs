//! How much text stands where: in sentences, in links, elsewhere.

use super::element::{heading, is_block};
use super::page::Page;
use super::visible::Sight;

/// The text of an element and all that it holds. A Chinese or Japanese character counts as three letters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    pub(super) letters: usize,
    pub(super) in_links: usize,
    /// Letters in sentences, and a third of those of other lines outside of links.
    pub(super) worth: usize,
    pub(super) links: usize,
    pub(super) headings: usize,
}

impl Weight {
    pub(super) fn add(&mut self, other: &Self) {
        self.letters += other.letters;
        self.in_links += other.in_links;
        self.worth += other.worth;
        self.links += other.links;
        self.headings += other.headings;
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        self.letters = self.letters.saturating_sub(other.letters);
        self.in_links = self.in_links.saturating_sub(other.in_links);
        self.worth = self.worth.saturating_sub(other.worth);
        self.links = self.links.saturating_sub(other.links);
        self.headings = self.headings.saturating_sub(other.headings);
    }

    pub(super) fn is_linked(&self) -> bool {
        self.in_links * 10 >= self.letters * 6
    }
}

#[derive(Clone, Copy, Default)]
struct Around {
    block: usize,
    is_link: bool,
}

/// The weight of each node.
pub(super) fn weights(page: &Page, sights: &[Sight]) -> Vec<Weight> {
    let mut own = vec![Weight::default(); page.len()];
    let mut ends_sentence = vec![false; page.len()];
    let mut arounds: Vec<Around> = Vec::with_capacity(page.len());
    for index in 0..page.len() {
        let mut around = arounds.get(page.parent(index)).copied().unwrap_or_default();
        if let Some(text) = page.text(index).filter(|_| sights.get(index) == Some(&Sight::Shown)) {
            let letters = letters(text);
            if let Some(block) = own.get_mut(around.block).filter(|_| letters > 0) {
                block.letters += letters;
                block.in_links += if around.is_link { letters } else { 0 };
                if let Some(ends) = ends_sentence.get_mut(around.block) {
                    *ends = text
                        .trim_end()
                        .ends_with(['.', '!', '?', '…', '”', '。', '！', '？', ':', ';', '؟', '।']);
                }
            }
        } else {
            let name = page.name(index);
            around.is_link = around.is_link || (name == "a" && page.attribute(index, "href").is_some());
            if is_block(name) {
                around.block = index;
            }
            if let Some(own) = own.get_mut(index) {
                let is_shown = sights.get(index) == Some(&Sight::Shown);
                own.links = usize::from(is_shown && name == "a");
                own.headings = usize::from(is_shown && heading(name).is_some());
            }
        }
        arounds.push(around);
    }
    for (index, (own, ends)) in own.iter_mut().zip(ends_sentence).enumerate() {
        own.worth = worth(page.name(index), own, ends);
    }
    for index in (1..page.len()).rev() {
        let inner = own.get(index).copied().unwrap_or_default();
        if let Some(parent) = own.get_mut(page.parent(index)) {
            parent.add(&inner);
        }
    }
    own
}

fn worth(name: &str, own: &Weight, ends_sentence: bool) -> usize {
    const LONG: usize = 60;
    const SENTENCE: usize = 20;
    let outside = own.letters - own.in_links;
    if heading(name).is_some() {
        outside / 3
    } else if outside >= LONG || (ends_sentence && outside >= SENTENCE) {
        // A link within a sentence is part of it.
        if own.is_linked() { outside } else { own.letters }
    } else {
        outside / 3
    }
}

fn letters(text: &str) -> usize {
    text.chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| {
            if matches!(c, '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}') {
                3
            } else {
                1
            }
        })
        .sum()
}
