//! Lessons, trends and inspirations as compact cards.

use maud::{Markup, html};

use super::parts::{Parts, block, in_line, shown_inline};
use crate::{
    report::{
        escape::plain,
        words::{category, direction, strength},
    },
    stages::{Inspiration, Lesson, Trend},
};

/// A section of cards. Nothing without items.
fn section<T>(
    parts: &Parts<'_>,
    (anchor, title): (&str, &str),
    items: &[T],
    id: impl Fn(&T) -> &str,
    card: impl Fn(&T, Option<&str>) -> Markup,
) -> Markup {
    let ids: Vec<&str> = items.iter().map(&id).collect();
    let heading = format!("{anchor}-title");
    html! {
        @if !items.is_empty() {
            section id=(anchor) aria-labelledby=(heading) {
                h2 id=(heading) { (title) }
                div.cards {
                    @for (at, item) in items.iter().enumerate() {
                        (card(item, parts.anchor(at, id(item), &ids)))
                    }
                }
            }
        }
    }
}

/// A card's head: id and title.
fn head(id: &str, title: &str) -> Markup {
    html! {
        header { span.id { (shown_inline(id)) } h3 dir="auto" { (plain(title)) } }
    }
}

/// A card's foot: the items behind it, and its evidence.
fn foot(parts: &Parts<'_>, title: &str, ids: &[&str], places: &[usize]) -> Markup {
    html! {
        footer {
            @if !ids.is_empty() {
                div { span.key { (title) } " " (parts.items(ids.iter().copied())) }
            }
            div { span.key { "Evidence" } " " (parts.evidence(places)) }
        }
    }
}

pub(super) fn lessons(parts: &Parts<'_>) -> Markup {
    let title = ("lessons", "Lessons");
    section(
        parts,
        title,
        parts.outputs.lessons(),
        |item| &item.id,
        |item, anchor| lesson(parts, item, anchor),
    )
}

fn lesson(parts: &Parts<'_>, item: &Lesson, anchor: Option<&str>) -> Markup {
    let job = &item.job_to_be_done;
    let sources: Vec<&str> = item.inspirations.iter().chain(&item.trends).map(String::as_str).collect();
    html! {
        article.card id=[anchor] {
            (head(&item.id, &item.title))
            p.pitch dir="auto" { (parts.claim(&item.id, "principle", &item.principle)) }
            (block("Why it works", &parts.claim(&item.id, "why_it_works", &item.why_it_works)))
            (block("Job to be done", &parts.prose(&job.functional)))
            @if let Some(text) = &job.emotional { (block("Emotional job", &parts.prose(text))) }
            @if let Some(text) = &job.social { (block("Social job", &parts.prose(text))) }
            (in_line("Transfers to", &item.transfers_to))
            (in_line("Constraints removed", &item.constraints_removed))
            (foot(parts, "Learned from", &sources, &parts.quotes.of_lesson(item)))
        }
    }
}

pub(super) fn trends(parts: &Parts<'_>) -> Markup {
    let title = ("trends", "Trends");
    section(parts, title, parts.outputs.trends(), |item| &item.id, |item, anchor| trend(parts, item, anchor))
}

fn trend(parts: &Parts<'_>, item: &Trend, anchor: Option<&str>) -> Markup {
    let rationale = parts.claim(&item.id, "strength_rationale", &item.strength_rationale);
    let shown_by: Vec<&str> = item.inspirations.iter().map(String::as_str).collect();
    html! {
        article.card id=[anchor] {
            (head(&item.id, &item.name))
            ul.chips {
                li { (category(item.category)) }
                li { (direction(item.direction)) }
                li { span.key { "Strength" } " " (strength(item.strength)) }
            }
            (block("Why this strength", &rationale))
            (foot(parts, "Shown by", &shown_by, &parts.quotes.places(&item.evidence)))
        }
    }
}

pub(super) fn inspirations(parts: &Parts<'_>) -> Markup {
    let title = ("inspirations", "Inspirations");
    section(
        parts,
        title,
        parts.outputs.inspirations(),
        |item| &item.id,
        |item, anchor| inspiration(parts, item, anchor),
    )
}

fn inspiration(parts: &Parts<'_>, item: &Inspiration, anchor: Option<&str>) -> Markup {
    html! {
        article.card id=[anchor] {
            (head(&item.id, &item.title))
            p.pitch dir="auto" { (parts.claim(&item.id, "summary", &item.summary)) }
            (block("Mechanism", &parts.claim(&item.id, "mechanism", &item.mechanism)))
            (in_line("Key elements", &item.key_elements))
            (foot(parts, "", &[], &parts.quotes.places(&item.evidence)))
        }
    }
}
