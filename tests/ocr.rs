//! OCR with the real program, and its faults with programs that stand in for it.
#![cfg(target_os = "linux")]

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command, sync::Arc, time::Duration};

use backend::{
    config::{OcrConfig, OcrSetting},
    documents::{
        isolate::Isolation,
        ocr::{Ocr, OcrReport},
    },
};
use foundation::clock::SystemClock;
use pipeline::document::{Document, DocumentError, LineRole};

use crate::support::{
    root,
    scans::{Lies, noise, picture, scan, typed},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_innovation");

const ENGLISH: [&str; 3] = [
    "In 2024, 31% of shoppers brought their own bottle back to the store.",
    "A deposit of 25 cents is not a price, it is a promise between strangers.",
    "The refill bar in Montreal sold 4,200 litres within its first month.",
];
const GERMAN: [&str; 2] = [
    "Größere Märkte führen Mehrwegflaschen für Öl und Müsli ein.",
    "Die Rückgabe läuft über 1.250 Automaten, ganz ohne Gebühr.",
];

fn config(languages: &[&str], program: Option<PathBuf>) -> OcrConfig {
    let languages = languages.iter().map(|name| (*name).to_owned()).collect();
    OcrConfig { setting: OcrSetting::Auto, languages, program, ..OcrConfig::default() }
}

fn ocr(config: OcrConfig) -> Ocr {
    let isolation = Isolation { program: Some(PROGRAM.into()), ..Isolation::default() };
    Ocr::new(config, isolation, Arc::new(SystemClock::default()))
}

async fn read(ocr: &Ocr, bytes: &[u8]) -> Result<Document, DocumentError> {
    ocr.extract("scan.pdf", bytes).await
}

fn english() -> Vec<u8> {
    scan(&[(&picture(&typed("Refill bars", &ENGLISH)), Lies::Upright)])
}

#[tokio::test]
async fn scans_become_text_with_places() {
    let pages = [picture(&typed("Refill bars", &ENGLISH)), picture(&typed("Mehrweg für Märkte", &GERMAN))];
    let bytes = scan(&[(&pages[0], Lies::Upright), (&pages[1], Lies::Turned)]);
    let ocr = ocr(config(&["eng", "deu"], None));
    let document = read(&ocr, &bytes).await.unwrap();
    for (page, lines) in document.pages.iter().zip([&ENGLISH[..], &GERMAN]) {
        for line in lines {
            assert!(page.text.contains(line), "{line}: {}", page.text);
        }
        assert!(page.is_recognised && page.readable > 0.99);
        // The lines were typed from x = 60 on, at 142 points below the upper edge.
        let mark = page.marks.iter().find(|mark| mark.role == LineRole::Text).unwrap();
        let area = mark.area.unwrap();
        assert!((area.left - 60.0).abs() < 3.0 && (area.bottom - 145.0).abs() < 4.0, "{area:?}");
    }
    assert_eq!(document.title.as_deref(), Some("Refill bars"));
    let said = &document.warnings[0];
    assert!(
        said.starts_with("Each of pages 1 and 2 was read by OCR (tesseract ") && said.contains("eng + deu"),
        "{said}"
    );
    let OcrReport { available, landlock_abi, seccomp, .. } = ocr.report();
    assert_eq!((available, seccomp), (Some(true), Some(true)));
    assert!(landlock_abi.unwrap() > 0);
}

#[tokio::test]
async fn sideways_scans_are_read() {
    let bytes = scan(&[(&picture(&typed("Refill bars", &ENGLISH)), Lies::Sideways)]);
    let document = read(&ocr(config(&["eng"], None)), &bytes).await.unwrap();
    assert!(document.pages[0].text.contains(ENGLISH[1]), "{}", document.pages[0].text);
}

#[tokio::test]
async fn noise_is_no_text() {
    let error = read(&ocr(config(&["eng"], None)), &scan(&[(&noise(), Lies::Upright)])).await.unwrap_err();
    assert_eq!(error.code(), "DOCUMENT_NO_TEXT");
    assert!(error.to_string().contains("found no words"), "{error}");
}

#[tokio::test]
async fn without_ocr_the_next_step_is_named() {
    let missing = config(&["eng"], Some("/nowhere/tesseract".into()));
    let foreign = config(&["eng", "tlh"], None);
    for (config, said) in [
        (OcrConfig::default(), "OCR=auto"),
        (missing, "OCR_PROGRAM"),
        (foreign, "lacks languages of OCR_LANGUAGES (tlh)"),
    ] {
        let error = read(&ocr(config), &english()).await.unwrap_err();
        assert_eq!(error.code(), "DOCUMENT_NO_TEXT");
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// A program that answers like `tesseract`, and does this with a page.
fn stand_in(does: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tesseract");
    let data = folder.path().display();
    let script = format!(
        "#!/bin/sh\ncase $1 in\n--version) echo tesseract 9.9; exit;;\n--list-langs) echo 'List in \"{data}\" (1):'; echo \
         eng; exit;;\nesac\nread kind; read sides\nprintf 'level\\tpage\\n'\ncase $sides in '64 64') exit;; esac\n{does}\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, program)
}

const WORD: &str = "printf '5\\t1\\t1\\t1\\t1\\t1\\t0\\t0\\t9\\t9\\t95\\tStolen\\n'";

#[tokio::test]
async fn a_hijacked_program_reaches_nothing() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "a secret\n").unwrap();
    let secret = secret.path().display();
    for (deed, is_possible) in [
        (format!("read line < {secret} && {WORD}"), false),
        (format!("echo forged > {secret} && {WORD}"), false),
        (format!("/bin/ls && {WORD}"), false),
        (format!("( {WORD} )"), false),
        (WORD.to_owned(), true),
    ] {
        let (_folder, program) = stand_in(&deed);
        let document = read(&ocr(config(&["eng"], Some(program))), &english()).await;
        assert_eq!(document.is_ok(), is_possible, "{deed}: {document:?}");
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn faults_of_the_program_have_their_words() {
    for (deed, seconds, said) in [
        ("kill -9 $$", 30, "DOCUMENT_NO_TEXT"),
        ("x=aaaaaaaa; while :; do x=$x$x; done", 30, "DOCUMENT_NO_TEXT"),
        ("echo not a table", 30, "DOCUMENT_NO_TEXT"),
        ("while :; do echo word; done", 30, "DOCUMENT_NO_TEXT"),
        ("while :; do :; done", 1, "DOCUMENT_TIMEOUT"),
    ] {
        let (_folder, program) = stand_in(deed);
        let config = OcrConfig { deadline: Duration::from_secs(seconds), ..config(&["eng"], Some(program)) };
        let error = read(&ocr(config), &english()).await.unwrap_err();
        assert_eq!(error.code(), said, "{deed}: {error}");
        assert!(!error.to_string().contains("found no words"), "{deed}: {error}");
    }
}

/// Lines that fit on a typed page.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + word.len() > 75) {
            lines.push(String::new());
        }
        let line = lines.last_mut().unwrap();
        *line = format!("{line} {word}").trim_start().to_owned();
    }
    lines
}

#[test]
fn a_run_marks_quotes_of_scans() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scan.pdf");
    let notes = fs::read_to_string(root().join("data/samples/field-notes.txt")).unwrap();
    let notes = wrapped(&notes.replace(['\u{201c}', '\u{201d}'], "\"").replace('\u{2019}', "'"));
    let typed = typed("Field notes", &notes.iter().map(String::as_str).collect::<Vec<_>>());
    fs::write(&file, scan(&[(&picture(&typed), Lies::Upright)])).unwrap();
    let output = Command::new(PROGRAM)
        .args(["run", file.to_str().unwrap(), "--brand", "lactalis-canada", "--analyst", "extractive"])
        .args(["--out", folder.path().join("out").to_str().unwrap()])
        .current_dir(root())
        .env("OCR", "auto")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let run = fs::read_dir(folder.path().join("out"))
        .unwrap()
        .flatten()
        .find(|entry| entry.path().join("report.md").exists());
    let report = fs::read_to_string(run.unwrap().path().join("report.md")).unwrap();
    assert!(report.contains("; read by OCR") && report.contains("was read by OCR (tesseract"), "{report}");
}
