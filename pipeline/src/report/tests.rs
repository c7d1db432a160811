use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::{Value, json};

use super::{notes::EXTRACTIVE, wording::percent, *};
use crate::{
    document::Format,
    grounding::StageGrounding,
    llm::Usage,
    record::{BrandFacts, DocumentFacts, Provenance, RecordContext, StageRecord},
    run::{RunId, Stage},
    stages::StageOutput,
    testing::{context, provenance},
};

/// A small set of records in which `text` makes the field's text of its name.
fn payloads(text: impl Fn(&str) -> String) -> [Value; 4] {
    let t = |name: &str| Value::String(text(name));
    [
        json!({"inspirations": [{
            "id": "I1", "title": t("Refill bars"), "summary": t("Shops let people refill."),
            "mechanism": t("The bottle stays."), "key_elements": [t("bar"), t("deposit")],
            "evidence": [
                {"quote": t("People bring their own bottle"), "page": 3, "status": "verbatim"},
                {"quote": t("INVENTED"), "page": 4, "status": "absent"},
            ]
        }]}),
        json!({"trends": [{
            "id": "T1", "name": t("Reuse"), "category": "BEHAVIORAL", "strength": "HIGH",
            "strength_rationale": t("Two cases say so."), "direction": "GROWING", "inspirations": ["I1"],
            "evidence": [
                {"quote": t("People bring their own bottle"), "page": 3, "status": "verbatim"},
                {"quote": t("Deposits doubled"), "page": 7, "status": "wrong_page"},
            ]
        }]}),
        json!({"lessons": [{
            "id": "L1", "title": t("Keep the container"), "principle": t("Sell the content."),
            "why_it_works": t("It saves."),
            "job_to_be_done": {"functional": t("Carry"), "emotional": t("Feel good"), "social": null},
            "transfers_to": [t("Food"), t("Care")], "constraints_removed": [t("Waste")],
            "inspirations": ["I1"], "trends": ["T1"]
        }]}),
        json!({"brand_context": t("It has dairies."), "opportunities": [{
            "id": "O1", "title": t("Milk on tap"), "pitch": t("Refill milk in shops."),
            "why_this_brand": t("It owns the dairies."),
            "profile_links": [{"field": "product_portfolio", "entry": t("Milk")}],
            "target_customers": [t("Families")], "first_steps": [t("Try one shop")], "risks": [t("Hygiene")],
            "effort": "MEDIUM", "horizon": "NEXT", "lessons": ["L1"]
        }]}),
    ]
}

fn record(
    stage: Stage,
    payload: Value,
    provider: &str,
    grounding: StageGrounding,
    warnings: Vec<String>,
) -> StageRecord {
    let started_at = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let output = StageOutput::from_json(stage, payload).unwrap();
    let extractive = provider == EXTRACTIVE;
    StageRecord::new(
        &output,
        &Provenance {
            provider: provider.to_owned(),
            model: if extractive { "extractive-1" } else { "maker/model-4.5" }.to_owned(),
            usage: if extractive {
                Usage::default()
            } else {
                Usage { prompt_tokens: 12_345, completion_tokens: 678, cost_usd: 0.0123, ..Usage::default() }
            },
            ..provenance()
        },
        RecordContext {
            finished_at: started_at + chrono::TimeDelta::milliseconds(8_200 * i64::from(stage.number())),
            warnings,
            grounding,
            ..context(started_at)
        },
    )
    .unwrap()
}

pub(super) fn grounding(quotes: u32, verbatim: u32) -> StageGrounding {
    StageGrounding {
        quotes,
        verbatim,
        absent: quotes - verbatim,
        share: Some(share_of(verbatim, quotes)),
        ..StageGrounding::default()
    }
}

fn share_of(verbatim: u32, quotes: u32) -> f64 {
    if quotes == 0 { 0.0 } else { f64::from(verbatim) / f64::from(quotes) }
}

