//! Whether a quote says what a stretch of the document says: the same figures, signs and units, no word more or
//! less, and no other word than a slip of the pen.

use std::{borrow::Cow, ops::Range};

use super::{
    character_class::is_unspaced_script,
    decisive_words::decides,
    token::{Kind, Token},
    tokens::tokens,
};

/// How many bytes beside a stretch of the document are read for the signs and units of its first and last figure.
const BESIDE_BYTES: usize = 96;

/// The words of a stretch of the document.
pub(super) struct Stretch {
    tokens: Vec<Token>,
    /// Its place in the text.
    pub(super) range: Range<usize>,
}

/// A quote's tokens. Marks that people and models put around quotes are no part of it.
pub(super) fn quoted(quote: &str) -> Vec<Token> {
    let quote = quote.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '\'' | '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '…' | '*' | '•')
    });
    let ellipsis = quote.trim_start_matches('.');
    let quote = if quote.len() - ellipsis.len() >= 2 { ellipsis.trim_start() } else { quote };
    without_outer_stops(tokens(quote, true))
}

impl Stretch {
    /// The two readings of `text` in `range`: with its line breaks, and with a blank for each, as quotes are
    /// written. A dash is a bullet at the beginning of a line and may be the dash of a range within one.
    pub(super) fn readings(text: &str, range: &Range<usize>) -> impl Iterator<Item = Self> {
        let is_broken = text.get(range.clone()).is_some_and(|slice| slice.contains('\n'));
        let unbroken = is_broken.then_some(true);
        std::iter::once(false).chain(unbroken).filter_map(move |unbroken| Self::read(text, range, unbroken))
    }

    /// The tokens of `text` in `range`. A range that begins or ends within a figure, its sign or its unit grows to
    /// hold them whole, because comparison by characters leaves dashes out.
    fn read(text: &str, range: &Range<usize>, unbroken: bool) -> Option<Self> {
        let from = text.floor_char_boundary(range.start.saturating_sub(BESIDE_BYTES));
        let to = text.ceil_char_boundary(range.end.saturating_add(BESIDE_BYTES));
        let starts_line = from == 0 || text.get(..from)?.ends_with('\n');
        let part = text.get(from..to)?;
        let part = if unbroken { Cow::Owned(part.replace('\n', " ")) } else { Cow::Borrowed(part) };
        let mut all = tokens(&part, starts_line);
        for token in &mut all {
            token.range = token.range.start + from..token.range.end + from;
        }
        let mut first = all.partition_point(|token| token.range.end <= range.start);
        let mut end = all.partition_point(|token| token.range.start < range.end);
        let joins = |at: usize| match (at.checked_sub(1).and_then(|before| all.get(before)), all.get(at)) {
            (Some(before), Some(after)) if before.is_amount() && after.is_amount() => {
                before.joins_after || (after.joins_before && !after.is_footnote) || is_grouped(text, &all, at)
            }
            _ => false,
        };
        while first < end && joins(first) {
            first -= 1;
        }
        while first < end && joins(end) {
            end += 1;
        }
        let within = all.get(first..end)?;
        let amounts = || within.iter().filter(|token| token.is_amount()).map(|token| &token.range);
        let grown = amounts().map(|range| range.start).min().unwrap_or(range.start).min(range.start)
            ..amounts().map(|range| range.end).max().unwrap_or(range.end).max(range.end);
        Some(Self { tokens: without_outer_stops(within.to_vec()), range: grown })
    }

    /// Whether a quote with the same characters has the same amounts.
    pub(super) fn has_amounts(&self, quote: &[Token]) -> bool {
        let amounts = |tokens: &[Token]| -> Vec<String> {
            tokens.iter().filter(|token| token.is_amount()).map(|token| token.text.clone()).collect()
        };
        amounts(&self.tokens) == amounts(quote)
    }

    /// Whether a quote with other characters still says the same. Footnote marks may be missing from it.
    pub(super) fn is_quoted_by(&self, quote: &[Token]) -> bool {
        let mut quote = quote.iter().peekable();
        for (at, token) in self.tokens.iter().enumerate() {
            if quote.peek().is_some_and(|quoted| says(token, quoted, at == 0)) {
                quote.next();
            } else if !token.is_footnote {
                return false;
            }
        }
        quote.next().is_none()
    }
}

