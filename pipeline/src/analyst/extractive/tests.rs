use proptest::prelude::*;

use super::{
    ExtractiveAnalyst,
    analysis::{build::analyse, cache},
    stages::counter_signals,
    stop::Stop,
    text::{blocks, names, sentences},
};
use crate::{
    analyst::{Analyst, AnalystError, Answer, StageInput},
    brand::{BrandId, BrandProfile},
    document::{CompressedDocument, Document, Format, Page},
    grounding::{self, PageIndex},
    prior_outputs::PriorOutputs,
    run::{RunId, Stage},
    stages::{Outputs, QuoteStatus, StageOutput, references, schema},
};

const BRANDS: [(&str, &str); 4] = [
    ("lactalis-canada", include_str!("../../../../data/brand-profiles/lactalis-canada.yaml")),
    ("mccormick-usa", include_str!("../../../../data/brand-profiles/mccormick-usa.yaml")),
    ("columbia-sportswear", include_str!("../../../../data/brand-profiles/columbia-sportswear.yaml")),
    ("decathlon", include_str!("../../../../data/brand-profiles/decathlon.yaml")),
];

const SAMPLES: [(&str, &[u8]); 6] = [
    ("trend-report.pdf", include_bytes!("../../../../data/samples/trend-report.pdf")),
    ("case-study.docx", include_bytes!("../../../../data/samples/case-study.docx")),
    ("case-study.pdf", include_bytes!("../../../../data/samples/case-study.pdf")),
    ("spotted-innovation.html", include_bytes!("../../../../data/samples/spotted-innovation.html")),
    ("spotted-innovation.md", include_bytes!("../../../../data/samples/spotted-innovation.md")),
    ("field-notes.txt", include_bytes!("../../../../data/samples/field-notes.txt")),
];

fn brand(id: &str, yaml: &str) -> BrandProfile {
    BrandProfile::from_yaml(BrandId::parse(id).unwrap(), yaml, None).unwrap()
}

fn document(pages: &[&str]) -> Document {
    let pages = pages.iter().zip(1..);
    Document {
        source_name: "test.txt".to_owned(),
        format: Format::Text,
        title: None,
        pages: pages
            .map(|(text, number)| Page { number, text: (*text).to_owned(), readable: 1.0, ..Page::default() })
            .collect(),
        warnings: Vec::new(),
        ..Document::default()
    }
}

fn ask(
    stage: Stage,
    document: &Document,
    brand: &BrandProfile,
    earlier: &Outputs,
) -> Result<Answer, AnalystError> {
    let run = RunId::parse("test").unwrap();
    let document = &CompressedDocument::new(document.clone()).unwrap();
    let earlier = &PriorOutputs::new(earlier.clone()).unwrap();
    let input =
        StageInput { run: &run, document, brand, earlier, spend_limit_usd: None, lease: None, answers: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ExtractiveAnalyst::new().answer(stage, &input, &Default::default()))
}

/// Without the ids and statuses that the pipeline sets later.
fn payload(output: &StageOutput) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.remove("id");
                map.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(output).unwrap();
    strip(&mut value);
    value
}

/// All four stages as the engine runs them; checks schema, quotes, numbers and references on the way.
fn run(document: &Document, brand: &BrandProfile) -> Result<Outputs, AnalystError> {
    let index = PageIndex::new(document);
    let mut earlier = Outputs::default();
    for stage in Stage::ALL {
        let answer = ask(stage, document, brand, &earlier)?;
        let again = ask(stage, document, brand, &earlier)?;
        assert_eq!(answer, again, "{stage} is deterministic");
        let mut output = answer.output;
        schema::of(stage)
            .check(&payload(&output))
            .unwrap_or_else(|e| panic!("{stage}: {e:?}\n{:#}", payload(&output)));
        output.assign_ids();
        let (found, _) = grounding::ground(&mut output, &earlier, &index, brand);
        assert_eq!(found.verbatim, found.quotes, "{stage}: {output:#?}");
        assert!(output.evidence_mut().iter().all(|evidence| evidence.status == Some(QuoteStatus::Verbatim)));
        let broken = references::check(&mut output, &earlier, brand);
        assert!(broken.is_empty(), "{stage}: {broken:?}");
        earlier.insert(output);
    }
    Ok(earlier)
}

