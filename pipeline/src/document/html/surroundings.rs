//! The parts of a page around its text: navigation, teasers of other pages, forms, notices.
//!
//! A part goes only if the page keeps most of its sentences without it. So nothing is lost where a page marks its text as
//! an aside, or its only article as a teaser.

use super::element::{heading, is_block};
use super::names::{Naming, heads_site, holds_comments, is_anchor, naming};
use super::page::Page;
use super::phrases::{asks_for_consent, heads_surroundings, is_page_line};
use super::pruning::{NEAR, Pruning};
use super::visible::Sight;
use super::weight::weights;

/// Which nodes do not belong to the text.
pub(super) fn surroundings(page: &Page, sights: &[Sight]) -> Vec<bool> {
    let weights = weights(page, sights);
    let mut pruning = Pruning::new(page, weights);
    pruning.marked();
    pruning.remain();
    pruning.named();
    pruning.headed();
    pruning.linked();
    pruning.remain();
    pruning.repeated();
    pruning.remain();
    pruning.outside_of_main();
    pruning.keep_title();
    pruning.is_out
}

impl Pruning<'_> {
    /// Elements that HTML itself marks as surroundings.
    fn marked(&mut self) {
        self.each(|this, index| {
            let role = this.page.attribute(index, "role").unwrap_or_default();
            let weight = this.weight(index);
            let is_header = || {
                matches!(this.page.name(index), "div" | "section" | "td")
                    && heads_site(&names(this.page, index))
            };
            match this.page.name(index) {
                "nav" | "search" => this.is_small(index, if weight.is_linked() { 90 } else { 50 }),
                "footer" => {
                    let is_note = this.is_in_text(index) && weight.worth > 200 && !weight.is_linked();
                    this.is_small(index, 75) && !is_note
                }
                // A note within an article belongs to it, if it has sentences.
                "aside" if this.is_in_text(index) => {
                    this.is_small(index, 40) && (weight.worth < 80 || weight.is_linked())
                }
                "aside" => {
                    this.is_small(index, 40)
                        || (naming_of(this.page, index) == Naming::Surrounding && this.leaves_article(index))
                }
                // The header of an article holds its title.
                "header" if this.is_in_text(index) => false,
                "header" => this.is_small(index, 75) && (weight.headings == 0 || weight.links > 2),
                _ if is_header() => {
                    !this.is_in_text(index)
                        && this.is_small(index, 35)
                        && (weight.headings == 0 || weight.links > 2)
                }
                "form" => this.is_small(index, 20) && weight.worth < 400,
                _ => {
                    matches!(
                        role,
                        "navigation"
                            | "search"
                            | "menu"
                            | "menubar"
                            | "contentinfo"
                            | "dialog"
                            | "alertdialog"
                            | "banner"
                            | "toolbar"
                    ) && this.is_small(index, 40)
                        && !(role == "banner" && weight.headings > 0 && weight.links <= 2)
                }
            }
        });
    }

    /// Elements whose class or id calls them surroundings.
    fn named(&mut self) {
        self.each(|this, index| {
            let name = this.page.name(index);
            if matches!(name, "html" | "body" | "main" | "h1" | "#page")
                || naming_of(this.page, index) != Naming::Surrounding
                || this.is_in_line(index)
            {
                return false;
            }
            this.is_small(index, 35)
                || (holds_comments(&names(this.page, index)) && this.leaves_article(index))
        });
        let (weak, worth) = self.weak();
        if worth * 10 <= self.total * 3 {
            weak.into_iter().for_each(|index| self.prune(index));
        }
    }

    /// Elements with a name that a text's own parts have too, and their worth.
    fn weak(&self) -> (Vec<usize>, usize) {
        let (mut found, mut worth, mut index) = (Vec::new(), 0, 1);
        while index < self.page.len() {
            let is_out = self.is_out.get(index) == Some(&true);
            let weight = self.weight(index);
            let is_weak = !is_out
                && self.page.text(index).is_none()
                && !matches!(
                    self.page.name(index),
                    "html" | "body" | "main" | "article" | "h1" | "h2" | "h3" | "p" | "table" | "tr" | "td"
                )
                && naming_of(self.page, index) == Naming::Weak
                && (weight.is_linked() || (weight.letters < 200 && weight.headings == 0))
                && self.is_small(index, 10)
                && !self.is_in_line(index);
            if is_weak {
                found.push(index);
                worth += weight.worth;
            }
            index = if is_out || is_weak { self.page.end(index) } else { index + 1 };
        }
        (found, worth)
    }

    /// The text under a heading like "Related" or "Share this", and lines that belong to the page.
    fn headed(&mut self) {
        const LINE_NODES_MAX: usize = 200;
        for index in 1..self.page.len() {
            let name = self.page.name(index);
            // A heading or a line of a page has few parts.
            let is_long = self.page.end(index) - index > LINE_NODES_MAX;
            if self.is_out.get(index) == Some(&true) || is_long || !is_block(name) {
                continue;
            }
            let weight = self.weight(index);
            if heading(name).is_some() {
                if heads_surroundings(&self.page.line(index)) {
                    self.prune_headed(index);
                }
            } else if weight.letters > 0 && weight.letters < 400 && self.is_small(index, 20) {
                let line = self.page.line(index);
                // A cell of a table may say "Share".
                let is_alone =
                    matches!(name, "div" | "p" | "section" | "aside" | "button" | "center" | "ul" | "form");
                let is_page_line = is_alone && weight.letters < 40 && is_page_line(&line);
                let is_notice =
                    line.starts_with(['©', 'ⓒ']) && weight.letters < 200 && !self.is_in_text(index);
                if is_page_line || is_notice || asks_for_consent(&line) {
                    self.prune(index);
                }
            }
        }
    }

    fn prune_headed(&mut self, title: usize) {
        const UP_MAX: usize = 8;
        // The outermost element that begins with the heading and is small.
        let mut part = title;
        for _ in 0..UP_MAX {
            let parent = self.page.parent(part);
            let begins = self.page.children(parent).take(NEAR).find(|child| self.weight(*child).letters > 0)
                == Some(part);
            let is_frame = matches!(self.page.name(parent), "body" | "main" | "html" | "#page");
            if !begins || is_frame || !self.is_small(parent, 35) {
                break;
            }
            part = parent;
        }
        if part == title {
            // The heading and the lists after it lie among the text.
            let end = self.page.end(self.page.parent(title));
            let mut sibling = self.page.end(title);
            while sibling < end {
                let weight = self.weight(sibling);
                if heading(self.page.name(sibling)).is_some() || (weight.letters > 0 && !weight.is_linked()) {
                    break;
                }
                self.prune(sibling);
                sibling = self.page.end(sibling);
            }
        }
        self.prune(part);
    }

    /// Lists of links, on a page that has sentences.
    fn linked(&mut self) {
        const SENTENCES_MIN: usize = 300;
        if self.total < SENTENCES_MIN {
            return;
        }
        self.each(|this, index| {
            let weight = this.weight(index);
            let is_list = matches!(
                this.page.name(index),
                "ul" | "ol" | "div" | "section" | "table" | "p" | "td" | "dl" | "menu"
            );
            if !is_list || weight.links < 3 || !weight.is_linked() || !this.is_small(index, 10) {
                return false;
            }
            if this.is_in_data(index) {
                return false;
            }
            // A list of sources or downloads belongs to the sentences in it and beside it.
            let parent = this.page.parent(index);
            let has_text = || {
                this.page.children(parent).take(NEAR).any(|child| {
                    matches!(this.page.name(child), "p" | "ul" | "ol" | "dl" | "blockquote")
                        && this.weight(child).worth >= 60
                })
            };
            !(this.is_in_text(index) && has_text())
        });
    }

    /// Teasers of other pages: several articles or cards with a link, beside a text that is much longer.
    fn repeated(&mut self) {
        let is_teaser = |this: &Self, index: usize| {
            let weight = this.weight(index);
            let is_short = weight.letters < 120 && weight.worth < 60;
            let holds_articles = || this.page.children(index).any(|child| this.page.name(child) == "article");
            is_short || (weight.links > 0 && weight.letters < 400 && !holds_articles())
        };
        let (mut found, mut worth) = (Vec::new(), 0);
        for index in 1..self.page.len() {
            let is_article = self.is_out.get(index) != Some(&true) && self.page.name(index) == "article";
            if is_article && is_teaser(self, index) {
                found.push(index);
                worth += self.weight(index).worth;
            }
        }
        if found.len() > 1 && worth * 4 <= self.total {
            found.into_iter().for_each(|index| self.prune(index));
        }
    }

    /// Everything outside of the main element, or of the only article, if that holds nearly all sentences.
    fn outside_of_main(&mut self) {
        for (name, percent) in [("main", 70), ("article", 75)] {
            let is_main = |index: &usize| {
                self.is_out.get(*index) == Some(&false)
                    && (self.page.name(*index) == name
                        || (name == "main" && self.page.attribute(*index, "role") == Some("main")))
            };
            let best = (1..self.page.len()).filter(is_main).max_by_key(|index| self.weight(*index).worth);
            let Some(main) = best.filter(|main| self.weight(*main).worth * 100 >= self.total * percent)
            else {
                continue;
            };
            if self.weight(main).worth == 0 {
                continue;
            }
            let end = self.page.end(main);
            for index in (1..main).chain(end..self.page.len()) {
                let holds_main = self.page.end(index) >= end && index < main;
                if !holds_main && let Some(is_out) = self.is_out.get_mut(index) {
                    *is_out = true;
                }
            }
        }
    }

    /// The page's first main heading stays, wherever it stands, if no other one does.
    fn keep_title(&mut self) {
        let titles = || {
            (1..self.page.len())
                .filter(|index| self.page.name(*index) == "h1" && self.weight(*index).letters > 0)
        };
        if titles().any(|index| self.is_out.get(index) == Some(&false)) {
            return;
        }
        let Some(title) =
            titles().find(|index| !self.ancestor(*index, |name| matches!(name, "nav" | "aside" | "footer")))
        else {
            return;
        };
        let mut at = title;
        while at != 0 {
            if let Some(is_out) = self.is_out.get_mut(at) {
                *is_out = false;
            }
            at = self.page.parent(at);
        }
        let end = self.page.end(title);
        if let Some(nodes) = self.is_out.get_mut(title..end) {
            nodes.fill(false);
        }
    }
}

/// Judges an element by its names. An id that repeats the element's heading names no part of the page.
fn naming_of(page: &Page, index: usize) -> Naming {
    let name = |name: &str| page.attribute(index, name).unwrap_or_default();
    let (id, classes) = (name("id"), naming(name("class")));
    let is_heading = || {
        let end = page.end(index).min(index + NEAR);
        let title = (index..end).find(|inner| heading(page.name(*inner)).is_some());
        title.is_some_and(|title| is_anchor(id, page.words(title)))
    };
    let by_id = naming(id);
    if by_id > classes && !is_heading() { by_id } else { classes }
}

/// The id and the classes of an element.
fn names(page: &Page, index: usize) -> String {
    let name = |name: &str| page.attribute(index, name).unwrap_or_default();
    format!("{} {}", name("id"), name("class"))
}

#[cfg(test)]
mod tests;
