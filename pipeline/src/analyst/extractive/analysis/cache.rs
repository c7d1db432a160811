//! The latest analyses: the four stages of a run ask for the same one in turn.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    analyst::extractive::analysis::{build, result::Analysis},
    document::Document,
    record::sha256_hex,
};

/// The latest analyses, by the digest of what they were made from: the four stages ask for the same one in turn.
static LATEST: Mutex<VecDeque<(String, Arc<Analysis>)>> = Mutex::new(VecDeque::new());
/// So many analyses are kept, of documents no longer than this; an analysis is several times as large as its text.
const KEPT_MAX: usize = 4;
const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The digest of everything that an analysis follows from.
fn digest(document: &Document) -> String {
    let mut all = format!("{:?} {}", document.format, document.title.as_deref().unwrap_or_default());
    for page in &document.pages {
        all.push_str(&format!("\u{0}{} {:?}\u{0}{}", page.number, page.running_header_lines, page.text));
    }
    sha256_hex(all.as_bytes())
}

/// The analysis of a document, from the latest ones where it is among them.
pub(crate) fn analysis_of(document: &Document) -> Arc<Analysis> {
    if document.pages.iter().map(|page| page.text.len()).sum::<usize>() > KEPT_BYTES_MAX {
        return Arc::new(build::analyse(document));
    }
    let key = digest(document);
    // What a panicking thread left is whole: entries are only pushed and popped.
    let latest = || LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, found)) = latest().iter().find(|(known, _)| *known == key) {
        return Arc::clone(found);
    }
    let analysis = Arc::new(build::analyse(document));
    let mut latest = latest();
    latest.push_front((key, Arc::clone(&analysis)));
    latest.truncate(KEPT_MAX);
    analysis
}
