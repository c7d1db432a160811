//! The latest analyses: the four stages of a run ask for the same one in turn.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    analyst::extractive::analysis::{build, result::Analysis},
    document::Document,
    record::sha256_hex,
};
use parking_lot::Mutex;

/// The latest analyses, each with the digest of its document.
static LATEST: Mutex<VecDeque<(String, Arc<Analysis>)>> = Mutex::new(VecDeque::new());
/// The most analyses that are kept. An analysis is several times as large as its text.
const KEPT_MAX: usize = 4;
/// The longest text whose analysis is kept, in bytes.
const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The digest of everything that an analysis depends on.
fn digest(document: &Document) -> String {
    let mut all = format!("{:?} {}", document.format, document.title.as_deref().unwrap_or_default());
    for page in &document.pages {
        all.push_str(&format!("\u{0}{} {:?}\u{0}{}", page.number, page.running_header_lines, page.text));
    }
    sha256_hex(all.as_bytes())
}

/// The analysis of a document, taken from the latest ones if it is there.
pub(crate) fn analysis_of(document: &Document) -> Arc<Analysis> {
    if document.pages.iter().map(|page| page.text.len()).sum::<usize>() > KEPT_BYTES_MAX {
        return Arc::new(build::analyse(document));
    }
    let key = digest(document);
    // A panic cannot leave an entry half-written: entries are only pushed and dropped.
    let latest = || LATEST.lock();
    if let Some((_, found)) = latest().iter().find(|(known, _)| *known == key) {
        return Arc::clone(found);
    }
    let analysis = Arc::new(build::analyse(document));
    let mut latest = latest();
    latest.push_front((key, Arc::clone(&analysis)));
    latest.truncate(KEPT_MAX);
    analysis
}
