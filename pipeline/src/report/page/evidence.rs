//! The list of all quotes, each with its page, its status, and the items that rest on it.

use std::collections::HashMap;

use maud::{Markup, html};

use super::parts::Parts;
use crate::{
    document::Format,
    report::{
        escape::plain,
        quote_list::{Quote, unquoted},
        wording::{left_out, status_note},
    },
    stages::QuoteStatus,
};

pub(super) fn render(parts: &Parts<'_>) -> Markup {
    let quotes = parts.quotes;
    let rests = resting(parts);
    html! {
        section #evidence aria-labelledby="evidence-title" {
            h2 #evidence-title { "Evidence" }
            p {
                "Every quote was looked up in the text of the document; only those that stand there are listed."
                @for sentence in left_out(quotes.absent, quotes.hidden) { " " (sentence) }
                @if let Some(note) = quotes.recognition_note() { " " (note) }
            }
            @if quotes.list().is_empty() { p { "There is no usable quote." } }
            @else {
                ol.quotes {
                    @for (at, quote) in quotes.list().iter().enumerate() {
                        (entry(parts, at, quote, rests.get(&at).map_or(&[][..], Vec::as_slice)))
                    }
                }
            }
        }
    }
}

/// The lessons and opportunities that rest on each quote.
fn resting<'a>(parts: &Parts<'a>) -> HashMap<usize, Vec<&'a str>> {
    let mut rests: HashMap<usize, Vec<&str>> = HashMap::new();
    for item in parts.outputs.lessons() {
        for place in parts.quotes.of_lesson(item) {
            rests.entry(place).or_default().push(&item.id);
        }
    }
    for item in parts.outputs.opportunities() {
        for place in parts.quotes.of_opportunity(item) {
            rests.entry(place).or_default().push(&item.id);
        }
    }
    rests
}

fn entry(parts: &Parts<'_>, at: usize, quote: &Quote<'_>, rests: &[&str]) -> Markup {
    let note = status_note(quote.status, parts.quotes.format());
    html! {
        li id=[parts.anchors.quote(at)] {
            span.id { "E" (at + 1) }
            blockquote dir="auto" { p { "“" (unquoted(&quote.text)) "”" } }
            p.source {
                (place(parts, at, quote))
                " " span.status { (status_word(quote.status)) }
                @if quote.evidence.fragment { " " span.status { "part of a sentence" } }
                @if quote.evidence.recognised { " " span.status { "read by OCR" } }
                @if let Some(note) = note { " " span.why { (note) } }
            }
            p.back {
                span.key { "Cited by" } " " (parts.items(quote.cited_by.iter().copied()))
                @if !rests.is_empty() { " · " span.key { "Behind" } " " (parts.items(rests.iter().copied())) }
            }
        }
    }
}

/// The page of a quote, with links to its picture and to the document where there are any.
fn place(parts: &Parts<'_>, at: usize, quote: &Quote<'_>) -> Markup {
    let (format, page) = (parts.quotes.format(), quote.evidence.page);
    let name = plain(&parts.quotes.place(quote.evidence));
    let picture = parts.links.picture(format, page);
    let marked = parts.anchors.quote(at).and_then(|label| parts.links.marked(format, &label));
    // The printed number of a page is not its number in the file, by which viewers go.
    let in_file = (format == Format::Pdf && quote.evidence.label.is_some()).then_some(page);
    html! {
        strong.place {
            @if let Some(picture) = picture { a href=(picture) { bdi { (name) } } }
            @else { bdi { (name) } }
        }
        @if let Some(page) = in_file { " " span.why { "(page " (page) " of the file)" } }
        @if let Some(marked) = marked { " " a.out href=(marked) { "show on the page" } }
        @if let Some(original) = parts.links.original(format, page) {
            " " a.out href=(original) rel="noreferrer noopener" { "open the document" }
        }
        @if !quote.evidence.boxes.is_empty() { " " span.status { "place on the page known" } }
    }
}

/// The status of a quote in a word. Reports show no hidden or absent quote.
const fn status_word(status: QuoteStatus) -> &'static str {
    match status {
        QuoteStatus::Verbatim => "verbatim",
        QuoteStatus::Near => "near",
        QuoteStatus::WrongPage => "wrong page corrected",
        QuoteStatus::Hidden => "hidden",
        QuoteStatus::Absent => "absent",
    }
}
