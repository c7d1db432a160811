//! Near matches: quotes that stand in the document within a stated number of edits, all of them slips of the pen.

use std::{collections::HashMap, ops::Range};

use aho_corasick::{AhoCorasick, MatchKind};

use super::{
    alignment::align,
    decisive::Stretch,
    finding::Finding,
    needle::Needle,
    page_index::{PageIndex, SearchedText},
    slices::slice,
};
use crate::stages::QuoteStatus;

/// The most edits between a quote and the document's words, as a share of the quote's characters. Edits are
/// inserted, deleted or substituted characters. White space, dashes and ASCII case are free.
pub const EDITS_SHARE_MAX: f64 = 0.10;
/// The most edits between a quote and the document's words, in all.
pub const EDITS_MAX: usize = 20;
/// Shorter quotes are never near anything. White space and dashes do not count.
pub const NEAR_CHARS_MIN: usize = 20;
/// The most places that are compared in full for one quote. Those that share the most pieces come first.
const CANDIDATES_MAX: usize = 24;
/// The most places of pieces for all quotes of an answer. Real documents have some thousands. A document that
/// repeats a word for megabytes must not stop the stage.
const HITS_MAX: usize = 2_000_000;

/// A quote that the document does not hold exactly.
struct UnmatchedQuote<'a> {
    /// Its index among the cited quotes.
    index: usize,
    needle: &'a Needle,
    chars: Vec<char>,
    edits_max: usize,
}

/// A part of an unmatched quote. A text within `edits_max` edits of the quote holds one of its `edits_max +
/// 1` parts unchanged.
struct Piece {
    wanted: usize,
    /// Characters of the quote before it.
    offset: usize,
}

