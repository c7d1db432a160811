//! The pieces from which all sections of the page are made.

use std::borrow::Cow;

use maud::{Markup, html};

use super::{
    anchors::{Anchors, Piece},
    sources::SourceLinks,
};
use crate::{
    grounding::Support,
    report::{escape::plain, input::ReportInput, quote_list::Quotes},
    stages::Outputs,
};

/// The material of the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) input: &'a ReportInput<'a>,
    pub(super) outputs: &'a Outputs,
    pub(super) quotes: &'a Quotes<'a>,
    pub(super) anchors: &'a Anchors<'a>,
    pub(super) links: SourceLinks<'a>,
}

impl Parts<'_> {
    /// Prose of an analyst. Its references to items are links.
    pub(super) fn prose(&self, text: &str) -> Markup {
        let text = plain(text);
        html! {
            @for piece in self.anchors.pieces(&text) {
                @match piece {
                    Piece::Text(text) => { (text) }
                    Piece::Item(id) => { a.ref href=(format!("#{id}")) { (id) } }
                }
            }
        }
    }

    /// A claim of an analyst, with the note on its support.
    pub(super) fn claim(&self, item: &str, field: &str, text: &str) -> Markup {
        html! {
            bdi { (self.prose(text)) }
            (self.support(item, field))
        }
    }

    /// The note on a claim's support. Records of earlier releases have none.
    pub(super) fn support(&self, item: &str, field: &str) -> Markup {
        html! {
            @if let Some(support) = self.quotes.support(item, field) {
                " " span class=(format!("support {}", support_class(support))) { (support.word()) }
            }
        }
    }

    /// A link to an item's card, or its id where it has none.
    pub(super) fn item(&self, id: &str) -> Markup {
        html! {
            @if self.anchors.has_item(id) { a.ref href=(format!("#{id}")) { (id) } }
            @else { (shown_inline(id)) }
        }
    }

    /// Links to items, separated by commas.
    pub(super) fn items<'i>(&self, ids: impl IntoIterator<Item = &'i str>) -> Markup {
        html! {
            @for (at, id) in ids.into_iter().enumerate() {
                @if at > 0 { ", " }
                (self.item(id))
            }
        }
    }

    /// Links to quotes, with the pages on which they stand, or a sentence without any.
    pub(super) fn evidence(&self, places: &[usize]) -> Markup {
        html! {
            @if places.is_empty() { span.none { "none" } }
            @else {
                ul.cites {
                    @for place in places {
                        @if let Some(quote) = self.quotes.list().get(*place) {
                            li {
                                (self.quote_link(*place)) " "
                                span.place { bdi { (plain(&self.quotes.short_place(quote.evidence))) } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// A link to a quote.
    pub(super) fn quote_link(&self, place: usize) -> Markup {
        html! {
            @if let Some(anchor) = self.anchors.quote(place) {
                a.cite href=(format!("#{anchor}")) { (anchor) }
            }
        }
    }

    /// The attribute `id` of an item's card. Only the first card with an id gets it.
    pub(super) fn anchor<'i>(&self, at: usize, id: &'i str, all: &[impl AsRef<str>]) -> Option<&'i str> {
        let is_first = all.iter().position(|other| other.as_ref() == id) == Some(at);
        (is_first && self.anchors.has_item(id)).then_some(id)
    }
}

/// A text within a line of ours. Its direction does not change that line's.
#[must_use]
pub fn shown_inline(text: &str) -> Markup {
    html! { bdi { (plain(text)) } }
}

/// A titled list of texts. Nothing where it is empty.
pub(super) fn listed(title: &str, texts: &[String], is_ordered: bool) -> Markup {
    html! {
        @if !texts.is_empty() {
            div.block {
                h4 { (title) }
                @if is_ordered { ol { @for text in texts { li dir="auto" { (plain(text)) } } } }
                @else { ul { @for text in texts { li dir="auto" { (plain(text)) } } } }
            }
        }
    }
}

/// A titled list of short texts, in one paragraph. Nothing where it is empty.
pub(super) fn in_line(title: &str, texts: &[String]) -> Markup {
    html! {
        @if !texts.is_empty() {
            div.block {
                h4 { (title) }
                p {
                    @for (at, text) in texts.iter().enumerate() {
                        @if at > 0 { "; " }
                        (shown_inline(text))
                    }
                }
            }
        }
    }
}

/// A titled block.
pub(super) fn block(title: impl Into<Cow<'static, str>>, content: &Markup) -> Markup {
    let title = title.into();
    html! { div.block { h4 { bdi { (title) } } p dir="auto" { (content) } } }
}

pub(super) const fn support_class(support: Support) -> &'static str {
    match support {
        Support::Supported => "whole",
        Support::Partly => "partly",
        Support::Unsupported => "not",
    }
}
