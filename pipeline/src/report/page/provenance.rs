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
    let cells = |record: &StageRecord| {
        let meta = &record.meta;
        let by = html! {
            (shown_inline(&meta.provider))
            @if meta.provider == EXTRACTIVE { " " span.status { "offline" } }
        };
        [
            by,
            html! { (shown_inline(&meta.model)) },
            html! { code { (beginning(&meta.prompt_version)) } },
            html! { (found(&meta.grounding, meta.grounding.share)) },
        ]
    };
    let total = Total::of(input.records);
    let total = [None, None, None, Some(html! { (found(&total.grounding, total.share)) })];
    table("Analysts", COLUMNS, input, cells, total)
}

fn costs(input: &ReportInput<'_>) -> Markup {
    let cells = |record: &StageRecord| {
        let meta = &record.meta;
        [
            html! { (tokens(&meta.usage)) },
            html! { (cost(&meta.usage)) },
            html! { (duration(elapsed_millis(meta))) },
            html! { (meta.attempts) },
        ]
    };
    let total = Total::of(input.records);
    let total = [
        html! { (tokens(&total.usage)) },
        html! { (cost(&total.usage)) },
        html! { (duration(total.millis)) },
        html! { (total.attempts) },
    ];
    table("Tokens, cost and time", COST_COLUMNS, input, cells, total.map(Some))
}

/// A row for each stage, and one for all of them.
fn table(
    caption: &str,
    columns: [&str; 5],
    input: &ReportInput<'_>,
    cells: impl Fn(&StageRecord) -> [Markup; 4],
    total: [Option<Markup>; 4],
) -> Markup {
    let [_, titles @ ..] = columns;
    html! {
        table.stages role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" { @for column in columns { th scope="col" role="columnheader" { (column) } } }
            }
            tbody role="rowgroup" {
                @for record in input.records {
                    tr role="row" {
                        (stage(record))
                        @for (title, cell) in titles.into_iter().zip(cells(record)) {
                            td role="cell" data-label=(title) { (cell) }
                        }
                    }
                }
                tr.total role="row" {
                    th scope="row" role="rowheader" { "Total" }
                    @for (title, cell) in titles.into_iter().zip(total) {
                        @match cell {
                            Some(cell) => { td role="cell" data-label=(title) { (cell) } }
                            None => { td.blank role="cell" {} }
                        }
                    }
                }
            }
        }
    }
}

fn stage(record: &StageRecord) -> Markup {
    let stage = record.meta.stage;
    html! { th scope="row" role="rowheader" { (stage.number()) " " (stage.title()) } }
}

fn warnings(input: &ReportInput<'_>) -> Markup {
    let all: Vec<_> = input.warnings().collect();
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
