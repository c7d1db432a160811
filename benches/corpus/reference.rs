//! Other programs that read the same documents: `pdftotext`, and PyMuPDF where Python has it.

use std::{
    collections::HashMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Prints a line of JSON for each file whose path it reads. It measures its own time, without its start.
const PYMUPDF: &str = r#"
import json, sys, time
try:
    import pymupdf as fitz
except ImportError:
    import fitz
if hasattr(fitz, "TOOLS"): fitz.TOOLS.mupdf_display_errors(False)
for path in sys.stdin.read().split("\0"):
    started = time.perf_counter()
    try:
        with fitz.open(path) as document:
            pages = [page.get_text() for page in document]
    except Exception:
        continue
    seconds = time.perf_counter() - started
    print(json.dumps({"path": path, "text": "\f".join(pages), "pages": len(pages), "seconds": seconds}))
"#;

/// A document as another program reads it.
pub(crate) struct Reading {
    pub(crate) text: String,
    /// `None` if the reference does not say.
    pub(crate) pages: Option<usize>,
}

/// The corpus as one program reads it.
pub(crate) struct Reference {
    pub(crate) name: &'static str,
    pub(crate) readings: HashMap<PathBuf, Reading>,
    /// The time for all documents, if it was measured.
    pub(crate) elapsed: Option<Duration>,
}

impl Reference {
    pub(crate) fn pages(&self) -> usize {
        self.readings.values().filter_map(|reading| reading.pages).sum()
    }
}

/// The references that exist here: programs that are installed, and texts beside the documents.
pub(crate) fn all(files: &[PathBuf]) -> Vec<Reference> {
    let pdfs: Vec<&Path> = files.iter().map(PathBuf::as_path).filter(|file| is_pdf(file)).collect();
    let found = [pdftotext(&pdfs), pymupdf(&pdfs), expected(files)];
    found.into_iter().flatten().filter(|reference| !reference.readings.is_empty()).collect()
}

fn is_pdf(file: &Path) -> bool {
    std::fs::read(file)
        .is_ok_and(|bytes| bytes.get(..1024).unwrap_or(&bytes).windows(5).any(|w| w == b"%PDF-"))
}

fn pdftotext(files: &[&Path]) -> Option<Reference> {
    Command::new("pdftotext").arg("-v").output().ok()?;
    let started = Instant::now();
    let mut readings = HashMap::new();
    for file in files {
        let output = Command::new("pdftotext").args(["-q", "-enc", "UTF-8"]).arg(file).arg("-").output();
        let Some(output) = output.ok().filter(|output| output.status.success()) else { continue };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let pages = text.matches('\u{c}').count();
        readings.insert(file.to_path_buf(), Reading { text, pages: Some(pages) });
    }
    Some(Reference { name: "pdftotext", readings, elapsed: Some(started.elapsed()) })
}

fn pymupdf(files: &[&Path]) -> Option<Reference> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut program = Command::new(&python)
        .args(["-c", PYMUPDF])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let paths: Vec<&str> = files.iter().filter_map(|file| file.to_str()).collect();
    // Without PyMuPDF, Python ends before it reads this.
    let _ = program.stdin.take()?.write_all(paths.join("\0").as_bytes());
    let output = program.wait_with_output().ok()?;
    let mut elapsed = Duration::ZERO;
    let mut readings = HashMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
        elapsed += Duration::from_secs_f64(line["seconds"].as_f64()?);
        let pages = line["pages"].as_u64().map(|pages| pages as usize);
        let text = line["text"].as_str()?.to_owned();
        readings.insert(line["path"].as_str()?.into(), Reading { text, pages });
    }
    Some(Reference { name: "PyMuPDF", readings, elapsed: Some(elapsed) })
}

/// The texts of people, in `NAME.expected.txt` beside `NAME`. A text that names an error (`!!`) is none.
fn expected(files: &[PathBuf]) -> Option<Reference> {
    let mut readings = HashMap::new();
    for file in files {
        let beside = PathBuf::from(format!("{}.expected.txt", file.display()));
        let Ok(text) = std::fs::read_to_string(beside) else { continue };
        if !text.starts_with("!!") && !text.starts_with('(') {
            readings.insert(file.clone(), Reading { text, pages: None });
        }
    }
    Some(Reference { name: "expected.txt", readings, elapsed: None })
}
