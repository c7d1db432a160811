//! Hostile documents do their reader no harm.

use std::process::Command;
use std::time::{Duration, Instant};

use backend::documents::{
    isolate::Isolation,
    limits::{INPUT_BYTES_MAX, Limits},
};
use pipeline::document::{Document, DocumentError};

use super::{PROGRAM, assert_in_order};
use crate::support::hostile;

/// The outcome of a hostile document.
struct Survived {
    elapsed: Duration,
    /// The parent's own peak memory; its child's is not part of it.
    peak_bytes: u64,
    /// The error's code, or the text.
    result: Result<String, String>,
}

/// Runs the binary on the document and watches the memory of the process itself while it lasts.
fn survive(name: &str, bytes: &[u8]) -> Survived {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    let output = std::fs::File::create(folder.path().join("out")).unwrap();
    let started = Instant::now();
    let mut process =
        Command::new(PROGRAM).arg("extract").arg(&file).arg("--json").stdout(output).spawn().unwrap();
    let mut peak_bytes = 0;
    let status = loop {
        peak_bytes = peak_bytes.max(high_water_mark(process.id()).unwrap_or(0));
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        // The pace of the samples: the memory over time is the subject.
        std::thread::sleep(Duration::from_millis(10));
    };
    let elapsed = started.elapsed();
    let said = std::fs::read(folder.path().join("out")).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    let result = if status.success() {
        let document: Document = serde_json::from_value(said).unwrap();
        Ok(document.pages.iter().map(|page| page.text.as_str()).collect::<Vec<_>>().join("\n"))
    } else {
        Err(said["error"]["code"].as_str().unwrap().to_owned())
    };
    Survived { elapsed, peak_bytes, result }
}

/// `VmHWM` of a process, where there is `/proc`.
fn high_water_mark(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Asserts that the document ends in time with one of these codes, without growing the parent.
fn assert_survives(name: &str, bytes: &[u8], codes: &[&str]) -> Survived {
    const PARENT_BYTES_MAX: u64 = 100 * 1024 * 1024;
    let survived = survive(name, bytes);
    println!(
        "{name}: {:?} in {:?}, parent {} MiB",
        outcome(&survived.result),
        survived.elapsed,
        survived.peak_bytes >> 20
    );
    assert!(survived.elapsed < Duration::from_secs(11), "{name}: {:?}", survived.elapsed);
    assert!(
        survived.peak_bytes < PARENT_BYTES_MAX + bytes.len() as u64,
        "{name}: {} bytes",
        survived.peak_bytes
    );
    match &survived.result {
        Err(code) => assert!(codes.contains(&code.as_str()), "{name}: {code}"),
        Ok(_) => assert!(codes.contains(&"OK"), "{name} was read"),
    }
    survived
}

fn outcome(result: &Result<String, String>) -> &str {
    result.as_ref().map_or_else(String::as_str, |_| "read")
}

const TOO_MUCH: &[&str] = &["DOCUMENT_TOO_LARGE", "DOCUMENT_TIMEOUT"];

#[test]
#[ignore = "slow: make test-long"]
fn a_flate_bomb_is_survived() {
    assert_survives("flate-bomb.pdf", &hostile::flate_bomb(), TOO_MUCH);
}

#[test]
fn a_form_that_draws_itself_is_survived() {
    assert_survives("self-referencing.pdf", &hostile::self_referencing_form(), &["OK", "DOCUMENT_TIMEOUT"]);
}

#[test]
fn exponential_forms_are_survived() {
    assert_survives("exponential.pdf", &hostile::exponential_forms(), TOO_MUCH);
}

#[test]
fn deeply_nested_objects_are_survived() {
    assert_survives(
        "deep.pdf",
        &hostile::deep_objects(),
        &["DOCUMENT_CORRUPT", "DOCUMENT_NO_TEXT", "DOCUMENT_TIMEOUT"],
    );
}

#[test]
fn a_page_tree_of_400_000_pages_terminates() {
    let bytes = hostile::many_pages();
    assert!(bytes.len() < INPUT_BYTES_MAX, "else its size would be refused and not its pages");
    assert_survives("many-pages.pdf", &bytes, TOO_MUCH);
}

#[test]
fn a_circular_page_tree_terminates() {
    assert_survives("loop.pdf", &hostile::page_tree_loop(), &["DOCUMENT_CORRUPT", "DOCUMENT_NO_TEXT"]);
}

#[test]
fn a_pdf_without_its_table_is_read() {
    let survived = assert_survives("truncated-xref.pdf", &hostile::truncated_xref(), &["OK"]);
    assert!(survived.result.unwrap().contains("The table is missing"));
}

#[test]
fn zip_bombs_are_survived() {
    assert_survives("bomb.docx", &hostile::zip_bomb(), &["DOCUMENT_TOO_LARGE"]);
    assert_survives("entries.docx", &hostile::many_entries(), &["DOCUMENT_TOO_LARGE"]);
}

#[test]
fn xml_and_html_bombs_are_survived() {
    assert_survives("laughs.docx", &hostile::billion_laughs(), &["DOCUMENT_CORRUPT"]);
    assert_survives("deep.docx", &hostile::deep_xml(), &["DOCUMENT_CORRUPT", "DOCUMENT_TOO_LARGE"]);
    let html = assert_survives("deep.html", &hostile::deep_html(), &["OK"]);
    assert_in_order(&html.result.unwrap(), &["Words at the start", "Words at the heart"]);
}

#[test]
fn an_oversized_document_is_rejected_before_reading() {
    assert_survives("long.txt", &hostile::too_long(), &["DOCUMENT_TOO_LARGE"]);
}

#[tokio::test]
async fn the_wall_time_limit_kills_the_child() {
    let isolation = Isolation {
        program: Some(PROGRAM.into()),
        limits: Limits { wall_timeout: Duration::from_millis(300), ..Limits::default() },
    };
    let result = isolation.extract("exponential.pdf", &hostile::exponential_forms()).await;
    assert!(matches!(result, Err(DocumentError::Timeout(_))), "{result:?}");
}
