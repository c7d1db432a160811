//! One card for each opportunity.

use maud::{Markup, html};

use super::parts::{Parts, block, listed, shown_inline};
use crate::{
    report::{
        escape::plain,
        words::{effort, field_name, horizon},
    },
    stages::Opportunity,
};

pub(super) fn render(parts: &Parts<'_>) -> Markup {
    let items = parts.outputs.opportunities();
    let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    html! {
        @if !items.is_empty() {
            section #opportunities aria-labelledby="opportunities-title" {
                h2 #opportunities-title { "Opportunities" }
                @for (at, item) in items.iter().enumerate() {
                    (card(parts, item, parts.anchor(at, &item.id, &ids)))
                }
            }
        }
    }
}

fn card(parts: &Parts<'_>, item: &Opportunity, anchor: Option<&str>) -> Markup {
    let brand = plain(&parts.input.brand.name);
    html! {
        article.card.opportunity id=[anchor] {
            header {
                span.id { (shown_inline(&item.id)) }
                h3 dir="auto" { (plain(&item.title)) }
                ul.chips {
                    li { span.key { "Effort" } " " (effort(item.effort)) }
                    li { span.key { "Horizon" } " " (horizon(item.horizon)) }
                }
            }
            p.pitch dir="auto" { (parts.claim(&item.id, "pitch", &item.pitch)) }
            div.columns {
                (block(format!("Why {brand}"), &parts.claim(&item.id, "why_this_brand", &item.why_this_brand)))
                @if !item.profile_links.is_empty() {
                    div.block {
                        h4 { "Builds on" }
                        ul {
                            @for link in &item.profile_links {
                                li { (shown_inline(&link.entry)) " " span.field { (field_name(link.field)) } }
                            }
                        }
                    }
                }
                (listed("For", &item.target_customers, false))
                (listed("First steps", &item.first_steps, true))
                (listed("Risks", &item.risks, false))
            }
            footer {
                @if !item.lessons.is_empty() {
                    div { span.key { "Lessons" } " " (parts.items(item.lessons.iter().map(String::as_str))) }
                }
                div { span.key { "Evidence" } " " (parts.evidence(&parts.quotes.of_opportunity(item))) }
            }
        }
    }
}
