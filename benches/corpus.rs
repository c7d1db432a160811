//! Measures the readers of documents on a folder of any files: recall, precision and order of the words against `pdftotext`,
//! PyMuPDF and `NAME.expected.txt`, page counts, pages per second, slow files, and errors.
//!
//! `make corpus DIR=…`; without a folder, the samples. PYTHON names a Python that has PyMuPDF. CORPUS_JSON names the file for
//! all figures.

// A bench that cannot continue must stop with an error. It takes its parameters from the environment, as all benches.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, clippy::disallowed_methods)]

// Its tests have no runner here.
#[allow(dead_code)]
#[path = "../tests/support/agreement.rs"]
mod agreement;
#[path = "corpus/own.rs"]
mod own;
#[path = "corpus/reference.rs"]
mod reference;
#[path = "corpus/report.rs"]
mod report;

use std::path::{Path, PathBuf};

use self::report::Report;

/// Folders nested more deeply are links that lead back.
const DEPTH_MAX: usize = 32;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("CORPUS").map_or_else(|| root.join("data/samples"), PathBuf::from);
    let mut files = Vec::new();
    collect(&folder, 0, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no files below {}", folder.display());
    let (mut all, isolated) = own::isolated(&files);
    // The second engine's panics are caught, and are no news here.
    std::panic::set_hook(Box::new(|_| {}));
    let in_process = own::in_process(&mut all);
    let _ = std::panic::take_hook();
    let report = Report::new(&folder, all, isolated, in_process, &reference::all(&files));
    report.print();
    let json = std::env::var_os("CORPUS_JSON").map_or_else(|| root.join("target/corpus.json"), PathBuf::from);
    std::fs::write(&json, serde_json::to_vec_pretty(&report.json()).unwrap()).unwrap();
    println!("\nall figures: {}", json.display());
}

/// The documents below a folder: all files but hidden ones and expected texts.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') || name.ends_with(".expected.txt") {
            continue;
        }
        if path.is_dir() && depth < DEPTH_MAX {
            collect(&path, depth + 1, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}
