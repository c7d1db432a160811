//! The slice of a page that is stored for a quote: whole sentences where the limit allows, else a fragment.

use std::ops::Range;

use super::{
    finding::Slice,
    page_index::{IndexedPage, PageIndex, SearchedText},
    sentences,
};

/// The longest slice to which a quote is extended, in characters. It is the schemas' limit of a quote.
const QUOTE_CHARS_MAX: usize = 600;

/// The slice for a match at `range` of a searched text, with the number of its page.
pub(super) fn slice(index: &PageIndex, searched: &SearchedText, range: Range<usize>) -> Option<(u32, Slice)> {
    let Some(joint) = searched.joint else {
        return Some((searched.number, of_page(index.page(searched.number)?, range, false)?));
    };
    // A quote across a border is stored as the larger of its two pieces, which is a fragment.
    let first_end = joint.first_length.min(range.end);
    let second = (joint.first_length + 1).max(range.start);
    let (before, after) = (range.start..first_end, second..range.end);
    let is_first =
        before.len() > after.len() || (before.len() == after.len() && joint.first == searched.number);
    let (number, piece) = if is_first {
        (joint.first, joint.first_start + before.start..joint.first_start + before.end)
    } else {
        let shift = |at: usize| joint.second_start + (at - joint.first_length - 1);
        (joint.first + 1, shift(after.start)..shift(after.end))
    };
    Some((number, of_page(index.page(number)?, piece, true)?))
}

fn of_page(page: &IndexedPage, range: Range<usize>, is_piece: bool) -> Option<Slice> {
    let text = page.text();
    let raw = trimmed(text, range)?;
    let (start, end) = sentences::around(text, page.lines.block(&raw), raw.clone());
    let whole = trimmed(text, start.unwrap_or(raw.start)..end.unwrap_or(raw.end).max(raw.end))?;
    let fits = |range: &Range<usize>| {
        text.get(range.clone()).is_some_and(|text| text.chars().nth(QUOTE_CHARS_MAX).is_none())
    };
    let candidates = [whole.clone(), whole.start..raw.end, raw.start..whole.end];
    let range = candidates.into_iter().find(fits).unwrap_or_else(|| raw.clone());
    let begins_open = start.is_none()
        || range.start != whole.start
        || (page.is_continued && range.start <= page.body.start);
    let ends_open = end.is_none() || range.end != whole.end || (page.continues && range.end >= page.body.end);
    let words = text.get(range.clone())?;
    let first = text.get(..range.start)?.chars().count();
    Some(Slice {
        start: u32::try_from(first).unwrap_or(u32::MAX),
        end: u32::try_from(first + words.chars().count()).unwrap_or(u32::MAX),
        text: words.to_owned(),
        is_fragment: is_piece || begins_open || ends_open,
        areas: page.lines.areas(&range),
    })
}

/// The range without outer white space.
fn trimmed(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let words = text.get(range.clone())?;
    let start = range.start + (words.len() - words.trim_start().len());
    Some(start..start + words.trim().len())
}