/// Whether the figure at `at` is the last group of a number such as `12 345`. Figures of a table stand beside more of them,
/// or at the end of their row.
fn is_grouped(text: &str, all: &[Token], at: usize) -> bool {
    let figure = |at: Option<usize>| {
        at.and_then(|at| all.get(at)).filter(|token| token.kind == Kind::Figure && !token.is_footnote)
    };
    let (Some(before), Some(after)) = (figure(at.checked_sub(1)), figure(Some(at))) else { return false };
    let gap = text.get(before.range.end..after.range.start).unwrap_or_default();
    let is_blank = gap.chars().count() == 1 && gap.chars().all(|c| c.is_whitespace() && c != '\n');
    let digits = after.text.bytes().take_while(u8::is_ascii_digit).count();
    let is_pair = figure(at.checked_sub(2)).is_none() && figure(Some(at + 1)).is_none();
    is_blank
        && digits == 3
        && before.text.len() <= 3
        && before.text.bytes().all(|byte| byte.is_ascii_digit())
        && is_pair
        && all.get(at + 1).is_some_and(|next| next.kind == Kind::Word)
}

fn without_outer_stops(mut tokens: Vec<Token>) -> Vec<Token> {
    let is_stop = |token: &Token| token.kind == Kind::Stop;
    tokens.truncate(tokens.iter().rposition(|token| !is_stop(token)).map_or(0, |last| last + 1));
    let first = tokens.iter().position(|token| !is_stop(token)).unwrap_or(0);
    tokens.split_off(first)
}

fn says(document: &Token, quote: &Token, is_first: bool) -> bool {
    if document.kind != quote.kind {
        return false;
    }
    document.text == quote.text
        || (document.kind == Kind::Word
            && (is_first || !document.is_capitalised)
            && is_slip(&document.text, &quote.text))
}

/// Whether one word is the other with a slip of the pen: a letter or two in its middle, in one alphabet.
fn is_slip(document: &str, quote: &str) -> bool {
    const LETTERS_MIN: usize = 3;
    const LONG_WORD: usize = 8;
    if decides(document) || decides(quote) {
        return false;
    }
    let (left, right): (Vec<char>, Vec<char>) = (document.chars().collect(), quote.chars().collect());
    let (shorter, longer) = (left.len().min(right.len()), left.len().max(right.len()));
    let edits_max = if shorter >= LONG_WORD { 2 } else { 1 };
    if shorter < LETTERS_MIN
        || longer == LETTERS_MIN
        || longer - shorter > edits_max
        || left.first() != right.first()
    {
        return false;
    }
    let alphabet = left.first().and_then(|c| alphabet(*c));
    let is_same = |c: &char| {
        *c == '\''
            || *c == '\u{fffd}'
            || self::alphabet(*c) == alphabet
            || unicode_normalization::char::is_combining_mark(*c)
    };
    alphabet.is_some() && left.iter().chain(&right).all(is_same) && edits(&left, &right) <= edits_max
}

/// The alphabets in which one letter more or less can be a slip. In other scripts it is another word.
fn alphabet(c: char) -> Option<u8> {
    if is_unspaced_script(c) {
        return None;
    }
    match u32::from(c) {
        0x41..=0x24F | 0x1E00..=0x1EFF => Some(0),
        0x370..=0x3FF | 0x1F00..=0x1FFF => Some(1),
        0x400..=0x52F => Some(2),
        _ => None,
    }
}