#[test]
fn every_sample_gives_every_brand_valid_outputs() {
    for (name, bytes) in SAMPLES {
        let document = crate::document::extract(name, bytes).unwrap();
        for (id, yaml) in BRANDS {
            let outputs = run(&document, &brand(id, yaml)).unwrap_or_else(|e| panic!("{name} × {id}: {e}"));
            assert_eq!(outputs.opportunities().len(), 5, "{name} × {id}");
        }
    }
}

#[test]
fn brands_get_different_opportunities_from_one_document() {
    let (name, bytes) = SAMPLES[0];
    let document = crate::document::extract(name, bytes).unwrap();
    let mut titles: Vec<String> = Vec::new();
    let mut count = 0;
    for (id, yaml) in BRANDS {
        let outputs = run(&document, &brand(id, yaml)).unwrap();
        count += outputs.opportunities().len();
        titles.extend(outputs.opportunities().iter().map(|opportunity| opportunity.title.clone()));
    }
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), count, "{titles:#?}");
}

#[test]
fn profile_entries_are_word_for_word() {
    let (name, bytes) = SAMPLES[0];
    let document = crate::document::extract(name, bytes).unwrap();
    for (id, yaml) in BRANDS {
        let brand = brand(id, yaml);
        for opportunity in run(&document, &brand).unwrap().opportunities() {
            for link in &opportunity.profile_links {
                assert!(brand.entries(link.field).contains(&link.entry), "{link:?}");
            }
            assert!(opportunity.target_customers.iter().all(|entry| brand.target_customers.contains(entry)));
        }
    }
}

#[test]
fn the_sample_report_yields_what_its_authors_meant() {
    let (name, bytes) = SAMPLES[0];
    let document = crate::document::extract(name, bytes).unwrap();
    let outputs = run(&document, &brand(BRANDS[0].0, BRANDS[0].1)).unwrap();
    let titles: Vec<&str> =
        outputs.inspirations().iter().map(|inspiration| inspiration.title.as_str()).collect();
    for trend in [
        "Proof you can touch",
        "The refill that pays back",
        "Borrow first",
        "Quiet protein",
        "Dressed for heat",
    ] {
        assert!(titles.iter().any(|title| title.contains(trend)), "{titles:?}");
    }
    let lessons: Vec<&str> = outputs.lessons().iter().map(|lesson| lesson.title.as_str()).collect();
    assert!(lessons.contains(&"Publish the tally") && lessons.contains(&"Sell late"), "{lessons:?}");
    let text = format!("{outputs:?}");
    assert!(!text.contains("previous instructions"), "what a document orders is not taken up");
}

#[test]
fn too_little_text_is_an_error() {
    let brand = brand(BRANDS[0].0, BRANDS[0].1);
    for text in ["", "Hello.", "One short sentence about refills stands here alone.", "12 13 14\n15 16 17\n"]
    {
        let error = ask(Stage::InputProcessing, &document(&[text]), &brand, &Outputs::default()).unwrap_err();
        assert!(matches!(error, AnalystError::TooLittleText(_)), "{text:?}: {error}");
    }
}

#[test]
fn another_language_is_refused_by_name() {
    let german =
        "Der Händler verleiht komplette Ausrüstungen, und die Gebühr wird beim Kauf angerechnet. ".repeat(12);
    let brand = brand(BRANDS[0].0, BRANDS[0].1);
    for stage in Stage::ALL {
        let error = ask(stage, &document(&[&german]), &brand, &Outputs::default()).unwrap_err();
        assert!(error.to_string().contains("written in German"), "{error}");
    }
}

