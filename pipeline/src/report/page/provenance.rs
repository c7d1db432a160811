//! Where the report comes from: the document, the analyst of each stage, all warnings, and at the end the cost.

use maud::{Markup, html};

use super::parts::{Parts, shown_inline};
use crate::{
    grounding::StageGrounding,
    record::StageRecord,
    report::{
        escape::plain,
        figures::{Total, cost, duration, elapsed_millis, found, tokens},
        input::ReportInput,
        notes::{EXTRACTIVE, checks},
        wording::plural,
    },
};

const COLUMNS: [&str; 5] = ["Stage", "Answered by", "Model", "Prompt", "Citations found"];
const COST_COLUMNS: [&str; 5] = ["Stage", "Tokens in / out", "Cost", "Time", "Requests"];

/// The characters of a prompt's hash that tell it from others.
const HASH_CHARS: usize = 12;

pub(super) fn render(parts: &Parts<'_>) -> Markup {
    let input = parts.input;
    html! {
        section #provenance aria-labelledby="provenance-title" {
            h2 #provenance-title { "Provenance" }
            (facts(parts))
            (stages(input))
            (checked(input))
            h3 { "Warnings" }
            (warnings(input))
            h3 { "Cost" }
            (costs(input))
        }
    }
}

/// The results of checking the claims. Nothing for records of earlier releases.
fn checked(input: &ReportInput<'_>) -> Markup {
    let stages: Vec<StageGrounding> =
        input.records.iter().map(|record| record.meta.grounding.clone()).collect();
    let sentences = checks(&stages);
    html! {
        @if !sentences.is_empty() {
            h3 { "Checks" }
            p { (sentences.trim()) }
        }
    }
}

fn facts(parts: &Parts<'_>) -> Markup {
    let ReportInput { run, document, brand, records } = *parts.input;
    let last = records.last().map(|record| record.meta.finished_at);
    html! {
        dl.facts {
            dt { "Document" }
            dd {
                (shown_inline(document.title())) ", "
                (plural(document.page_count, document.format.unit()))
            }
            dt { "Source" }
            dd { (shown_inline(&document.source)) }
            dt { "Brand" }
            dd { (shown_inline(&brand.name)) " (" (shown_inline(&brand.country)) "; " (shown_inline(&brand.industry)) ")" }
            dt { "Run" }
            dd { code { (run.as_str()) } }
            @if let Some(last) = last {
                dt { "Completed" }
                dd { (last.format("%-d %B %Y, %H:%M UTC")) }
            }
        }
    }
}

fn stages(input: &ReportInput<'_>) -> Markup {
    let [_, by, model, prompt, citations] = COLUMNS;
    let total = Total::of(input.records);
    html! {
        table.stages role="table" {
            caption { "Analysts" }
            (heads(COLUMNS))
            tbody role="rowgroup" {
                @for record in input.records {
                    @let meta = &record.meta;
                    tr role="row" {
                        (stage(record))
                        td role="cell" data-label=(by) {
                            (shown_inline(&meta.provider))
                            @if meta.provider == EXTRACTIVE { " " span.status { "offline" } }
                        }
                        td role="cell" data-label=(model) { (shown_inline(&meta.model)) }
                        td role="cell" data-label=(prompt) { code { (beginning(&meta.prompt_version)) } }
                        td role="cell" data-label=(citations) { (found(&meta.grounding, meta.grounding.share)) }
                    }
                }
                tr.total role="row" {
                    th scope="row" role="rowheader" { "Total" }
                    td.blank role="cell" {} td.blank role="cell" {} td.blank role="cell" {}
                    td role="cell" data-label=(citations) { (found(&total.grounding, total.share)) }
                }
            }
        }
    }
}

fn costs(input: &ReportInput<'_>) -> Markup {
    let [_, token_title, cost_title, time, requests] = COST_COLUMNS;
    let total = Total::of(input.records);
    html! {
        table.stages role="table" {
            caption { "Tokens, cost and time" }
            (heads(COST_COLUMNS))
            tbody role="rowgroup" {
                @for record in input.records {
                    @let meta = &record.meta;
                    tr role="row" {
                        (stage(record))
                        td role="cell" data-label=(token_title) { (tokens(&meta.usage)) }
                        td role="cell" data-label=(cost_title) { (cost(&meta.usage)) }
                        td role="cell" data-label=(time) { (duration(elapsed_millis(meta))) }
                        td role="cell" data-label=(requests) { (meta.attempts) }
                    }
                }
                tr.total role="row" {
                    th scope="row" role="rowheader" { "Total" }
                    td role="cell" data-label=(token_title) { (tokens(&total.usage)) }
                    td role="cell" data-label=(cost_title) { (cost(&total.usage)) }
                    td role="cell" data-label=(time) { (duration(total.millis)) }
                    td role="cell" data-label=(requests) { (total.attempts) }
                }
            }
        }
    }
}

fn heads(columns: [&str; 5]) -> Markup {
    html! {
        thead role="rowgroup" {
            tr role="row" { @for column in columns { th scope="col" role="columnheader" { (column) } } }
        }
    }
}

fn stage(record: &StageRecord) -> Markup {
    let stage = record.meta.stage;
    html! { th scope="row" role="rowheader" { (stage.number()) " " (stage.title()) } }
}

fn warnings(input: &ReportInput<'_>) -> Markup {
    let document = input.document.warnings.iter().map(|warning| ("Document".to_owned(), warning));
    let stages = input.records.iter().flat_map(|record| {
        let stage = format!("Stage {}", record.meta.stage.number());
        record.meta.warnings.iter().map(move |warning| (stage.clone(), warning))
    });
    let all: Vec<(String, &String)> = document.chain(stages).collect();
    html! {
        @if all.is_empty() { p { "None." } }
        @else {
            ul.warnings {
                @for (source, warning) in all { li { span.key { (source) } " " (shown_inline(warning)) } }
            }
        }
    }
}

fn beginning(hash: &str) -> String {
    plain(hash).chars().take(HASH_CHARS).collect()
}
