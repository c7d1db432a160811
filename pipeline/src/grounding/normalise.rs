//! The form in which quotes and pages are compared, with offsets back to the document's own words.
//!
//! A [`Skeleton`] holds a text's characters without white space and dashes. It keeps each removed stretch as
//! a [`Gap`]. So one substring search finds a quote despite line breaks, and the gaps decide whether it is
//! the same text. `non-⏎alcoholic` is both `non-alcoholic` and `nonalcoholic`, but `10-15` is never `1015`,
//! and `no table` is never `notable`.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::{
    character_class::{Class, classify, is_unspaced_script},
    script_digits::{ascii_digit, keeps_form},
};

/// The text between two characters of a skeleton.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    None,
    Space,
    /// A dash that belongs to the text, with or without white space around it.
    Dash,
    /// A hyphen or soft hyphen between letters at the end of a line. It may belong to the word, or only to
    /// the line.
    LineEndHyphen,
}

/// A text in the form in which it is compared. All three fields have one entry for each byte of `text`.
#[derive(Debug, Default)]
pub(super) struct Skeleton {
    /// The characters in NFKC form (without ligatures), with quotation marks folded to `'` and digits of all
    /// scripts to ASCII. Superscripts and fractions stay. White space, dashes, soft hyphens, the marks of lists
    /// and tables, and invisible characters are removed. Case is kept.
    pub(super) text: String,
    /// The offset of the byte's grapheme in the original.
    offsets: Vec<u32>,
    /// The gap before the character, or `None` for a character's later bytes.
    gaps: Vec<Gap>,
}

/// The removed characters since the last one that was kept.
#[derive(Default)]
struct Pending {
    space: bool,
    dash: bool,
    soft_hyphen: bool,
    /// A line break came after the dash or soft hyphen.
    broken_after: bool,
}

impl Skeleton {
    pub(super) fn new(original: &str) -> Self {
        let mut skeleton = Self {
            text: String::with_capacity(original.len()),
            offsets: Vec::with_capacity(original.len()),
            gaps: Vec::with_capacity(original.len()),
        };
        let mut pending = Pending::default();
        let mut last = None;
        let bytes = original.as_bytes();
        let mut at = 0;
        while let Some(rest) = original.get(at..).filter(|rest| !rest.is_empty()) {
            let ascii = bytes.get(at).filter(|byte| byte.is_ascii());
            let alone = bytes.get(at + 1).is_none_or(u8::is_ascii);
            // An ASCII character before another one is a grapheme of its own (`\r\n` is space either way).
            if let (Some(byte), true) = (ascii, alone) {
                skeleton.take(char::from(*byte), at, &mut pending, &mut last);
                at += 1;
                continue;
            }
            let Some(grapheme) = rest.graphemes(true).next() else {
                break;
            };
            // NFKC would fold a raised digit to a plain one, so such characters are taken as they are.
            for piece in grapheme.split_inclusive(keeps_form) {
                let kept = piece.chars().next_back().filter(|c| keeps_form(*c));
                let plain = piece.trim_end_matches(keeps_form);
                for c in plain.chars().map(fold).nfkc().map(ascii_digit).chain(kept) {
                    skeleton.take(c, at, &mut pending, &mut last);
                }
            }
            at += grapheme.len();
        }
        skeleton
    }

    fn take(&mut self, c: char, at: usize, pending: &mut Pending, last: &mut Option<char>) {
        match classify(c) {
            Class::Dropped => {}
            Class::Space => pending.space = true,
            Class::LineBreak => {
                pending.space = true;
                pending.broken_after |= pending.dash || pending.soft_hyphen;
            }
            Class::Dash => {
                // A dash after white space, or a second one, is never a hyphen at the end of a line.
                pending.broken_after = false;
                pending.space |= pending.dash;
                pending.dash = true;
            }
            Class::SoftHyphen => pending.soft_hyphen = true,
            Class::Kept(c) => {
                let gap = gap(pending, *last, c);
                self.push(c, at, gap);
                *pending = Pending::default();
                *last = Some(c);
            }
        }
    }

    fn push(&mut self, c: char, at: usize, gap: Gap) {
        self.text.push(c);
        // Texts are far below 4 GiB (`document::TEXT_BYTES_MAX`).
        self.offsets.push(u32::try_from(at).unwrap_or(u32::MAX));
        self.gaps.push(gap);
        for _ in 1..c.len_utf8() {
            self.offsets.push(u32::try_from(at).unwrap_or(u32::MAX));
            self.gaps.push(Gap::None);
        }
    }

    /// The gap before the character at this byte.
    pub(super) fn gap(&self, byte: usize) -> Gap {
        self.gaps.get(byte).copied().unwrap_or(Gap::None)
    }