#[test]
fn half_a_language_is_warned_of() {
    let german = "Der Händler verleiht komplette Ausrüstungen, und die Gebühr wird angerechnet. ".repeat(12);
    let english =
        "The library lends a kit to every household because people want to try it first. ".repeat(12);
    let warnings = analyse(&document(&[&english, &german]), &Stop::default()).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("mostly German")), "{warnings:?}");
}

#[test]
fn a_stopped_analysis_ends() {
    let token = tokio_util::sync::CancellationToken::new();
    token.cancel();
    let text = "The library lends a kit to every household because people want to try it first. ".repeat(12);
    let refusal = analyse(&document(&[&text]), &Stop::new(token)).unwrap_err();
    assert_eq!(refusal.to_string(), "the analysis was stopped");
}

#[test]
fn abbreviations_decimals_and_footnotes_split_no_sentence() {
    let text = "Dr. A. Meyer of Foods Inc. saw 2.5 million jars, e.g. in the U.S. market, in 2024. Returns fell.1 \
                Where did they go? “We asked.” They stayed.";
    assert_eq!(
        sentences::split(text),
        [
            "Dr. A. Meyer of Foods Inc. saw 2.5 million jars, e.g. in the U.S. market, in 2024.",
            "Returns fell.",
            "Where did they go?",
            "“We asked.”",
            "They stayed."
        ]
    );
}

#[test]
fn hyphens_at_line_ends_follow_the_word() {
    let page =
        "The firm sells non-\nalcoholic drinks and tested proto‐\ntypes of a well-\ndesigned bottle.\n";
    let blocks = blocks::blocks(&document(&[page]), &Stop::default()).unwrap().all;
    assert_eq!(
        blocks[0].text,
        "The firm sells non-alcoholic drinks and tested prototypes of a well-designed bottle."
    );
}

#[test]
fn headings_tables_and_captions_stay_out_of_sentences() {
    let page = "1 Borrow first\nA loan used to be the alternative to a sale in most of the shops.\n\n\
                Measure 2024 2025\n\nReturn rate\n\n16%\n\nFigure 2. Share of kits that came back.\n\n\
                How it works\nThe library lends a kit because people want to try it first.\n";
    let analysis = analyse(&document(&[page]), &Stop::default()).unwrap();
    let texts: Vec<&str> =
        analysis.sentences.iter().filter(|s| s.quotable).map(|s| s.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "A loan used to be the alternative to a sale in most of the shops.",
            "The library lends a kit because people want to try it first."
        ]
    );
}

#[test]
fn a_heading_between_paragraphs_needs_no_blank_line() {
    let page = "A loan is the most honest advertisement that any shop can think of.\nCounter-signals\n\
                Cleaning and inspection cost more than small shops can usually carry.\n";
    let found = blocks::blocks(&document(&[page]), &Stop::default()).unwrap().all;
    let texts: Vec<&str> = found.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(texts[1], "Counter-signals", "{texts:?}");
    assert_eq!(texts.len(), 3);
}

#[test]
fn debris_is_never_quotable() {
    for text in [
        "Spice 41% 58% 62% 12% 9% 7% 33%.",
        "This sentence has an open (bracket and never closes it at all.",
        "This sentence holds what could not be \u{fffd} read on the page.",
        "Trend | Lead case | Headline result | Strength.",
        "All rights reserved by the publisher of this report in 2026.",
        "lower case beginnings come from a sentence that was cut.",
        "Too short to say.",
    ] {
        assert!(!sentences::is_quotable(text), "{text}");
    }
}

#[test]
fn an_analysis_is_kept_for_later_stages() {
    let first = document(&["A document that nobody else in these tests asks about."]);
    let second = document(&["A document that nobody else in these tests asks about!"]);
    let kept = cache::analysis_of(&first, &Stop::default()).unwrap();
    assert!(std::sync::Arc::ptr_eq(&kept, &cache::analysis_of(&first, &Stop::default()).unwrap()));
    assert!(!std::sync::Arc::ptr_eq(&kept, &cache::analysis_of(&second, &Stop::default()).unwrap()));
}

