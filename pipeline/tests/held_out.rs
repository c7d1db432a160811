//! Documents that the built-in analyst's rules were not written for. It finds their cases and the objections
//! to them. It says only things that the document or the brand's profile says.

#![allow(clippy::unwrap_used, clippy::panic)] // The helpers are tests too, but not marked so.

use std::{collections::BTreeSet, path::PathBuf};

use pipeline::{
    analyst::{Analyst, StageInput, extractive::ExtractiveAnalyst},
    brand::{BrandId, BrandProfile},
    document::{self, CompressedDocument, Document},
    grounding::{self, PageIndex},
    prior_outputs::PriorOutputs,
    run::{RunId, Stage},
    stages::{Outputs, references},
};
use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

const BRANDS: [&str; 4] = ["columbia-sportswear", "decathlon", "lactalis-canada", "mccormick-usa"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn held_out(name: &str) -> Document {
    let path = folder().join("tests/fixtures/held-out").join(name);
    document::extract(name, &std::fs::read(path).unwrap()).unwrap()
}

fn profile_text(id: &str) -> String {
    std::fs::read_to_string(folder().join(format!("../data/brand-profiles/{id}.yaml"))).unwrap()
}

fn brand(id: &str) -> BrandProfile {
    BrandProfile::from_yaml(BrandId::parse(id).unwrap(), &profile_text(id), None).unwrap()
}

/// All four stages; every quote is found word for word and every reference and figure holds.
fn run(document: &Document, id: &str) -> Outputs {
    let brand = brand(id);
    let index = PageIndex::new(document);
    let run = RunId::parse("held-out").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let document = &CompressedDocument::new(document.clone()).unwrap();
    let mut earlier = Outputs::default();
    for stage in Stage::ALL {
        let known = &PriorOutputs::new(earlier.clone()).unwrap();
        let input = StageInput {
            run: &run,
            document,
            brand: &brand,
            earlier: known,
            spend_limit_usd: None,
            lease: None,
            answers: None,
        };
        let answer = runtime.block_on(ExtractiveAnalyst::new().answer(stage, &input, &Default::default()));
        let mut output = answer.unwrap_or_else(|error| panic!("{id}, {stage}: {error}")).output;
        output.assign_ids();
        let (found, warnings) = grounding::ground(&mut output, &earlier, &index, &brand);
        let counts = (found.verbatim, found.unsupported_numbers);
        assert_eq!(counts, (found.quotes, 0), "{id}, {stage}: {warnings:?}");
        assert!(references::check(&mut output, &earlier, &brand).is_empty(), "{id}, {stage}");
        earlier.insert(output);
    }
    earlier
}

/// The stems of a text's words.
fn stems(text: &str) -> BTreeSet<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let lower = text.to_lowercase().replace(['’', '-'], " ");
    lower.unicode_words().map(|word| stemmer.stem(word).into_owned()).collect()
}

fn list(path: &str) -> String {
    let text = std::fs::read_to_string(folder().join(path)).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join(" ")
}

/// Everything that the analyst says in its own name.
fn told(outputs: &Outputs) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for opportunity in outputs.opportunities() {
        all.extend([opportunity.title.as_str(), &opportunity.pitch, &opportunity.why_this_brand]);
        all.extend(opportunity.first_steps.iter().chain(&opportunity.risks).map(String::as_str));
    }
    all.extend(outputs.lessons().iter().map(|lesson| lesson.title.as_str()));
    all.extend(outputs.inspirations().iter().flat_map(|i| [i.title.as_str(), &i.summary, &i.mechanism]));
    all.extend(outputs.trends().iter().map(|trend| trend.name.as_str()));
    all.extend(outputs.context.iter().map(|context| context.brand_context.as_str()));
    all
}

/// A text without the places behind its quotations: `(section 4)`.
fn without_places(text: &str, document: &Document) -> String {
    let format = document.format;
    let strip = |text: String, page: u32| text.replace(&format!(" ({})", format.place(page)), "");
    format.cited_pages(text).into_iter().fold(text.to_owned(), strip)
}

