//! A quote in the form in which it is searched.

use super::{decisive, normalise::Skeleton, token::Token};

/// A quote in the form in which it is searched.
pub(super) struct Needle {
    pub(super) page: u32,
    pub(super) skeleton: Skeleton,
    /// Its tokens, with the signs that stand at its ends.
    pub(super) tokens: Vec<Token>,
}

impl Needle {
    pub(super) fn new(quote: &str, page: u32) -> Self {
        Self { page, skeleton: Skeleton::new(bare(quote)), tokens: decisive::quoted(quote) }
    }
}

/// The quote without the marks that people and models put around quotes.
fn bare(quote: &str) -> &str {
    quote.trim_matches(|c: char| {
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
    })
}
