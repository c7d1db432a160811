//! Taking parts out of a page, and the weight of what is left.

use super::element::is_block;
use super::page::Page;
use super::weight::Weight;

/// So many of the parts of an element are looked at to know what it is. A line has fewer.
pub(super) const NEAR: usize = 100;

/// A part that is longer than the text goes only if the rest is as long as a short article, in letters.
const ARTICLE_MIN: usize = 600;

/// A page of which parts are taken out.
pub(super) struct Pruning<'p> {
    pub(super) page: &'p Page,
    pub(super) weights: Vec<Weight>,
    pub(super) is_out: Vec<bool>,
    /// The worth of what was left when it was weighed last.
    pub(super) total: usize,
    /// The worth of what is left now. A part within another one may be subtracted twice.
    left: usize,
    /// The first and the last main heading.
    titles: Option<(usize, usize)>,
}

impl<'p> Pruning<'p> {
    pub(super) fn new(page: &'p Page, weights: Vec<Weight>) -> Self {
        let mut titles = (1..page.len()).filter(|index| page.name(*index) == "h1");
        let first = titles.next();
        let titles = first.map(|first| (first, titles.next_back().unwrap_or(first)));
        let total = weights.first().map_or(0, |weight| weight.worth);
        Self { page, weights, is_out: vec![false; page.len()], total, left: total, titles }
    }
}

impl Pruning<'_> {
    pub(super) fn weight(&self, index: usize) -> Weight {
        self.weights.get(index).copied().unwrap_or_default()
    }

    /// Takes a node and all that it holds out of the text.
    pub(super) fn prune(&mut self, index: usize) {
        // Where a node is out, all that it holds is. Elements in each other are then filled once.
        if self.is_out.get(index) == Some(&true) {
            return;
        }
        self.left = self.left.saturating_sub(self.weight(index).worth);
        let end = self.page.end(index);
        if let Some(nodes) = self.is_out.get_mut(index..end) {
            nodes.fill(true);
        }
    }

    /// Calls `decide` with each element that is left, and takes out those for which it is true.
    pub(super) fn each(&mut self, decide: impl Fn(&Self, usize) -> bool) {
        let mut index = 1;
        while index < self.page.len() {
            if self.is_out.get(index) == Some(&true) {
                index = self.page.end(index);
            } else if self.page.text(index).is_none() && decide(self, index) {
                self.prune(index);
                index = self.page.end(index);
            } else {
                index += 1;
            }
        }
    }

    /// Weighs again what is left.
    pub(super) fn remain(&mut self) {
        let mut gone = vec![Weight::default(); self.page.len()];
        let mut index = 1;
        while index < self.page.len() {
            if self.is_out.get(index) != Some(&true) {
                index += 1;
                continue;
            }
            if let Some(gone) = gone.get_mut(index) {
                *gone = self.weight(index);
            }
            index = self.page.end(index);
        }
        for index in (0..self.page.len()).rev() {
            let lost = gone.get(index).copied().unwrap_or_default();
            if let Some(weight) = self.weights.get_mut(index) {
                weight.subtract(&lost);
            }
            if index > 0
                && let Some(around) = gone.get_mut(self.page.parent(index))
            {
                around.add(&lost);
            }
        }
        self.total = self.weight(0).worth;
        self.left = self.total;
    }

    pub(super) fn is_small(&self, index: usize, percent: usize) -> bool {
        self.weight(index).worth * 100 <= self.total * percent
    }

    /// Whether the page without a node still has a title and a text as long as a short article.
    pub(super) fn leaves_article(&self, index: usize) -> bool {
        let has_title =
            self.titles.is_some_and(|(first, last)| first < index || last >= self.page.end(index));
        has_title && self.left.saturating_sub(self.weight(index).worth) >= ARTICLE_MIN
    }

    /// Whether the node is a part of a line that says more: a link in a sentence, whatever its class says.
    pub(super) fn is_in_line(&self, index: usize) -> bool {
        const UP_MAX: usize = 8;
        const LINE: usize = 40;
        let mut block = index;
        for _ in 0..UP_MAX {
            if block == 0 || is_block(self.page.name(block)) {
                break;
            }
            block = self.page.parent(block);
        }
        let around = self.weight(block);
        let holds_blocks = || {
            let inner = block + 1..self.page.end(block);
            inner.len() > NEAR || inner.into_iter().any(|inner| is_block(self.page.name(inner)))
        };
        block != index && around.letters.saturating_sub(self.weight(index).letters) >= LINE && !holds_blocks()
    }

    /// Whether the node stands in a part of the page that holds the text by its meaning.
    pub(super) fn is_in_text(&self, index: usize) -> bool {
        self.ancestor(index, |name| matches!(name, "article" | "main"))
    }

    pub(super) fn ancestor(&self, index: usize, is: impl Fn(&str) -> bool) -> bool {
        const ANCESTORS_MAX: usize = 64;
        let mut at = index;
        for _ in 0..ANCESTORS_MAX {
            if at == 0 {
                return false;
            }
            at = self.page.parent(at);
            if is(self.page.name(at)) {
                return true;
            }
        }
        false
    }

    /// Whether a node is a table with headings over its columns, or stands in one.
    pub(super) fn is_in_data(&self, index: usize) -> bool {
        const UP_MAX: usize = 8;
        let mut at = index;
        for _ in 0..UP_MAX {
            if self.page.name(at) == "table" {
                let start = at..self.page.end(at).min(at + NEAR);
                return start.into_iter().any(|inner| self.page.name(inner) == "th");
            }
            at = self.page.parent(at);
        }
        false
    }
}