/// No word stands in a report that is neither the document's, nor the profile's, nor one of the closed list.
fn assert_says_nothing_of_its_own(document: &Document, outputs: &Outputs, id: &str) {
    let mut known = stems(&list("tests/fixtures/held-out/template-words.txt"));
    known.extend(stems(&list("src/analyst/extractive/text/lexicon/stopwords.txt")));
    known.extend(stems(&profile_text(id)));
    known.extend(document.pages.iter().flat_map(|page| stems(&page.text)));
    // The numbers that counts are told in, and the mark of the genitive.
    known.extend(stems("three four five six seven eight nine ten s"));
    for text in told(outputs) {
        let bare = without_places(text, document);
        let strange: Vec<String> = stems(&bare).into_iter().filter(|stem| !known.contains(stem)).collect();
        assert!(strange.is_empty(), "{id}: {strange:?} in: {text}");
    }
}

/// Runs a document for every brand, checks what holds for each, and that no two brands are told the same.
fn check(name: &str, cases: &[&str], objections: &[&str]) {
    let document = held_out(name);
    let mut titles: Vec<String> = Vec::new();
    for id in BRANDS {
        let outputs = run(&document, id);
        assert_says_nothing_of_its_own(&document, &outputs, id);
        let found: Vec<&str> = outputs.inspirations().iter().map(|i| i.title.as_str()).collect();
        for case in cases {
            assert!(found.iter().any(|title| title.contains(case)), "{name}: no {case} in {found:?}");
        }
        let risks: Vec<&String> = outputs.opportunities().iter().flat_map(|o| &o.risks).collect();
        let warned = objections.iter().filter(|words| risks.iter().any(|risk| risk.contains(*words))).count();
        assert!(warned > 0, "{name}, {id}: {risks:#?}");
        assert_eq!(outputs.opportunities().len(), 5);
        titles.extend(outputs.opportunities().iter().map(|o| o.title.clone()));
        for element in outputs.inspirations().iter().flat_map(|i| &i.key_elements) {
            assert!(!element.contains("Category") && !element.contains(" | "), "{element}");
        }
    }
    let count = titles.len();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), count, "{titles:#?}");
}

#[test]
fn sleep_as_a_service() {
    let objections =
        ["complained about corridor noise", "Critics in the works council warn", "households with children"];
    check(
        "sleep.md",
        &["Lumeo: The Room", "Brightwater Logistics: Paid to Nap", "Halcyon: A Mattress"],
        &objections,
    );
}

#[test]
fn towns_and_their_libraries() {
    let objections = ["volunteers are scarce", "has raised concerns", "unacceptable", "tests take time"];
    check("library.md", &["Ostrava Vale", "Tarn Water", "Mirefleet", "Sollentide"], &objections);
}

#[test]
fn a_short_press_release() {
    check(
        "press-release.md",
        &["Half Blade: ", "Vanterra: return rate"],
        &["not a success everywhere", "dislike its short handle"],
    );
}

#[test]
fn sections_that_are_no_cases_stay_out() {
    let outputs = run(&held_out("sleep.md"), "decathlon");
    let titles: Vec<String> = outputs
        .inspirations()
        .iter()
        .map(|i| i.title.clone())
        .chain(outputs.lessons().iter().map(|lesson| lesson.title.clone()))
        .collect();
    for heading in ["What It Means", "How We Worked", "About This Report"] {
        assert!(
            titles.iter().all(|title| !title.to_lowercase().contains(&heading.to_lowercase())),
            "{titles:?}"
        );
    }
    assert_eq!(outputs.inspirations().len(), 3);
    // Subscribing is a mechanism here, and no request of a web page.
    let opportunities = format!("{:?}", outputs.opportunities());
    assert!(opportunities.contains("“Halcyon") || opportunities.contains("(Halcyon)"), "{opportunities}");
}

#[test]
fn titles_in_capitals_do_not_shout() {
    let document = held_out("sleep.md");
    assert_eq!(document.title.as_deref(), Some("Night Shift: How Sleep Became a Service"));
}