pub(super) fn records(
    text: impl Fn(&str) -> String,
    provider: &str,
    groundings: [StageGrounding; 2],
) -> Vec<StageRecord> {
    let warning = text("I1: a quote was left out.");
    let [first, second] = groundings;
    let details = [
        (first, vec![warning]),
        (second, Vec::new()),
        (StageGrounding { unsupported_numbers: 1, ..StageGrounding::default() }, Vec::new()),
        (StageGrounding::default(), Vec::new()),
    ];
    Stage::ALL
        .into_iter()
        .zip(payloads(text))
        .zip(details)
        .map(|((stage, payload), (grounding, warnings))| {
            record(stage, payload, provider, grounding, warnings)
        })
        .collect()
}

pub(super) fn brand(text: impl Fn(&str) -> String) -> BrandFacts {
    BrandFacts { name: text("Acme"), country: text("Canada"), industry: "Food".to_owned() }
}

pub(super) fn document(text: impl Fn(&str) -> String) -> DocumentFacts {
    DocumentFacts {
        source: text("reuse.pdf"),
        title: Some(text("Reuse report")),
        format: Format::Pdf,
        page_count: 12,
        warnings: vec![text("Page 2 is hardly readable.")],
    }
}

fn report(text: impl Fn(&str) -> String + Copy, provider: &str, groundings: [StageGrounding; 2]) -> String {
    let records = records(text, provider, groundings);
    let brand = brand(text);
    render(&ReportInput {
        run: &RunId::parse("run-1").unwrap(),
        document: &document(text),
        brand: &brand,
        records: &records,
    })
    .unwrap()
}

#[test]
fn the_report_of_a_small_run() {
    let markdown = report(str::to_owned, "maker", [grounding(2, 1), grounding(2, 2)]);
    assert_eq!(markdown, include_str!("golden.md"), "{markdown}");
}

#[test]
fn quotes_have_the_labels_of_the_report() {
    let groundings = || [grounding(2, 1), grounding(2, 2)];
    let markdown = report(str::to_owned, "maker", groundings());
    let (records, brand) = (records(str::to_owned, "maker", groundings()), brand(str::to_owned));
    let document = &document(str::to_owned);
    let run = &RunId::parse("run-1").unwrap();
    let quotes = quotes(&ReportInput { run, document, brand: &brand, records: &records }).unwrap();
    assert_eq!(quotes.len(), 2);
    for ReportQuote { label, page, quote, .. } in quotes {
        assert!(markdown.contains(&format!("- **{label}** (p. {page}): “{quote}”")), "{label}: {markdown}");
    }
}

#[test]
fn the_extractive_analyst_is_named_at_the_head() {
    let markdown = report(str::to_owned, EXTRACTIVE, [grounding(2, 1), grounding(2, 2)]);
    let head = markdown.split("## Opportunities").next().unwrap();
    assert!(head.contains("written by the built-in extractive analyst, not by a language model"), "{head}");
    assert!(markdown.contains("| extractive | extractive-1 | – | – |"), "{markdown}");
    let mut mixed = records(str::to_owned, "maker", [grounding(2, 1), grounding(2, 2)]);
    for record in &mut mixed[2..] {
        record.meta.provider = EXTRACTIVE.to_owned();
    }
    let brand = brand(str::to_owned);
    let markdown = render(&ReportInput {
        run: &RunId::parse("run-1").unwrap(),
        document: &DocumentFacts {
            source: "reuse.pdf".to_owned(),
            title: None,
            format: Format::Markdown,
            page_count: 1,
            warnings: Vec::new(),
        },
        brand: &brand,
        records: &mixed,
    })
    .unwrap();
    assert!(markdown.contains("Stages 3 and 4 were answered by the built-in"), "{markdown}");
    assert!(markdown.contains("From “reuse.pdf”, 1 section, this"), "{markdown}");
}