/// The edits between two words, where a swap of neighbours counts as one and an unreadable letter is any letter.
fn edits(left: &[char], right: &[char]) -> usize {
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut last_left = None;
    for (at, from) in left.iter().enumerate() {
        let mut next = vec![at + 1];
        let mut last_right = None;
        for (column, to) in right.iter().enumerate() {
            let cost = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let is_equal = from == to || *from == '\u{fffd}';
            let mut best = cost(&row, column) + usize::from(!is_equal);
            best = best.min(cost(&row, column + 1) + 1).min(cost(&next, column) + 1);
            if last_left == Some(to) && last_right == Some(from) && column > 0 {
                best = best.min(cost(&above, column - 1) + 1);
            }
            next.push(best);
            last_right = Some(to);
        }
        above = std::mem::replace(&mut row, next);
        last_left = Some(from);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_same(document: &str, quote: &str) -> bool {
        Stretch::readings(document, &(0..document.len())).any(|stretch| stretch.is_quoted_by(&quoted(quote)))
    }

    #[test]
    fn slips_of_the_pen_are_forgiven() {
        for (document, quote) in [
            ("Shoppers want less sugar in their drinks", "shoppers want less sugr in theri drinks"),
            ("the non-\nalcoholic beverages", "the nonalcoolic beverages"),
            ("31% of shoppers4 bought", "31% of shoppers bought"),
            ("31% of shoppers.12 In 1,000 shops", "31% of shoppers. In 1,000 shops"),
            ("as the study shows³ in detail", "as the study shows in detail"),
            ("sold well [12] in shops", "sold well in shops"),
            ("the ef\u{fffd}cient bottle", "the efficient bottle"),
        ] {
            assert!(is_same(document, quote), "{document} | {quote}");
        }
    }

    #[test]
    fn other_statements_are_not() {
        for (document, quote) in [
            ("sales increased", "sales decreased"),
            ("a profitable year", "an unprofitable year"),
            ("they can sell it", "they cannot sell it"),
            ("they can't sell it", "they can sell it"),
            ("as Maria said then", "as Marta said then"),
            ("10 shops", "10⁶ shops"),
            ("25 m² of space", "25 m2 of space"),
            ("25 m² of space", "25 m of space"),
            ("25 m³ of space", "25 m² of space"),
            ("100 metres³ of it", "100 metres of it"),
            ("about five of them", "about fine of them"),
            ("2½ hours", "2 1/2 hours"),
            ("Model3 was sold", "Model was sold"),
            ("it fell by 3 °C", "it fell by 3 C"),
            ("5 million", "5 billion"),
            ("it came. He left", "it came … He left"),
            ("the name came", "the nаme came"),
            ("customers stay", "customers may stay"),
        ] {
            assert!(!is_same(document, quote), "{document} | {quote}");
        }
    }

    #[test]
    fn a_line_break_is_a_blank() {
        for (document, quote) in [
            ("the sign ~\n79 shops", "the sign ~ 79 shops"),
            ("sales fell by −\n7 %", "sales fell by − 7 %"),
            ("it grew to 3\n-5 degrees", "it grew to 3 -5 degrees"),
            ("sales grew by 3\n- 5 shops", "sales grew by 3 - 5 shops"),
            ("sales grew by 3\n- 5 shops", "sales grew by 3\n- 5 shops"),
            ("from 3\n–5 shops", "from 3 –5 shops"),
            ("sold for\n$\n5 each", "sold for $ 5 each"),
        ] {
            assert!(is_same(document, quote), "{document:?} | {quote}");
        }
    }

    #[test]
    fn no_figure_is_cut() {
        let read = |text: &str, part: &str| {
            let start = text.find(part).unwrap();
            Stretch::readings(text, &(start..start + part.len()))
                .any(|stretch| stretch.has_amounts(&quoted(part)))
        };
        for (text, part) in [
            ("by -7 % in", "7 % in"),
            ("by − 7 % in", "7 % in"),
            ("was (12) million", "12) million"),
            ("costs £2.70 per", "2.70 per"),
            ("rose by 5 % then", "rose by 5"),
            ("10⁶ shops", "10"),
            ("of 3–5 % is", "5 % is"),
            ("of 3–5 % is", "of 3"),
            ("about ~7 shops", "7 shops"),
            ("+7 shops", "7 shops"),
            ("2½ hours", "2"),
            ("needs 12 345 tonnes", "345 tonnes"),
            ("needs 12 345 tonnes", "needs 12"),
            ("by −\n7 % in", "7 % in"),
            ("costs £\n2.70 per", "2.70 per"),
            ("of 3 –\n5 % is", "5 % is"),
            ("of 3 +\n5 shops", "5 shops"),
            ("aged 65+\n12 shops", "aged 65"),
            ("costs 500 €\n12 shops", "costs 500"),
        ] {
            assert!(!read(text, part), "{part} of {text}");
        }
        for (text, part) in [
            ("• 7 shops opened", "7 shops"),
            ("- 7 shops opened", "7 shops"),
            ("in 2024 – the year of 7", "in 2024"),
            ("slowly — 7 shops", "7 shops"),
            ("shoppers4 bought", "shoppers"),
            ("COVID-19 came", "19 came"),
            ("(see 7) shops", "7"),
            ("North 98 345 120", "North 98"),
            ("in 2024 345 shops", "345 shops"),
            ("in stores –\n\n7 shops", "7 shops"),
            ("sales grew by 3\n- 5 shops", "5 shops"),
            ("500 €\n2022 600 €", "500 €"),
            ("500 €\n2022 600 €", "2022"),
            ("500€\n2022", "500€"),
            ("5 %\n2022 6 %", "5 %"),
            ("5 %\n2022 6 %", "2022"),
            ("3 °\n2022", "2022"),
            ("aged 65+\n12 % of shops", "aged 65+"),
            ("aged 65+\n12 % of shops", "12 % of shops"),
        ] {
            assert!(read(text, part), "{part} of {text}");
        }
    }
}
