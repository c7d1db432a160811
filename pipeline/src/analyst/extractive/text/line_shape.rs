//! The shapes of single lines: headings, list items, captions, rows, beginnings and ends of sentences.

use unicode_segmentation::UnicodeSegmentation;

use crate::{analyst::extractive::text::words, english::MONTHS};

/// The most words of a heading. A longer line without a full stop is a caption or debris.
const HEADING_WORDS_MAX: usize = 14;
const HEADING_CHARS_MAX: usize = 110;
const MARKS_BYTES_MAX: usize = 64;

pub(crate) fn looks_like_heading(line: &str) -> bool {
    // No character has more than four bytes. The marks and the number before a heading are short.
    if line.len() > 4 * HEADING_CHARS_MAX + MARKS_BYTES_MAX {
        return false;
    }
    let marked = line.trim_start_matches('#').trim();
    let bare = numbered(marked).unwrap_or(marked);
    let count = bare.unicode_words().count();
    let last = bare.unicode_words().next_back().unwrap_or_default().to_lowercase();
    (1..=HEADING_WORDS_MAX).contains(&count)
        && bare.chars().count() <= HEADING_CHARS_MAX
        && bare.chars().filter(|c| c.is_alphabetic()).count() >= 3
        && bare.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit() || "“‘\"".contains(c))
        && !bare.ends_with(['.', '!', ',', ';', '-', '‐', '–', '%', '”'])
        && !bare.contains([';', '@', '·'])
        && !bare.starts_with("By ")
        && !is_dated(bare)
        && !is_row_of_numbers(bare)
        && !bare.contains(". ")
        && !bare.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with('.')
        && !bare.contains(['|', '\t', '\u{fffd}'])
        && !matches!(
            last.as_str(),
            "the" | "a" | "an" | "of" | "and" | "or" | "to" | "in" | "for" | "with" | "by"
        )
        && !is_caption(bare)
        && !words::figures(bare).iter().any(|figure| figure.ends_with('%'))
}

/// Whether a line is a row of a table that lost its rules, such as "Measure 2022/23 2025/26".
fn is_row_of_numbers(line: &str) -> bool {
    let tokens: Vec<&str> = line.split_whitespace().collect();
    let numbers = tokens.iter().filter(|token| token.contains(|c: char| c.is_ascii_digit())).count();
    numbers >= 2 && numbers * 2 >= tokens.len()
}

/// Whether a line states a date ("September 2026"). Such a line is a byline or a caption.
fn is_dated(line: &str) -> bool {
    let tokens: Vec<&str> = line.split([' ', ',']).collect();
    tokens.windows(2).any(|pair| match pair {
        [month, year] => {
            MONTHS.contains(month) && year.len() == 4 && year.chars().all(|c| c.is_ascii_digit())
        }
        _ => false,
    })
}

/// The text of a numbered heading after its number.
pub(crate) fn numbered(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = line.get(..line.len() - rest.len())?;
    let rest = rest.trim_start_matches([' ', ')', '·', ':', '–', '—', '-', '\u{a0}']);
    // "27 March 2026" begins with a day, and no section has the number 164.
    let first_digits = number.split('.').next()?;
    let dated = rest.split_whitespace().next().is_some_and(|word| MONTHS.contains(&word));
    let plausible = !dated && (1..=2).contains(&first_digits.len()) && number.len() <= 6;
    (plausible
        && rest.len() < line.len() - number.len() + usize::from(number.ends_with('.'))
        && rest.chars().next()?.is_uppercase())
    .then_some(rest)
}

/// The text of a list item after its mark.
pub(crate) fn item_text(line: &str) -> Option<&str> {
    const MARKS: [&str; 9] = ["•", "‣", "◦", "▪", "■", "●", "– ", "* ", "- "];
    if let Some(rest) = MARKS.iter().find_map(|mark| line.strip_prefix(mark)) {
        return Some(rest.trim_start());
    }
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let rest = line.get(digits..)?;
    ((1..=2).contains(&digits)).then(|| rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") "))).flatten()
}

pub(crate) fn is_caption(text: &str) -> bool {
    const WORDS: [&str; 9] =
        ["Figure", "Fig.", "Table", "Chart", "Exhibit", "Source:", "Photo", "Image", "Illustration"];
    WORDS.iter().any(|word| {
        text.strip_prefix(word).is_some_and(|rest| {
            word.ends_with(':')
                || rest
                    .trim_start_matches([' ', '\u{a0}'])
                    .chars()
                    .next()
                    .is_some_and(|c| c.is_ascii_digit() || c == ':')
        })
    })
}

/// Whether a text is a row of a table, with bars between its cells.
pub(crate) fn is_row(text: &str) -> bool {
    text.contains(" | ")
}

pub(crate) fn starts_like_sentence(line: &str) -> bool {
    line.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit() || "“‘\"€$£".contains(c))
}

pub(crate) fn continues(text: &str) -> bool {
    text.chars().next().is_some_and(char::is_lowercase) && text.unicode_words().nth(2).is_some()
}

pub(crate) fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches(|c: char| "”’\"')]»".contains(c) || c.is_ascii_digit())
        .ends_with(['.', '!', '?', ':'])
}