#[test]
fn poor_grounding_stands_at_the_top() {
    for (groundings, warning) in [
        ([grounding(4, 0), grounding(2, 0)], "> This report cites 6 quotes, and none could be found"),
        ([grounding(0, 0), grounding(0, 0)], "> This report cites no quote at all"),
        ([grounding(4, 1), grounding(2, 1)], "> This report cites 6 quotes, and only 2 (33%) could be found"),
        ([grounding(4, 4), grounding(2, 0)], "> Stage 2 (signal amplification) cites 2 quotes, and none"),
    ] {
        let markdown = report(str::to_owned, "maker", groundings);
        let start = markdown.split("## ").next().unwrap();
        assert!(start.contains("> **Warning**\n>\n") && start.contains(warning), "{start}");
    }
    let markdown = report(str::to_owned, "maker", [grounding(2, 1), grounding(2, 1)]);
    assert!(!markdown.contains("**Warning**"), "half is enough");
}

#[test]
fn absent_quotes_never_appear() {
    let markdown = report(str::to_owned, "maker", [grounding(2, 1), grounding(2, 2)]);
    assert!(!markdown.contains("INVENTED"));
    assert!(markdown.contains("1 quote that could not be found there was left out"));
}

#[test]
fn quotes_of_scanned_pages_say_so() {
    let mut records = records(str::to_owned, "maker", [grounding(2, 1), grounding(2, 2)]);
    records[1].payload["trends"][0]["evidence"][1]["recognised"] = true.into();
    let markdown = render(&ReportInput {
        run: &RunId::parse("run-1").unwrap(),
        document: &document(str::to_owned),
        brand: &brand(str::to_owned),
        records: &records,
    })
    .unwrap();
    assert_eq!(markdown.matches("; read by OCR").count(), 1, "{markdown}");
    assert!(markdown.contains("compare their figures and names with the page"), "{markdown}");
}

#[test]
fn shares_are_rounded_honestly() {
    for (share, text) in [(0.0, "0%"), (0.001, "1%"), (0.5, "50%"), (0.999, "99%"), (1.0, "100%")] {
        assert_eq!(percent(share), text);
    }
}

/// The structure that a renderer with every extension gives the report, without its words.
#[derive(Debug, PartialEq)]
struct Structure {
    headings: usize,
    tables: usize,
    cells: usize,
    items: usize,
    quotes: usize,
    strong: usize,
    others: Vec<String>,
}

fn structure(markdown: &str) -> Structure {
    let mut found =
        Structure { headings: 0, tables: 0, cells: 0, items: 0, quotes: 0, strong: 0, others: vec![] };
    for event in Parser::new_ext(markdown, Options::all()) {
        match event {
            Event::Start(Tag::Heading { .. }) => found.headings += 1,
            Event::Start(Tag::Table(_)) => found.tables += 1,
            Event::Start(Tag::TableCell) => found.cells += 1,
            Event::Start(Tag::Item) => found.items += 1,
            Event::Start(Tag::BlockQuote(_)) => found.quotes += 1,
            Event::Start(Tag::Strong) => found.strong += 1,
            Event::Start(Tag::Paragraph | Tag::List(_) | Tag::TableHead | Tag::TableRow)
            | Event::End(_)
            | Event::Text(_) => {}
            other => found.others.push(format!("{other:?}")),
        }
    }
    found
}

/// The words of the first heading, as a reader sees them.
fn first_heading(markdown: &str) -> String {
    let options = Options::all() - Options::ENABLE_SMART_PUNCTUATION;
    Parser::new_ext(markdown, options)
        .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
        .filter_map(|event| match event {
            Event::Text(text) => Some(text.replace('\u{2060}', "")),
            _ => None,
        })
        .collect()
}

