//! The cost of the built-in analyst and of grounding on large and hostile documents.
//!
//! `cargo test --release -p pipeline --features testing --test large_documents -- --ignored --nocapture` prints times.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]
// The helpers are tests too, but not marked so. Times are what this file prints.

use std::{
    fmt::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use pipeline::{
    analyst::{Analyst, AnalystError, StageInput, extractive::ExtractiveAnalyst},
    brand::{BrandId, BrandProfile},
    document::{self, CompressedDocument, Document},
    grounding::{self, PageIndex},
    llm::LlmErrorCode,
    prior_outputs::PriorOutputs,
    run::{RunId, Stage},
    stages::Outputs,
};
use tokio_util::sync::CancellationToken;

const NOUNS: [&str; 24] = [
    "bottle",
    "library",
    "customer",
    "deposit",
    "parcel",
    "kitchen",
    "harbour",
    "machine",
    "season",
    "counter",
    "locker",
    "household",
    "market",
    "warehouse",
    "repair",
    "garden",
    "ticket",
    "jacket",
    "company",
    "village",
    "battery",
    "recipe",
    "delivery",
    "membership",
];
const VERBS: [&str; 8] =
    ["returns", "lends", "repairs", "measures", "shares", "refills", "tests", "publishes"];
const ADJECTIVES: [&str; 8] = ["shared", "empty", "local", "public", "slow", "honest", "small", "visible"];

/// A pseudo-random number that is the same in every run.
fn next(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize
}

fn word(seed: &mut u64) -> String {
    let length = 4 + next(seed) % 6;
    (0..length).map(|_| char::from(b'a' + (next(seed) % 26) as u8)).collect()
}

/// Prose with headings, names, figures and reasons.
fn prose(bytes: usize) -> String {
    let mut seed = 7;
    let mut text = String::new();
    while text.len() < bytes {
        let _ = write!(
            text,
            "## The {} {} {}\n\n",
            word(&mut seed),
            ADJECTIVES[next(&mut seed) % 8],
            NOUNS[next(&mut seed) % 24]
        );
        for _ in 0..6 {
            for _ in 0..5 {
                let mut name = word(&mut seed);
                name[..1].make_ascii_uppercase();
                let _ = write!(
                    text,
                    "{} {} the {} {} of every {} {}, because the {} {} fell by {} percent in {}. ",
                    name,
                    VERBS[next(&mut seed) % 8],
                    ADJECTIVES[next(&mut seed) % 8],
                    NOUNS[next(&mut seed) % 24],
                    word(&mut seed),
                    NOUNS[next(&mut seed) % 24],
                    word(&mut seed),
                    NOUNS[next(&mut seed) % 24],
                    next(&mut seed) % 90 + 2,
                    word(&mut seed),
                );
            }
            text.push_str("\n\n");
        }
    }
    text
}

fn repeated(piece: &str, bytes: usize) -> String {
    piece.repeat(bytes / piece.len() + 1)
}

/// Documents by shape.
fn shapes(bytes: usize) -> Vec<(&'static str, String)> {
    let mut seed = 3;
    let mut different = String::from("The shop ");
    while different.len() < bytes {
        different.push_str(&word(&mut seed));
        different.push(if next(&mut seed).is_multiple_of(15) { '.' } else { ' ' });
        if different.ends_with('.') {
            different.push_str(" The ");
        }
    }
    let headings: String = (0..bytes / 16).map(|at| format!("# Heading {at}\n\n")).collect();
    let lines: String = (0..bytes / 16).map(|at| format!("Heading {at} here\n")).collect();
    let mut one_page = prose(bytes).replace("## ", "");
    one_page = one_page.replace("\n\n", " ");
    vec![
        ("prose", prose(bytes)),
        ("one paragraph", one_page),
        ("one sentence", repeated("the shared bottle returns to a local library and ", bytes)),
        ("headings", headings),
        ("heading lines", lines),
        ("one word", repeated("bottle ", bytes)),
        ("one word, stops", repeated("Bottle. ", bytes)),
        ("different words", different),
        ("no spaces", repeated("瓶は町の図書館へ戻り、誰も箱を数えない", bytes)),
        (
            "one sentence again and again",
            repeated("The shop lends the bottle because the deposit fell by 12 percent. ", bytes),
        ),
        ("cut paragraphs", repeated("and the shared bottle goes on\n\n", bytes)),
        ("list", repeated("- The shop lends a bottle to every household of the town.\n", bytes)),
        ("determiners", repeated("a the an its every one of with ", bytes)),
        ("full stops", repeated(". ", bytes)),
        ("capitals", repeated("Bottle Library Market ", bytes)),
        ("numbers", repeated("12.5 % 31 4,000 ", bytes)),
    ]
}

fn brand() -> BrandProfile {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/brand-profiles/lactalis-canada.yaml");
    let yaml = std::fs::read_to_string(path).unwrap();
    BrandProfile::from_yaml(BrandId::parse("lactalis-canada").unwrap(), &yaml, None).unwrap()
}

/// The seconds of the analyst and of grounding, and the end.
fn cost(document: &Document) -> (f64, f64, String) {
    let (brand, run) = (brand(), RunId::parse("large").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let compressed = CompressedDocument::new(document.clone()).unwrap();
    let mut earlier = Outputs::default();
    let (mut analyst, mut grounded) = (0.0, 0.0);
    for stage in Stage::ALL {
        let known = &PriorOutputs::new(earlier.clone()).unwrap();
        let input = StageInput {
            run: &run,
            document: &compressed,
            brand: &brand,
            earlier: known,
            spend_limit_usd: None,
            lease: None,
            answers: None,
        };
        let began = Instant::now();
        let answer = runtime.block_on(ExtractiveAnalyst::new().answer(stage, &input, &Default::default()));
        analyst += began.elapsed().as_secs_f64();
        let mut output = match answer {
            Ok(answer) => answer.output,
            Err(AnalystError::TooLittleText(_)) => return (analyst, grounded, "too little".to_owned()),
            Err(error) => return (analyst, grounded, error.to_string()),
        };
        let began = Instant::now();
        output.assign_ids();
        let index = PageIndex::new(document);
        let (found, _) = grounding::ground(&mut output, &earlier, &index, &brand);
        grounded += began.elapsed().as_secs_f64();
        assert_eq!(found.verbatim, found.quotes, "{stage}");
        earlier.insert(output);
    }
    (analyst, grounded, "report".to_owned())
}

#[test]
#[ignore = "prints times; needs a release build"]
fn times_of_large_documents() {
    #[allow(clippy::disallowed_methods)]
    let (only, sizes) =
        (std::env::var("SHAPE").ok(), std::env::var("SIZES").unwrap_or("0.4 0.8 1.6 3.2".to_owned()));
    for megabytes in sizes.split(' ').map(|size| size.parse::<f64>().unwrap()) {
        for (name, text) in shapes((megabytes * 1_000_000.0) as usize) {
            if only.as_deref().is_some_and(|only| only != name) {
                continue;
            }
            let Ok(document) = document::extract("large.md", text.as_bytes()) else { continue };
            let (analyst, grounding, end) = cost(&document);
            println!(
                "{megabytes:.1} MB  {name:<30} {} pages  analyst {analyst:.2} s  grounding {grounding:.2} s  {end}",
                document.pages.len()
            );
        }
    }
}

/// A cancelled analysis of 3 MB ends long before it would be done, and a small document does not wait for it.
#[test]
fn a_cancel_ends_a_large_analysis() {
    let (brand, run) = (brand(), RunId::parse("large").unwrap());
    let compressed =
        |text: &str| CompressedDocument::new(document::extract("a.md", text.as_bytes()).unwrap()).unwrap();
    let (large, small) = (compressed(&prose(3_000_000)), compressed(&prose(20_000)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cancel = CancellationToken::new();
    let ask = async |document: &CompressedDocument| {
        let earlier = PriorOutputs::default();
        let input = StageInput {
            run: &run,
            document,
            brand: &brand,
            earlier: &earlier,
            spend_limit_usd: None,
            lease: None,
            answers: None,
        };
        ExtractiveAnalyst::new().answer(Stage::InputProcessing, &input, &cancel).await
    };
    let (end, cancelled_at) = runtime.block_on(async {
        tokio::join!(ask(&large), async {
            ask(&small).await.unwrap();
            cancel.cancel();
            Instant::now()
        })
    });
    assert!(
        matches!(&end, Err(AnalystError::Llm(error)) if error.code == LlmErrorCode::Cancelled),
        "{end:?}"
    );
    // The thread has ended, too: the runtime waits for it.
    drop(runtime);
    assert!(cancelled_at.elapsed() < Duration::from_secs(5), "{:?}", cancelled_at.elapsed());
}
