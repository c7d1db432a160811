//! Measures the pages per second of a 50-page report, in this process and in an isolated child. Measures
//! small documents in forked children and in processes of their own.
//!
//! `make bench BENCH=documents`

// A bench that cannot continue must stop with an error.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{fmt::Write as _, sync::Arc};

use backend::documents::{
    isolate::Isolation,
    readers::{Readers, Requester},
};
use divan::{Bencher, counter::ItemsCount};
use foundation::clock::SystemClock;
use pipeline::document;

const PAGES: usize = 50;

fn main() {
    divan::main();
}

/// A report of two columns with running headers. A page has about 570 words, as in the sample report, and the
/// file interleaves its columns.
fn report() -> Vec<u8> {
    const LINES: usize = 48;
    let words = [
        "refill",
        "counter",
        "shoppers",
        "because",
        "the",
        "of",
        "households",
        "return",
        "a",
        "deposit",
        "tin",
    ];
    let mut objects = vec!["<</Type/Catalog/Pages 2 0 R>>".to_owned(), String::new()];
    objects.push("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_owned());
    let mut kids = String::new();
    for page in 0..PAGES {
        let mut content = format!("BT /F 8 Tf 50 770 Td (The report) Tj 440 0 Td (Page {page}) Tj ET\n");
        for line in 0..LINES {
            for (side, x) in [50, 310].into_iter().enumerate() {
                let text: Vec<&str> =
                    (0..6).map(|at| words[(page * 7 + line * 3 + side + at * at) % words.len()]).collect();
                let y = 730 - 14 * line;
                writeln!(content, "BT /F 9 Tf {x} {y} Td ({}.) Tj ET", text.join(" ")).unwrap();
            }
        }
        let number = objects.len() + 1;
        write!(kids, "{number} 0 R ").unwrap();
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {} 0 R/Resources<</Font<</F 3 0 R>>>>>>",
            number + 1
        ));
        objects.push(format!("<</Length {}>>stream\n{content}\nendstream", content.len() + 1));
    }
    objects[1] = format!("<</Type/Pages/Count {PAGES}/Kids[{kids}]>>");
    let mut pdf = "%PDF-1.7\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        writeln!(table, "{:010} 00000 n ", pdf.len()).unwrap();
        write!(pdf, "{} 0 obj\n{object}\nendobj\n", index + 1).unwrap();
    }
    let start = pdf.len();
    write!(pdf, "{table}trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1)
        .unwrap();
    pdf.into_bytes()
}

#[divan::bench]
fn in_process(bencher: Bencher<'_, '_>) {
    let bytes = report();
    bencher
        .counter(ItemsCount::new(PAGES))
        .bench(|| document::extract("report.pdf", &bytes).unwrap().pages.len());
}

/// The whole cost of a document that costs nothing to read.
const SMALL: &[u8] = b"# A title\n\nA sentence.\n";

#[divan::bench]
fn small_in_a_forked_child(bencher: Bencher<'_, '_>) {
    let isolation =
        Isolation { program: Some(env!("CARGO_BIN_EXE_innovation").into()), ..Isolation::default() };
    let readers = Readers::new(isolation, Arc::new(SystemClock::default()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    bencher.counter(ItemsCount::new(1_usize)).bench(|| {
        runtime.block_on(readers.extract(&Requester::Unnamed, "small.md", SMALL)).unwrap().pages.len()
    });
}

#[divan::bench]
fn small_in_a_process_of_its_own(bencher: Bencher<'_, '_>) {
    let isolation =
        Isolation { program: Some(env!("CARGO_BIN_EXE_innovation").into()), ..Isolation::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| runtime.block_on(isolation.extract("small.md", SMALL)).unwrap().pages.len());
}

#[divan::bench]
fn isolated_child(bencher: Bencher<'_, '_>) {
    let bytes = report();
    let isolation =
        Isolation { program: Some(env!("CARGO_BIN_EXE_innovation").into()), ..Isolation::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    bencher.counter(ItemsCount::new(PAGES)).bench(|| {
        let document = runtime.block_on(isolation.extract("report.pdf", &bytes));
        document.unwrap().pages.len()
    });
}
