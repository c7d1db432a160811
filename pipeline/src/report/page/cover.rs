//! The head of the page: whose opportunities, from which document, how well supported, and the contents.

use maud::{Markup, html};

use super::{
    checks::figures,
    parts::{Parts, shown_inline},
};
use crate::{
    report::{
        escape::plain,
        notes::{analyst_note, grounding_warnings},
        wording::plural,
    },
    stages::Outputs,
};

pub(super) fn render(parts: &Parts<'_>) -> Markup {
    let input = parts.input;
    let (document, brand) = (input.document, input.brand);
    html! {
        header.cover {
            p.eyebrow { "Innovation report" }
            h1 { "Opportunities for " (shown_inline(&brand.name)) }
            p.lede {
                "From “" (shown_inline(document.title())) "”"
                @if plain(document.title()) != plain(&document.source) { " (" (shown_inline(&document.source)) ")" }
                ", " (plural(document.page_count, document.format.unit())) ", for "
                (shown_inline(&brand.name)) " (" (shown_inline(&brand.country)) "; "
                (shown_inline(&brand.industry)) ")."
            }
            (figures(parts))
            @for warning in grounding_warnings(input) {
                aside.note.warning aria-label="Warning" { p { strong { "Warning. " } (warning) } }
            }
            @if let Some(note) = analyst_note(input) {
                aside.note aria-label="Note" { p { strong { "Note. " } (note) } }
            }
            (contents(parts.outputs))
        }
    }
}

/// The sections of the page, for readers at a screen.
fn contents(outputs: &Outputs) -> Markup {
    let sections = [
        ("overview", "Overview", true),
        ("opportunities", "Opportunities", !outputs.opportunities().is_empty()),
        ("lessons", "Lessons", !outputs.lessons().is_empty()),
        ("trends", "Trends", !outputs.trends().is_empty()),
        ("inspirations", "Inspirations", !outputs.inspirations().is_empty()),
        ("evidence", "Evidence", true),
        ("provenance", "Provenance", true),
    ];
    html! {
        nav.contents aria-label="Contents" {
            ul {
                @for (anchor, title, is_there) in sections {
                    @if is_there { li { a href=(format!("#{anchor}")) { (title) } } }
                }
            }
        }
    }
}