/// Whether a renderer that looks for addresses in text would make a link: in the source, as some do, or in the text
/// that is left when Markdown is resolved, as remark-gfm does.
fn autolinks(markdown: &str) -> bool {
    let options = Options::all() - Options::ENABLE_SMART_PUNCTUATION;
    let mut resolved = String::new();
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Text(text) => resolved.push_str(&text),
            _ => resolved.push('\n'),
        }
    }
    [markdown, &resolved].into_iter().any(|text| {
        let lower = text.to_lowercase();
        let goes_on = |from: usize| {
            lower[from..].chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        };
        lower.contains("://")
            || lower.match_indices('@').any(|(at, _)| goes_on(at + 1))
            // At the end of a sentence it is none.
            || lower.match_indices("www.").any(|(at, _)| lower[at + 4..].starts_with(char::is_alphanumeric))
    })
}

#[test]
fn each_claim_shows_its_support() {
    use crate::grounding::{ClaimSupport, Support};
    let claim =
        |item: &str, field: &str, support| ClaimSupport { item: item.into(), field: field.into(), support };
    let claims = vec![
        claim("I1", "summary", Support::Supported),
        claim("I1", "mechanism", Support::Partly),
        claim("I2", "mechanism", Support::Unsupported),
    ];
    let first = StageGrounding { claims, struck_quotes: 1, struck_ids: 1, ..grounding(2, 1) };
    let markdown = report(str::to_owned, "maker", [first, grounding(2, 2)]);
    for line in [
        "Shops let people refill. *(supported)*\n",
        "- **Mechanism:** The bottle stays. *(partly supported)*\n",
        "Of 3 claims, 1 is supported by the quotes behind them, 1 partly, and 1 not. 1 number in",
        "2 references in the analyst's words could not be followed and were struck.",
    ] {
        assert!(markdown.contains(line), "{line}\n{markdown}");
    }
}

fn assert_tame(hostile: &str) {
    let expected = structure(&report(str::to_owned, "maker", [grounding(2, 1), grounding(2, 2)]));
    assert!(expected.others.is_empty(), "{expected:?}");
    let markdown = report(
        |name: &str| format!("{hostile} {name} {hostile}"),
        "maker",
        [grounding(2, 1), grounding(2, 2)],
    );
    assert_eq!(structure(&markdown), expected, "{hostile:?}\n{markdown}");
    assert!(!autolinks(&markdown), "{hostile:?}\n{markdown}");
    let seen = format!("Opportunities for {}", plain(&format!("{hostile} Acme {hostile}")));
    assert_eq!(first_heading(&markdown), seen.trim_end(), "nothing is lost");
}

#[test]
fn hostile_text_stays_text() {
    for hostile in [
        "<script>alert(1)</script>",
        "<!-- x",
        "]]><?php",
        "[a](javascript:alert(1))",
        "![a](https://evil.example/x.png)",
        "[a]: https://evil.example",
        "[^1]",
        "<https://evil.example>",
        "https://evil.example www.evil.example evil@evil.example",
        "# heading",
        "\n\n# heading\n\n",
        "text\n===\n---",
        "***bold*** __b__ ~~s~~ `c` ```c",
        "| a | b |\n|---|---|\n| c | d |",
        "a | b \\| c \\",
        "> quote",
        "- item",
        "+ item",
        "1. item",
        "1) item",
        "    code",
        "$x$ $$y$$",
        "- [ ] task",
        "&lt;b&gt; &#60;b&#62;",
        "{#id .class}",
        ": definition",
        "\u{202e}right to left\u{7}",
        "---\ntitle: x\n---",
        "[[wiki|link]]",
        "> [!NOTE]",
        "^up^ ~down~",
        "{.class}",
        "www",
        "http://a.b HTTPS://A.B ftp://a.b xmpp:a@b.c mailto:a@b.c",
        "www.a.b wWw.a.b (www.a.b) x@y.z <x@y.z> @mention @_x.y",
        "[^note]: text",
        "[x] done",
        "GH-1 #1 a/b#1",
    ] {
        assert_tame(hostile);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_changes_the_structure(
        hostile in "[\\[\\]()<>*_`#|~!\\\\&;:\\-+=.@/$^{}\" \n\ta1wx]{1,24}|\\PC{1,24}",
    ) {
        assert_tame(&hostile);
    }
}
