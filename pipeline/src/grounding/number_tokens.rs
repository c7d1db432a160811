//! Tokens: runs of digits and separators in a text.

use unicode_normalization::UnicodeNormalization;

use super::script_digits::{ascii_digit, keeps_form};

/// The text with the digits of all scripts in ASCII. Raised digits stay raised, so that `2019³` is not `20193`.
pub(super) fn prepared(text: &str) -> String {
    let mut prepared = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' => prepared.push('-'),
            '\u{2019}' => prepared.push('\''),
            '\u{66b}' => prepared.push('.'),
            '\u{66c}' => prepared.push(','),
            '½' => prepared.push_str(" half"),
            _ if c.is_ascii() || keeps_form(c) => prepared.push(c),
            _ => prepared.extend(std::iter::once(c).nfkc().map(ascii_digit)),
        }
    }
    prepared
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Plain,
    /// `1,000` or `1'000'000.5`: the separators can only group thousands.
    Grouped,
    /// `1 000`.
    Spaced,
    /// `2.5`. If three digits follow (`1.000`), the separator may group thousands.
    Decimal {
        maybe_grouped: bool,
    },
    /// A date or a version, whose parts are numbers.
    Compound,
}

pub(super) struct Token {
    pub(super) text: String,
    pub(super) shape: Shape,
    pub(super) end: usize,
}

pub(super) fn is_digit(chars: &[char], at: usize) -> bool {
    chars.get(at).is_some_and(char::is_ascii_digit)
}

/// The number that starts with the digit at `at`.
pub(super) fn token(chars: &[char], at: usize) -> Token {
    let digits_from =
        |from: usize| chars.get(from..).unwrap_or_default().iter().take_while(|c| c.is_ascii_digit()).count();
    let mut lengths = vec![digits_from(at)];
    let mut separators = Vec::new();
    let mut end = at + digits_from(at);
    while let Some(separator) = chars.get(end).filter(|c| matches!(c, '.' | ',' | '\'')) {
        let length = digits_from(end + 1);
        if length == 0 {
            break;
        }
        separators.push(*separator);
        lengths.push(length);
        end += 1 + length;
    }
    let short_start = lengths.first().is_some_and(|length| *length <= 3);
    let mut shape = match separators.as_slice() {
        [] => Shape::Plain,
        [one] => match lengths.last() {
            Some(3) if short_start && *one == ',' || *one == '\'' => Shape::Grouped,
            last => Shape::Decimal { maybe_grouped: short_start && last == Some(&3) },
        },
        [first, middle @ .., last] => {
            let grouped = short_start
                && middle.iter().all(|separator| separator == first)
                && lengths.iter().skip(1).rev().skip(1).all(|length| *length == 3);
            match (grouped, first == last, lengths.last()) {
                (true, true, Some(3)) | (true, false, _) => Shape::Grouped,
                _ => Shape::Compound,
            }
        }
    };
    if shape == Shape::Plain && short_start {
        while chars.get(end) == Some(&' ') && digits_from(end + 1) == 3 {
            end += 4;
            shape = Shape::Spaced;
        }
    }
    Token { text: chars.get(at..end).unwrap_or_default().iter().collect(), shape, end }
}
