//! Looks quotes up: exactly, across page borders, and then within a stated number of edits.

use memchr::memmem;

use super::{
    finding::{Cited, Finding},
    near::near,
    normalise::Skeleton,
    page_index::{IndexedPage, PageIndex},
};
use crate::stages::QuoteStatus;

/// Looks up all quotes of an answer.
pub(super) fn locate(index: &PageIndex, cited: &[Cited<'_>]) -> Vec<Finding> {
    let needles: Vec<Skeleton> = cited.iter().map(|cited| needle(cited.quote)).collect();
    let mut findings: Vec<Option<Finding>> =
        cited.iter().zip(&needles).map(|(cited, needle)| exact(index, cited.page, needle)).collect();
    near(index, cited, &needles, &mut findings);
    cited
        .iter()
        .zip(findings)
        .map(|(cited, finding)| finding.unwrap_or(Finding::new(QuoteStatus::Absent, cited.page)))
        .collect()
}

/// The quote without the marks that people and models put around quotes.
fn needle(quote: &str) -> Skeleton {
    let around = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\''
                    | '“'
                    | '”'
                    | '„'
                    | '‘'
                    | '’'
                    | '«'
                    | '»'
                    | '-'
                    | '–'
                    | '—'
                    | '.'
                    | ','
                    | ';'
                    | ':'
                    | '…'
                    | '•'
                    | '*'
            )
    };
    Skeleton::new(quote.trim_matches(around))
}

/// Searches the cited page, then its borders, then the other pages. The nearest page wins.
fn exact(index: &PageIndex, cited: u32, needle: &Skeleton) -> Option<Finding> {
    if !needle.text.chars().any(char::is_alphanumeric) {
        return Some(Finding::new(QuoteStatus::Absent, cited));
    }
    let finder = memmem::Finder::new(needle.text.as_bytes());
    let holds = |page: &IndexedPage| {
        let text = page.skeleton.text.as_bytes();
        let mut from = 0;
        // Overlapping places count, too: in `1 11` the quote `11` is the second of them.
        while let Some(found) = text.get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + found;
            if page.admits(at, at + needle.text.len()) && page.skeleton.agrees(at, needle) {
                return true;
            }
            from = at + 1;
        }
        false
    };
    if index.page(cited).is_some_and(holds) || index.joints(cited).iter().any(holds) {
        return Some(Finding::new(QuoteStatus::Verbatim, cited));
    }
    index
        .pages
        .iter()
        .filter(|page| page.number != cited && holds(page))
        .min_by_key(|page| page.number.abs_diff(cited))
        .map(|page| Finding::new(QuoteStatus::WrongPage, page.number))
}
