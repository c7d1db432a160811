//! Measures the search for quotes in a long document, and the digest of a large record.
//!
//! `make bench BENCH=grounding`

use divan::{Bencher, black_box};
use pipeline::{
    brand::{BrandId, BrandProfile},
    document::{Document, Format, Page},
    grounding::{PageIndex, ground},
    record::sha256_canonical,
    stages::{Evidence, InputProcessing, Inspiration, Outputs, StageOutput},
};

const PAGES: u32 = 400;
const QUOTES: u32 = 30;
/// A dense page.
const WORDS_PER_PAGE: u32 = 650;

fn main() {
    divan::main();
}

/// Deterministic text of invented words.
fn words(seed: u32, count: u32) -> String {
    const SYLLABLES: [&str; 16] = [
        "ra", "ten", "mo", "li", "ver", "sha", "con", "pro", "duc", "mar", "ket", "al", "ing", "est", "or",
        "um",
    ];
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let mut text = String::new();
    for word in 0..count {
        for _ in 0..=next(3) {
            text.push_str(SYLLABLES.get(next(SYLLABLES.len())).copied().unwrap_or_default());
        }
        text.push(if word % 12 == 11 { '\n' } else { ' ' });
    }
    text
}

fn document() -> Document {
    Document {
        source_name: "bench".to_owned(),
        format: Format::Pdf,
        title: None,
        pages: (1..=PAGES)
            .map(|number| Page {
                number,
                text: words(number, WORDS_PER_PAGE),
                readable: 1.0,
                ..Page::default()
            })
            .collect(),
        warnings: Vec::new(),
        ..Document::default()
    }
}

/// Changes to the document's words before they are cited.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Verbatim,
    WrongPage,
    Near,
    Absent,
}

fn answer(document: &Document, kinds: &[Kind]) -> StageOutput {
    let evidence = (0..QUOTES)
        .zip(kinds.iter().cycle())
        .map(|(at, kind)| {
            let page = 1 + at * PAGES / QUOTES;
            let text = document.page(page).map_or("", |page| &page.text);
            let quote = text.split_whitespace().skip(40).take(40).collect::<Vec<_>>().join(" ");
            match kind {
                Kind::Verbatim => (quote, page),
                Kind::WrongPage => (quote, (page + PAGES / 2) % PAGES + 1),
                Kind::Near => (quote.replacen('a', "q", 3), (page + PAGES / 2) % PAGES + 1),
                Kind::Absent => (words(1_000_000 + at, 40), page),
            }
        })
        .map(|(quote, page)| Evidence::cited(quote, page))
        .collect();
    StageOutput::InputProcessing(InputProcessing {
        inspirations: vec![Inspiration {
            id: "I1".to_owned(),
            title: "title".to_owned(),
            summary: "In 2024, 31% of them".to_owned(),
            mechanism: "mechanism".to_owned(),
            key_elements: Vec::new(),
            evidence,
        }],
    })
}

fn brand() -> Option<BrandProfile> {
    let yaml = "brand_name: A\ncountry: B\nindustry: C\npositioning: D\nproduct_portfolio: [A, B, C]\n\
                target_customers: [A, B]\nrecent_innovations: [A, B]\nstrategic_priorities: [A, B, C]\n\
                brand_values: [A, B, C]\n";
    BrandProfile::from_yaml(BrandId::parse("bench").ok()?, yaml, None).ok()
}

fn bench_kinds(bencher: Bencher<'_, '_>, kinds: &[Kind]) {
    let document = document();
    let index = PageIndex::new(&document);
    let answer = answer(&document, kinds);
    let Some(brand) = brand() else { return };
    let earlier = Outputs::default();
    bencher.with_inputs(|| answer.clone()).bench_refs(|output| ground(output, &earlier, &index, &brand));
}

#[divan::bench]
fn index_400_pages(bencher: Bencher<'_, '_>) {
    let document = document();
    bencher.bench(|| PageIndex::new(black_box(&document)));
}

#[divan::bench]
fn quotes_30_verbatim(bencher: Bencher<'_, '_>) {
    bench_kinds(bencher, &[Kind::Verbatim]);
}

#[divan::bench]
fn quotes_30_mixed(bencher: Bencher<'_, '_>) {
    bench_kinds(bencher, &[Kind::Verbatim, Kind::WrongPage, Kind::Near, Kind::Absent]);
}

#[divan::bench]
fn quotes_30_near_on_other_pages(bencher: Bencher<'_, '_>) {
    bench_kinds(bencher, &[Kind::Near]);
}

#[divan::bench]
fn quotes_30_absent(bencher: Bencher<'_, '_>) {
    bench_kinds(bencher, &[Kind::Absent]);
}

#[divan::bench]
fn canonical_digest_of_100_kb(bencher: Bencher<'_, '_>) {
    let items: Vec<serde_json::Value> = (0..100)
        .map(|at| {
            serde_json::json!({
                "title": words(at, 8), "id": format!("I{at}"), "summary": words(at + 500, 140), "page": at,
                "share": f64::from(at) / 7.0,
            })
        })
        .collect();
    let record = serde_json::json!({ "inspirations": items });
    let bytes = record.to_string().len();
    bencher.counter(divan::counter::BytesCount::new(bytes)).bench(|| sha256_canonical(black_box(&record)));
}