#[test]
fn only_what_speaks_against_a_case_warns() {
    let page = "# Lockers\n\nThe lockers keep a parcel cool for a day, so that nobody has to wait for it at home.\n\n\
                ## Risks\n\nIf the council agrees, the first lockers can be ordered before Christmas. The town is now \
                considering three next steps without a date. The lockers come from two makers in the region. \
                Lockers in the sun fail on hot days, and two were closed.\n";
    let analysis = analyse(&document(&[page]), &Stop::default()).unwrap();
    let warnings: Vec<&str> =
        analysis.sentences.iter().filter(|s| counter_signals::warns(s)).map(|s| s.text.as_str()).collect();
    assert_eq!(warnings, ["Lockers in the sun fail on hot days, and two were closed."]);
}

#[test]
fn clauses_and_rows_of_tables_are_no_names() {
    for name in ["Alder & Finch: self-service counter", "Half Blade", "Harbour company"] {
        assert!(names::is_name(name), "{name}");
    }
    for other in [
        "Measure 2022/23 2025/26",
        "Sales of food and drink at the four stops rose by 140%",
        "In the spring of 2023 the company was close to giving up its kitchens",
    ] {
        assert!(!names::is_name(other), "{other}");
    }
}

#[test]
fn lessons_cite_their_quotes_once() {
    for (name, bytes) in SAMPLES {
        let document = crate::document::extract(name, bytes).unwrap();
        let outputs = run(&document, &brand(BRANDS[0].0, BRANDS[0].1)).unwrap();
        for lesson in outputs.lessons() {
            assert!(lesson.constraints_removed.iter().all(|text| !lesson.why_it_works.contains(&**text)));
            for text in lesson.constraints_removed.iter().chain([&lesson.principle]) {
                assert_eq!(document.format.cited_pages(text).len(), 1, "{name}: {text}");
            }
        }
        let risks = outputs.opportunities().iter().flat_map(|opportunity| &opportunity.risks);
        for risk in risks.filter(|risk| risk.contains("document warns")) {
            assert_eq!(document.format.cited_pages(risk).len(), 1, "{name}: {risk}");
        }
    }
}

#[test]
fn the_version_is_a_digest() {
    assert_eq!(ExtractiveAnalyst::version().len(), 64);
}

/// Lines that documents are made of, with the debris that extraction leaves.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[A-Z][a-z]{2,9}( [a-z]{1,9}){5,14} because [a-z]{3,8} of the [a-z]{4,8} fell by [0-9]{1,2}%\\.",
        "[A-Z][a-z]{2,9}( [a-z]{1,9}){3,10}\\.",
        "The [a-z]{3,9} is a [a-z]{3,9} that (deposit|refill|claim|repair|loan) [a-z]{2,8} for the people of [A-Z][a-z]{3,8}\\.",
        "[0-9]{1,2} [A-Z][a-z]{3,9}( [a-z]{2,8}){0,4}",
        "(How it works|Counter-signals|The case: Blue Door|Contents|1\\. Sell late)",
        "[•\\-–] [A-Za-z ]{3,40}",
        "\\PC{0,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_documents_give_outputs_or_a_refusal(
        pages in proptest::collection::vec(proptest::collection::vec(any_line(), 0..40), 1..5),
        which in 0_usize..4,
    ) {
        let pages: Vec<String> = pages.iter().map(|lines| lines.join("\n")).collect();
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        let mut brand = brand(BRANDS[which].0, BRANDS[which].1);
        // The fewest that a profile may have.
        brand.product_portfolio.truncate(3);
        match run(&document(&pages), &brand) {
            Ok(outputs) => {
                let titles: std::collections::BTreeSet<_> =
                    outputs.opportunities().iter().map(|opportunity| &opportunity.title).collect();
                prop_assert_eq!(titles.len(), 5, "{:?}", titles);
            }
            Err(error) => prop_assert!(
                matches!(error, AnalystError::TooLittleText(_) | AnalystError::UnknownLanguage(_)),
                "{error}"
            ),
        }
    }
}