pub(super) fn near(index: &PageIndex, needles: &[Needle], findings: &mut [Option<Finding>]) {
    let wanted: Vec<UnmatchedQuote<'_>> = needles
        .iter()
        .zip(findings.iter())
        .enumerate()
        .filter(|(_, (_, finding))| finding.is_none())
        .filter_map(|(index, (needle, _))| UnmatchedQuote::new(index, needle))
        .collect();
    let (pieces, texts) = pieces(&wanted);
    let automaton =
        AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(texts);
    // Building fails only beyond 2^31 states, and a quote has at most 600 characters.
    let Ok(automaton) = automaton else { return };
    let joints: Vec<SearchedText> =
        wanted.iter().flat_map(|wanted| index.joints(wanted.needle.page)).collect();
    let pages: Vec<&SearchedText> = index.pages.iter().map(|page| &page.searched).chain(&joints).collect();
    let mut hits: Vec<HashMap<(usize, i64), Hit>> = Vec::new();
    hits.resize_with(wanted.len(), HashMap::new);
    let mut hits_left = HITS_MAX;
    for (page_at, page) in pages.iter().enumerate() {
        for found in automaton.find_overlapping_iter(&page.skeleton.text).take(hits_left) {
            hits_left -= 1;
            let Some(piece) = pieces.get(found.pattern().as_usize()) else {
                continue;
            };
            let Some(places) = hits.get_mut(piece.wanted) else {
                continue;
            };
            let Some(edits_max) = wanted.get(piece.wanted).map(|wanted| wanted.edits_max) else {
                continue;
            };
            // Pieces of one place lie on neighbouring diagonals. The first of them is aligned in full.
            let diagonal = signed(found.start()) - signed(piece.offset);
            places
                .entry((page_at, diagonal.div_euclid(signed(edits_max + 1))))
                .or_insert(Hit { byte: found.start(), offset: piece.offset, count: 0 })
                .count += 1;
        }
    }
    for (wanted, places) in wanted.iter().zip(hits) {
        if let Some(slot) = findings.get_mut(wanted.index) {
            *slot = best(index, wanted, &pages, places);
        }
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A place where a piece of a quote stands.
#[derive(Clone, Copy)]
struct Hit {
    byte: usize,
    offset: usize,
    /// Pieces found near this place.
    count: usize,
}

impl<'a> UnmatchedQuote<'a> {
    fn new(index: usize, needle: &'a Needle) -> Option<Self> {
        let chars: Vec<char> = needle.skeleton.text.chars().collect();
        if chars.len() < NEAR_CHARS_MIN {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a quote's length is a small positive number"
        )]
        let edits_max = ((chars.len() as f64 * EDITS_SHARE_MAX) as usize).min(EDITS_MAX);
        Some(Self { index, needle, chars, edits_max })
    }
}

fn pieces(wanted: &[UnmatchedQuote<'_>]) -> (Vec<Piece>, Vec<String>) {
    let mut pieces = Vec::new();
    let mut texts = Vec::new();
    for (at, wanted) in wanted.iter().enumerate() {
        let parts = wanted.edits_max + 1;
        let length = wanted.chars.len();
        for part in 0..parts {
            let (start, end) = (part * length / parts, (part + 1) * length / parts);
            pieces.push(Piece { wanted: at, offset: start });
            texts.push(wanted.chars.get(start..end).unwrap_or_default().iter().collect());
        }
    }
    (pieces, texts)
}

/// The best place within the bound. The cited page comes first, then fewer edits, then the nearer page.
fn best(
    index: &PageIndex,
    wanted: &UnmatchedQuote<'_>,
    pages: &[&SearchedText],
    places: HashMap<(usize, i64), Hit>,
) -> Option<Finding> {
    let cited = wanted.needle.page;
    let mut candidates: Vec<(usize, &SearchedText, Hit)> = places
        .into_iter()
        .filter_map(|((page_at, _), hit)| Some((page_at, *pages.get(page_at)?, hit)))
        .collect();
    candidates.sort_by_key(|(page_at, page, hit)| {
        let distance = page.number.abs_diff(cited);
        (std::cmp::Reverse(hit.count), distance, *page_at, hit.byte, hit.offset)
    });
    candidates.truncate(CANDIDATES_MAX);
    let (_, page, range) = candidates
        .into_iter()
        .filter_map(|(_, page, hit)| {
            let (edits, range) = place(wanted, page, hit)?;
            let order = (page.number != cited, edits, page.number.abs_diff(cited), page.number, range.start);
            Some((order, page, range))
        })
        .min_by_key(|(order, _, _)| *order)?;
    let (page, slice) = slice(index, page, range)?;
    Some(Finding { status: QuoteStatus::Near, page, slice: Some(slice) })
}

/// The place of the document's words at a hit, if they are within the bound and say the same.
fn place(wanted: &UnmatchedQuote<'_>, page: &SearchedText, hit: Hit) -> Option<(usize, Range<usize>)> {
    let skeleton = &page.skeleton;
    let before: Vec<char> =
        skeleton.text.get(..hit.byte)?.chars().rev().take(hit.offset + wanted.edits_max).collect();
    let from = hit.byte - before.iter().map(|c| c.len_utf8()).sum::<usize>();
    let length = before.len() + wanted.chars.len() - hit.offset + wanted.edits_max;
    let (places, chars): (Vec<usize>, Vec<char>) =
        skeleton.text.get(from..)?.char_indices().take(length).map(|(at, c)| (from + at, c)).unzip();
    let alignment = align(&wanted.chars, &chars, before.len(), hit.offset, wanted.edits_max)?;
    let start = *places.get(alignment.start)?;
    let end = places
        .get(alignment.end)
        .copied()
        .unwrap_or_else(|| from + chars.iter().map(|c| c.len_utf8()).sum::<usize>());
    let (start, end) = skeleton.grown(start, end);
    if !page.admits(start, end) {
        return None;
    }
    let range = skeleton.original_range(&page.text, start, end);
    let mut readings = Stretch::readings(&page.text, &range);
    let stretch = readings.find(|stretch| stretch.is_quoted_by(&wanted.needle.tokens))?;
    Some((alignment.edits, stretch.range))
}
