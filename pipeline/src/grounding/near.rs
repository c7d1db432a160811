//! Near matches: quotes that stand in the document within a stated number of edits.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{
    alignment::align,
    digits,
    finding::{Cited, Finding},
    normalise::{Skeleton, collapsed},
    page_index::{IndexedPage, PageIndex},
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
    cited: Cited<'a>,
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

pub(super) fn near(
    index: &PageIndex,
    cited: &[Cited<'_>],
    needles: &[Skeleton],
    findings: &mut [Option<Finding>],
) {
    let wanted: Vec<UnmatchedQuote<'_>> = cited
        .iter()
        .zip(needles)
        .zip(findings.iter())
        .enumerate()
        .filter(|(_, (_, finding))| finding.is_none())
        .filter_map(|(index, ((cited, needle), _))| UnmatchedQuote::new(index, *cited, needle))
        .collect();
    let (pieces, texts) = pieces(&wanted);
    let automaton =
        AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(texts);
    // Building fails only beyond 2^31 states, and a quote has at most 600 characters.
    let Ok(automaton) = automaton else { return };
    let joints: Vec<IndexedPage> = wanted.iter().flat_map(|wanted| index.joints(wanted.cited.page)).collect();
    let pages: Vec<&IndexedPage> = index.pages.iter().chain(&joints).collect();
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
            *slot = best(wanted, &pages, places);
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
    fn new(index: usize, cited: Cited<'a>, needle: &Skeleton) -> Option<Self> {
        let chars: Vec<char> = needle.text.chars().collect();
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
        Some(Self { index, cited, chars, edits_max })
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
    wanted: &UnmatchedQuote<'_>,
    pages: &[&IndexedPage],
    places: HashMap<(usize, i64), Hit>,
) -> Option<Finding> {
    let cited = wanted.cited.page;
    let mut candidates: Vec<(usize, &IndexedPage, Hit)> = places
        .into_iter()
        .filter_map(|((page_at, _), hit)| Some((page_at, *pages.get(page_at)?, hit)))
        .collect();
    candidates.sort_by_key(|(page_at, page, hit)| {
        let distance = page.number.abs_diff(cited);
        (std::cmp::Reverse(hit.count), distance, *page_at, hit.byte, hit.offset)
    });
    candidates.truncate(CANDIDATES_MAX);
    candidates
        .into_iter()
        .filter_map(|(_, page, hit)| {
            let (edits, words) = words_at(wanted, page, hit)?;
            Some(((page.number != cited, edits, page.number.abs_diff(cited), page.number), words))
        })
        .min_by(|(left, _), (right, _)| left.cmp(right))
        .map(|((_, _, _, page), words)| Finding { status: QuoteStatus::Near, page, words: Some(words) })
}

/// The document's words at a hit, if they are within the bound and hold the quote's numbers.
fn words_at(wanted: &UnmatchedQuote<'_>, page: &IndexedPage, hit: Hit) -> Option<(usize, String)> {
    let skeleton = &page.skeleton;
    let before: Vec<char> =
        skeleton.text.get(..hit.byte)?.chars().rev().take(hit.offset + wanted.edits_max).collect();
    let from = hit.byte - before.iter().map(|c| c.len_utf8()).sum::<usize>();
    let length = before.len() + wanted.chars.len() - hit.offset + wanted.edits_max;
    let (places, chars): (Vec<usize>, Vec<char>) =
        skeleton.text.get(from..)?.char_indices().take(length).map(|(at, c)| (from + at, c)).unzip();
    let alignment = align(&wanted.chars, &chars, before.len(), hit.offset, wanted.edits_max)?;
    let mut start = *places.get(alignment.start)?;
    let mut end = places
        .get(alignment.end)
        .copied()
        .unwrap_or_else(|| from + chars.iter().map(|c| c.len_utf8()).sum::<usize>());
    // A match grows to whole words and numbers: `5 %` must not be found in `25 %`.
    while start > 0 && skeleton.cuts(start) {
        start -= skeleton.text.get(..start)?.chars().next_back()?.len_utf8();
    }
    while end < skeleton.text.len() && skeleton.cuts(end) {
        end += skeleton.text.get(end..)?.chars().next()?.len_utf8();
    }
    if !page.admits(start, end) {
        return None;
    }
    let words = collapsed(page.text.get(skeleton.original_range(&page.text, start, end))?);
    digits::same_digits(wanted.cited.quote, &words).then_some((alignment.edits, words))
}
