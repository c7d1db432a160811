//! The built-in analyst's answers to a small fixed document, compared with the committed ones.
//!
//! After an intended change of the rules: `UPDATE_GOLDEN=1 cargo test -p pipeline --test golden`, and read the
//! difference.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // The helpers are tests too, but not marked so.

use std::path::PathBuf;

use pipeline::{
    analyst::{Analyst, StageInput, extractive::ExtractiveAnalyst},
    brand::{BrandId, BrandProfile},
    document::{CompressedDocument, Document, Format, Page},
    grounding::{self, PageIndex},
    prior_outputs::PriorOutputs,
    run::{RunId, Stage},
    stages::Outputs,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> Document {
    let text = std::fs::read_to_string(folder().join("tests/golden/document.txt")).unwrap();
    // Each numbered section is a page of its own.
    let starts: Vec<usize> = text.match_indices("\n\n").map(|(at, _)| at + 2).collect();
    let numbered = starts.into_iter().filter(|at| text[*at..].starts_with(|c: char| c.is_ascii_digit()));
    let mut borders: Vec<usize> = std::iter::once(0).chain(numbered).collect();
    borders.push(text.len());
    let pages = borders.windows(2).zip(1..).map(|(pair, number)| Page {
        number,
        text: text[pair[0]..pair[1]].to_owned(),
        readable: 1.0,
        ..Page::default()
    });
    Document {
        source_name: "document.txt".to_owned(),
        format: Format::Text,
        title: Some("The Open Counter".to_owned()),
        pages: pages.collect(),
        warnings: Vec::new(),
        ..Document::default()
    }
}

fn brand(id: &str) -> BrandProfile {
    let path = folder().join(format!("../data/brand-profiles/{id}.yaml"));
    BrandProfile::from_yaml(BrandId::parse(id).unwrap(), &std::fs::read_to_string(path).unwrap(), None)
        .unwrap()
}

/// The payloads of all four stages, as they are stored.
async fn payloads(id: &str) -> String {
    let (document, brand) = (document(), brand(id));
    let index = PageIndex::new(&document);
    let run = RunId::parse("golden").unwrap();
    let mut earlier = Outputs::default();
    let mut all = serde_json::Map::new();
    for stage in Stage::ALL {
        let input = StageInput {
            run: &run,
            document: &CompressedDocument::new(document.clone()).unwrap(),
            brand: &brand,
            earlier: &PriorOutputs::new(earlier.clone()).unwrap(),
            spend_limit_usd: None,
            lease: None,
            answers: None,
        };
        let answer = ExtractiveAnalyst::new().answer(stage, &input, &Default::default()).await.unwrap();
        assert_eq!(answer.provenance.provider, "extractive");
        assert_eq!(answer.provenance.prompt_version, ExtractiveAnalyst::version());
        let mut output = answer.output;
        output.assign_ids();
        let (found, warnings) = grounding::ground(&mut output, &earlier, &index, &brand);
        assert_eq!((found.verbatim, found.unsupported_numbers), (found.quotes, 0), "{stage}: {warnings:?}");
        assert_eq!(
            (found.struck_quotes, found.struck_pages, found.struck_ids),
            (0, 0, 0),
            "{stage}: {warnings:?}"
        );
        all.insert(format!("stage{}", stage.number()), serde_json::to_value(&output).unwrap());
        earlier.insert(output);
    }
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}

async fn check(id: &str) {
    let found = payloads(id).await;
    assert_eq!(found, payloads(id).await, "the same input twice gives the same bytes");
    let path = folder().join(format!("tests/golden/{id}.json"));
    #[allow(clippy::disallowed_methods)]
    // The one switch of these tests, and it must be asked for explicitly.
    let update = std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1");
    if update {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(found == expected, "{id} differs from {}; found:\n{found}", path.display());
}

#[tokio::test]
async fn lactalis_canada() {
    check("lactalis-canada").await;
}

#[tokio::test]
async fn columbia_sportswear() {
    check("columbia-sportswear").await;
}
