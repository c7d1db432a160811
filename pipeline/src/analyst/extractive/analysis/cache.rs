//! The latest analyses: the four stages of a run ask for the same one in turn.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    analyst::extractive::{
        analysis::{build, result::Analysis},
        refusal::Refusal,
        stop::Stop,
    },
    document::Document,
    record::sha256_hex,
};
use parking_lot::Mutex;

/// The latest analyses, each with the digest of its document and the bytes of its text.
static LATEST: Mutex<VecDeque<(String, usize, Arc<Analysis>)>> = Mutex::new(VecDeque::new());
/// The most analyses that are kept. An analysis is several times as large as its text.
const KEPT_MAX: usize = 4;
/// The most text whose analyses are kept, in bytes. The latest one is kept in any case.
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
///
/// # Errors
///
/// As [`build::analyse`].
pub(crate) fn analysis_of(document: &Document, stop: &Stop) -> Result<Arc<Analysis>, Refusal> {
    let bytes: usize = document.pages.iter().map(|page| page.text.len()).sum();
    let key = digest(document);
    // A panic cannot leave an entry half-written: entries are only pushed and dropped.
    let latest = || LATEST.lock();
    if let Some((_, _, found)) = latest().iter().find(|(known, _, _)| *known == key) {
        return Ok(Arc::clone(found));
    }
    let analysis = Arc::new(build::analyse(document, stop)?);
    let mut latest = latest();
    latest.push_front((key, bytes, Arc::clone(&analysis)));
    let mut kept = 0;
    let count = latest.iter().take_while(|(_, bytes, _)| {
        kept += bytes;
        kept <= KEPT_BYTES_MAX
    });
    let count = count.count().clamp(1, KEPT_MAX);
    latest.truncate(count);
    Ok(analysis)
}

/// Drops the analysis of a large document. Its last stage is done, and its memory is needed elsewhere.
pub(crate) fn forget_large() {
    LATEST.lock().retain(|(_, bytes, _)| *bytes <= KEPT_BYTES_MAX / KEPT_MAX);
}
