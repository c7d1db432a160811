//! Looks quotes up: exactly, across page borders, within slips of the pen, and then in hidden text.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use memchr::memmem;

use super::{
    decisive::Stretch,
    finding::{Cited, Finding},
    markdown_marks::unmarked,
    near::near,
    needle::Needle,
    normalise::Skeleton,
    page_index::{PageIndex, SearchedText},
    slices::slice,
};
use crate::stages::QuoteStatus;

/// The most places of a page whose figures are compared with a quote's. A page that repeats a figure for megabytes
/// must not stop the stage.
const READS_MAX: usize = 500;

/// Looks up all quotes of an answer.
pub(super) fn locate(index: &PageIndex, cited: &[Cited<'_>]) -> Vec<Finding> {
    let mut findings: Vec<Option<Finding>> = vec![None; cited.len()];
    let plain: Vec<Needle> = cited.iter().map(|cited| Needle::new(cited.quote, cited.page)).collect();
    // A model that was sent Markdown may quote it with its marks.
    let unmarked: Vec<Option<Needle>> = cited
        .iter()
        .map(|cited| unmarked(cited.quote).map(|quote| Needle::new(&quote, cited.page)))
        .collect();
    for ((finding, needle), unmarked) in findings.iter_mut().zip(&plain).zip(&unmarked) {
        *finding = exact(index, needle).or_else(|| unmarked.as_ref().and_then(|needle| exact(index, needle)));
    }
    let needles: Vec<Needle> =
        plain.into_iter().zip(unmarked).map(|(plain, unmarked)| unmarked.unwrap_or(plain)).collect();
    near(index, &needles, &mut findings);
    let hide = |page| Finding::without_slice(QuoteStatus::Hidden, page);
    for (finding, needle) in findings.iter_mut().zip(&needles).filter(|(finding, _)| finding.is_none()) {
        let found = index.hidden.iter().find(|text| place(text, needle).is_some());
        *finding = found.map(|text| hide(text.number));
    }
    let absent = |needle: &Needle| Finding::without_slice(QuoteStatus::Absent, needle.page);
    findings
        .into_iter()
        .zip(&needles)
        .map(|(finding, needle)| finding.unwrap_or_else(|| absent(needle)))
        .collect()
}

/// Looks one text up exactly, from this page on.
pub(super) fn exactly(index: &PageIndex, text: &str, page: u32) -> Option<Finding> {
    exact(index, &Needle::new(text, page))
}

/// Searches the cited page, then its borders, then the other pages. The nearest page wins.
fn exact(index: &PageIndex, needle: &Needle) -> Option<Finding> {
    if !needle.skeleton.text.chars().any(char::is_alphanumeric) {
        return Some(Finding::without_slice(QuoteStatus::Absent, needle.page));
    }
    let finding = |status, text: &SearchedText, range| {
        let (page, slice) = slice(index, text, range)?;
        Some(Finding { status, page, slice: Some(slice) })
    };
    let cited = index.page(needle.page).map(|page| &page.searched);
    let on_cited = cited.and_then(|text| finding(QuoteStatus::Verbatim, text, place(text, needle)?));
    let at_border = || {
        let joints = index.joints(needle.page);
        joints.iter().find_map(|text| finding(QuoteStatus::Verbatim, text, place(text, needle)?))
    };
    let elsewhere = || {
        let others = index.pages.iter().filter(|page| page.number() != needle.page);
        let found = others.filter_map(|page| Some((page, place(&page.searched, needle)?)));
        let (page, range) = found.min_by_key(|(page, _)| page.number().abs_diff(needle.page))?;
        finding(QuoteStatus::WrongPage, &page.searched, range)
    };
    on_cited.or_else(at_border).or_else(elsewhere)
}

/// The place of a quote in a text, in bytes of the text.
fn place(text: &SearchedText, needle: &Needle) -> Option<Range<usize>> {
    let wanted = needle.skeleton.text.as_bytes();
    if wanted.is_empty() {
        return None;
    }
    let finder = memmem::Finder::new(wanted);
    let haystack = text.skeleton.text.as_bytes();
    let (mut from, mut reads) = (0, 0);
    // Overlapping places count, too: in `1 11` the quote `11` is the second of them.
    while let Some(found) = haystack.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + found;
        let end = at + wanted.len();
        if text.admits(at, end) && text.skeleton.agrees(at, &needle.skeleton) {
            let range = text.skeleton.original_range(&text.text, at, end);
            reads += 1;
            let mut readings = Stretch::readings(&text.text, &range);
            if let Some(stretch) = readings.find(|stretch| stretch.has_amounts(&needle.tokens)) {
                return Some(stretch.range);
            }
            if reads == READS_MAX {
                return None;
            }
        }
        from = at + 1;
    }
    None
}

/// Whether a text holds the words of a quotation, in whatever case of ASCII letters.
pub(super) fn holds(text: &SearchedText, needle: &Needle) -> bool {
    stands_in(&text.skeleton, &text.text, needle)
}

/// Whether a text of this skeleton holds the words of a quotation.
pub(super) fn stands_in(skeleton: &Skeleton, text: &str, needle: &Needle) -> bool {
    let wanted = &needle.skeleton.text;
    if wanted.is_empty() {
        return false;
    }
    let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build([wanted]);
    let Ok(automaton) = automaton else { return false };
    automaton.find_iter(&skeleton.text).take(READS_MAX).any(|found| {
        skeleton.agrees(found.start(), &needle.skeleton)
            && Stretch::readings(text, &skeleton.original_range(text, found.start(), found.end()))
                .any(|stretch| stretch.has_amounts(&needle.tokens))
    })
}
