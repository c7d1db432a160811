//! Which element holds which: end tags that are missing, doubled or crossed.
//!
//! The standard's own algorithm takes quadratic time for deep nesting. These rules cover what pages get wrong, and look at
//! the innermost open elements only.

use super::css::{StyleSheet, tested_names};
use super::element::{ends_paragraph, heading, is_block, is_void};
use super::page::Page;
use super::token::{Tag, Token, Tokens};

/// A page of 15 MiB that is no attack has about a million.
const NODES_MAX: usize = 1_500_000;
/// So many open elements are searched for the one that an end tag closes. Real pages nest about 40 deep.
const SEARCHED_MAX: usize = 512;
/// Pages in pages: `<iframe srcdoc>`.
const FRAMES_MAX: usize = 3;

/// Reads a page. `None` if it has more elements than any real page.
pub(super) fn page(source: &str, is_xml: bool, sheets: &[StyleSheet]) -> Option<Page> {
    let tested = tested_names(source, sheets);
    let mut builder = Builder { page: Page::new(), open: vec![0], base: 1, frames: 0, tested: &tested };
    builder.read(source, is_xml)?;
    let mut page = builder.page;
    page.finish();
    Some(page)
}

struct Builder<'a> {
    page: Page,
    open: Vec<usize>,
    /// So many of the open elements belong to the page around this frame.
    base: usize,
    frames: usize,
    /// The attributes that the page's own style sheets test.
    tested: &'a [String],
}

impl Builder<'_> {
    fn read(&mut self, source: &str, is_xml: bool) -> Option<()> {
        for token in Tokens::new(source, is_xml, self.tested) {
            if self.page.len() > NODES_MAX {
                return None;
            }
            match token {
                Token::Text(text) => self.text(&text),
                Token::Tag(tag) if tag.is_end => self.end(&tag.name),
                Token::Tag(tag) => self.start(tag, is_xml)?,
            }
        }
        Some(())
    }

    fn top(&self) -> usize {
        self.open.last().copied().unwrap_or(0)
    }

    fn text(&mut self, text: &str) {
        if self.page.name(self.top()) == "head" && !text.trim().is_empty() {
            self.open.pop();
        }
        // Blanks between rows and items are the layout of the source.
        let is_between = matches!(
            self.page.name(self.top()),
            "#page"
                | "html"
                | "table"
                | "thead"
                | "tbody"
                | "tfoot"
                | "tr"
                | "ul"
                | "ol"
                | "dl"
                | "select"
                | "colgroup"
        ) && text.trim().is_empty();
        if !text.is_empty() && !is_between && self.page.name(self.top()) != "iframe" {
            self.page.add_text(self.top(), text);
        }
    }

    fn start(&mut self, tag: Tag, is_xml: bool) -> Option<()> {
        let name = tag.name.clone();
        let name: &str = &name;
        if matches!(name, "html" | "head" | "body") && self.find(name, |_| false).is_some() {
            return Some(());
        }
        self.end_implied(name);
        let parent = self.top();
        let foreign =
            self.open.iter().rev().take(8).any(|open| matches!(self.page.name(*open), "svg" | "math"));
        let is_whole = is_void(name) || (tag.is_closed && (is_xml || foreign));
        let frame =
            tag.attributes.iter().find(|(known, _)| known == "srcdoc").map(|(_, value)| value.clone());
        let element = self.page.add_element(parent, tag.name, tag.attributes);
        if is_whole {
            return Some(());
        }
        self.open.push(element);
        if let Some(source) = frame.filter(|_| name == "iframe" && self.frames < FRAMES_MAX) {
            self.frame(&source)?;
        }
        Some(())
    }

    fn frame(&mut self, source: &str) -> Option<()> {
        // A body of its own takes the texts: an iframe's own are never shown.
        let body = self.page.add_element(self.top(), "div".into(), Vec::new());
        self.open.push(body);
        let (depth, base) = (self.open.len(), self.base);
        self.base = depth;
        self.frames += 1;
        self.read(source, false)?;
        self.frames -= 1;
        self.open.truncate(depth - 1);
        self.base = base;
        Some(())
    }

    /// Closes the elements that the start of another one ends.
    fn end_implied(&mut self, name: &str) {
        const HEAD: [&str; 10] = [
            "title", "meta", "link", "script", "style", "base", "noscript", "template", "object", "basefont",
        ];
        if self.page.name(self.top()) == "head" && !HEAD.contains(&name) {
            self.open.pop();
        }
        if ends_paragraph(name) {
            self.close("p", is_block);
        }
        match name {
            "li" => self.close("li", |open| matches!(open, "ul" | "ol" | "menu") || is_cell_or_table(open)),
            "dt" | "dd" => {
                let stops = |open: &str| open == "dl" || is_cell_or_table(open);
                self.close("dt", |open| open == "dd" || stops(open));
                self.close("dd", |open| open == "dt" || stops(open));
            }
            "option" | "optgroup" => self.close("option", |open| open == "select"),
            "rt" | "rp" => {
                self.close("rt", |open| open == "ruby");
                self.close("rp", |open| open == "ruby");
            }
            "td" | "th" => {
                self.close("td", |open| matches!(open, "tr" | "table"));
                self.close("th", |open| matches!(open, "tr" | "table"));
            }
            "tr" => self.close("tr", |open| open == "table"),
            "tbody" | "thead" | "tfoot" => {
                for part in ["caption", "tbody", "thead", "tfoot"] {
                    self.close(part, |open| open == "table");
                }
            }
            name if heading(name).is_some() && heading(self.page.name(self.top())).is_some() => {
                self.open.pop();
            }
            _ => {}
        }
    }

    /// Closes the innermost open element of a name, unless another one stands in between.
    fn close(&mut self, name: &str, stops: impl Fn(&str) -> bool) {
        if let Some(at) = self.find(name, |open| open != name && stops(open)) {
            self.open.truncate(at);
        }
    }

    fn find(&self, name: &str, stops: impl Fn(&str) -> bool) -> Option<usize> {
        let inner = self.open.iter().enumerate().skip(self.base).rev().take(SEARCHED_MAX);
        for (at, open) in inner {
            let open = self.page.name(*open);
            if open == name {
                return Some(at);
            }
            if stops(open) {
                return None;
            }
        }
        None
    }

    fn end(&mut self, name: &str) {
        match name {
            // Content after the body belongs to it all the same.
            "body" | "html" => {}
            "br" => {
                self.page.add_element(self.top(), "br".into(), Vec::new());
            }
            "table" => self.close(name, |_| false),
            "tr" | "td" | "th" | "tbody" | "thead" | "tfoot" | "caption" => {
                self.close(name, |open| open == "table")
            }
            _ if is_block(name) => self.close(name, is_cell_or_table),
            _ => self.close(name, is_block),
        }
    }
}

fn is_cell_or_table(name: &str) -> bool {
    matches!(name, "td" | "th" | "caption" | "table" | "template")
}
