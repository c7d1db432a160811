//! Tokens: the words, figures, symbols and stops of a text, by which two texts are the same or not.

use unicode_normalization::UnicodeNormalization;

use super::{
    script_digits::{ascii_digit, is_fraction, is_superscript, keeps_form},
    token::{Char, Token},
    token_reader::Reader,
};

/// All tokens of a text. `starts_line` says whether the text begins at the beginning of a line.
pub(super) fn tokens(text: &str, starts_line: bool) -> Vec<Token> {
    let mut chars: Vec<Char> = Vec::with_capacity(text.len());
    let mut all = text.char_indices().peekable();
    while let Some((start, c)) = all.next() {
        let end = start + c.len_utf8();
        if c == '\u{ad}' {
            // A soft hyphen at the end of a line divides a word there.
            all.next_if(|(_, next)| *next == '\n');
            continue;
        }
        if c.is_ascii() || keeps_form(c) || is_superscript(c) || is_fraction(c) {
            chars.push(Char { c, start, end });
        } else if !crate::visible_text::is_invisible(c) && c != '\u{640}' {
            let folded = std::iter::once(fold(c)).nfkc().map(ascii_digit);
            chars.extend(folded.map(|c| Char { c, start, end }));
        }
    }
    Reader::new(&chars, starts_line).read()
}

/// Apostrophes and separators that compatibility forms leave different.
const fn fold(c: char) -> char {
    match c {
        '‘' | '’' | 'ʼ' | '＇' => '\'',
        '\u{66b}' => '.',
        '\u{66c}' => ',',
        '\u{66a}' => '%',
        '\u{609}' => '‰',
        _ => c,
    }
}
