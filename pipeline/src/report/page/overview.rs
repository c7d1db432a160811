//! The overview: one table of all opportunities, and their effort against their horizon.

use maud::{Markup, html};

use super::{
    matrix,
    parts::{Parts, shown_inline},
};
use crate::{
    report::words::{effort, field_name, horizon_word},
    stages::{Opportunity, ProfileField, ProfileLink},
};

/// The columns of the table.
const COLUMNS: [&str; 5] = ["Opportunity", "Builds on", "Effort", "Horizon", "Evidence"];

pub(super) fn render(parts: &Parts<'_>) -> Markup {
    let opportunities = parts.outputs.opportunities();
    html! {
        section #overview aria-labelledby="overview-title" {
            h2 #overview-title { "Overview" }
            @if opportunities.is_empty() {
                p { "The document yielded no opportunity for " (shown_inline(&parts.input.brand.name)) "." }
            } @else {
                (table(parts, opportunities))
            }
            div.beside {
                @if !opportunities.is_empty() { (matrix::render(opportunities)) }
                @if let Some(context) = &parts.outputs.context {
                    div.card.context {
                        h3 { "What about " (shown_inline(&parts.input.brand.name)) " mattered" }
                        p dir="auto" { (parts.claim("brand_context", "text", &context.brand_context)) }
                    }
                }
            }
        }
    }
}

/// The roles keep the table a table for screen readers where a narrow screen shows it as cards.
fn table(parts: &Parts<'_>, opportunities: &[Opportunity]) -> Markup {
    html! {
        table.overview role="table" {
            caption { "All opportunities" }
            thead role="rowgroup" {
                tr role="row" { @for column in COLUMNS { th scope="col" role="columnheader" { (column) } } }
            }
            tbody role="rowgroup" {
                @for item in opportunities { (row(parts, item)) }
            }
        }
    }
}

fn row(parts: &Parts<'_>, item: &Opportunity) -> Markup {
    let [_, builds_on, effort_title, horizon_title, evidence] = COLUMNS;
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (parts.item(&item.id)) " " (shown_inline(&item.title)) }
            td role="cell" data-label=(builds_on) {
                (profile_entries(&item.profile_links))
            }
            td role="cell" data-label=(effort_title) { (effort(item.effort)) }
            td role="cell" data-label=(horizon_title) { (horizon_word(item.horizon)) }
            td role="cell" data-label=(evidence) { (parts.evidence(&parts.quotes.of_opportunity(item))) }
        }
    }
}

/// The products that an opportunity builds on, and the names of the profile's other lists. Its card has their entries.
fn profile_entries(links: &[ProfileLink]) -> Markup {
    let products: Vec<&ProfileLink> =
        links.iter().filter(|link| link.field == ProfileField::ProductPortfolio).collect();
    let mut others: Vec<&str> = Vec::new();
    for link in links.iter().filter(|link| link.field != ProfileField::ProductPortfolio) {
        let name = field_name(link.field);
        if !others.contains(&name) {
            others.push(name);
        }
    }
    html! {
        @if links.is_empty() { span.none { "none" } }
        div {
            @for product in products { div { (shown_inline(&product.entry)) } }
            @if !others.is_empty() { div.field { (others.join(", ")) } }
        }
    }
}