    /// The first byte of the skeleton that comes from the original's byte `offset` or later.
    pub(super) fn byte_of(&self, offset: usize) -> usize {
        self.offsets.partition_point(|at| (*at as usize) < offset)
    }

    /// The range of the original that the skeleton's bytes `start..end` come from.
    pub(super) fn original_range(&self, original: &str, start: usize, end: usize) -> std::ops::Range<usize> {
        let offset = |byte: usize| self.offsets.get(byte).map(|at| *at as usize);
        let from = offset(start).unwrap_or(original.len());
        let to = end
            .checked_sub(1)
            .and_then(offset)
            .and_then(|at| Some(at + original.get(at..)?.graphemes(true).next()?.len()))
            .unwrap_or(original.len());
        from..to.max(from)
    }

    /// Whether a match of the quote's characters at `at` also has the quote's gaps, and begins and ends where
    /// words and numbers do.
    pub(super) fn agrees(&self, at: usize, quote: &Self) -> bool {
        let end = at + quote.text.len();
        if self.cuts(at) || self.cuts(end) {
            return false;
        }
        let mut previous = None;
        for (byte, c) in quote.text.char_indices() {
            if let Some(before) = previous
                && !same_gap(self.gap(at + byte), quote.gap(byte), before, c)
            {
                return false;
            }
            previous = Some(c);
        }
        true
    }

    /// The range grown to whole words and figures: `5 %` must not be found in `25 %`. No word of a language with
    /// spaces is longer than the limit.
    pub(super) fn grown(&self, mut start: usize, mut end: usize) -> (usize, usize) {
        const GROWTH_MAX: usize = 64;
        for _ in 0..GROWTH_MAX {
            let before = self.text.get(..start).and_then(|text| text.chars().next_back());
            match before.filter(|_| self.cuts(start)) {
                Some(c) => start -= c.len_utf8(),
                None => break,
            }
        }
        for _ in 0..GROWTH_MAX {
            let after = self.text.get(end..).and_then(|text| text.chars().next());
            match after.filter(|_| self.cuts(end)) {
                Some(c) => end += c.len_utf8(),
                None => break,
            }
        }
        (start, end)
    }

    /// Whether a border before this byte cuts a word or a number (`2|5 %`, `2.|5`, `2|.5`).
    pub(super) fn cuts(&self, byte: usize) -> bool {
        let (Some(before), Some(after)) = (self.text.get(..byte), self.text.get(byte..)) else {
            return true;
        };
        let (Some(left), Some(right)) = (before.chars().next_back(), after.chars().next()) else {
            return false;
        };
        if self.gap(byte) != Gap::None || is_unspaced_script(left) || is_unspaced_script(right) {
            return false;
        }
        if left.is_alphanumeric() && right.is_alphanumeric() {
            return true;
        }
        let separator = |c: char| matches!(c, '.' | ',');
        if separator(left) && right.is_ascii_digit() {
            let separator_at = byte - left.len_utf8();
            return self.gap(separator_at) == Gap::None
                && before.chars().rev().nth(1).is_some_and(|c| c.is_ascii_digit());
        }
        if left.is_ascii_digit() && separator(right) {
            let next_at = byte + right.len_utf8();
            return self.gap(next_at) == Gap::None
                && after.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        }
        false
    }
}

fn gap(pending: &Pending, last: Option<char>, next: char) -> Gap {
    let between_letters = last.is_some_and(char::is_alphabetic) && next.is_alphabetic();
    if pending.dash {
        return if pending.broken_after && between_letters { Gap::LineEndHyphen } else { Gap::Dash };
    }
    if pending.soft_hyphen && pending.broken_after && between_letters {
        return Gap::LineEndHyphen;
    }
    if pending.space { Gap::Space } else { Gap::None }
}

/// Whether a page's gap may stand for a quote's.
fn same_gap(page: Gap, quote: Gap, before: char, after: char) -> bool {
    match (page, quote) {
        (Gap::Dash, Gap::Dash | Gap::LineEndHyphen)
        | (Gap::LineEndHyphen, Gap::None | Gap::Dash | Gap::LineEndHyphen)
        | (Gap::None, Gap::LineEndHyphen) => true,
        (Gap::None | Gap::Space, Gap::None | Gap::Space) => {
            let matters = |c: char| c.is_alphanumeric() && !is_unspaced_script(c);
            page == quote || !(matters(before) && matters(after))
        }
        _ => false,
    }
}

/// Folds characters that NFKC would decompose or leave different.
fn fold(c: char) -> char {
    match c {
        '‘' | '’' | '‚' | '‛' | '`' | '´' | '′' | '‵' | 'ʼ' | '"' | '“' | '”' | '„' | '‟' | '«' | '»'
        | '‹' | '›' | '″' | '‶' | '＂' | '＇' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        '\u{66a}' => '%',
        '\u{609}' => '‰',
        _ => c,
    }
}
