//! The token, and the character that tokens are made of.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// Digits with the separators within them.
    Figure,
    /// A sign, a currency, a unit, a superscript or the dash of a range.
    Symbol,
    /// Punctuation that ends or divides a sentence.
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Words in lower case and without hyphens.
    pub(super) text: String,
    pub(super) range: Range<usize>,
    /// It belongs to the figure before it, so nothing may be cut between the two.
    pub(super) joins_before: bool,
    /// It belongs to the figure after it.
    pub(super) joins_after: bool,
    /// A reference to a footnote or source. A quote may leave it out.
    pub(super) is_footnote: bool,
    /// A word that begins with a capital letter.
    pub(super) is_capitalised: bool,
}

impl Token {
    pub(super) fn new(kind: Kind, text: impl Into<String>, range: Range<usize>) -> Self {
        Self {
            kind,
            text: text.into(),
            range,
            joins_before: false,
            joins_after: false,
            is_footnote: false,
            is_capitalised: false,
        }
    }

    /// Whether it stands for an amount or its sign or unit.
    pub(super) const fn is_amount(&self) -> bool {
        matches!(self.kind, Kind::Figure | Kind::Symbol)
    }
}

/// A character in the form in which it is compared, with its place in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Char {
    pub(super) c: char,
    pub(super) start: usize,
    pub(super) end: usize,
}
