//! The labels at the start of lines: bullets, numbers of list items and of sections.

/// Whether a line begins with a bullet, or with a short number or letter as lists have them.
pub(super) fn is_item(text: &str) -> bool {
    let Some((label, rest)) = text.split_once(' ') else { return false };
    if !rest.chars().any(char::is_alphanumeric) {
        return false;
    }
    let mut characters = label.chars();
    let first = characters.next();
    if characters.as_str().is_empty() {
        return first.is_some_and(|c| {
            matches!(
                c,
                '\u{2022}'
                    | '\u{2023}'
                    | '\u{2043}'
                    | '\u{25aa}'
                    | '\u{25ab}'
                    | '\u{25a0}'
                    | '\u{25cf}'
                    | '\u{25cb}'
                    | '\u{25e6}'
                    | '\u{2013}'
                    | '\u{2014}'
                    | '\u{b7}'
                    | '\u{27a2}'
                    | '\u{2714}'
                    | '\u{2713}'
                    | '-'
                    | '*'
            )
        });
    }
    let inner = label.trim_start_matches('(');
    let Some(number) = inner.strip_suffix(['.', ')']) else { return false };
    let digits = !number.is_empty() && number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    let letter = number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_lowercase());
    digits || (letter && !inner.ends_with('.'))
}

/// How many parts the number of a section has, if the line is the heading of one.
pub(super) fn section_parts(text: &str) -> Option<usize> {
    const PARTS_MAX: usize = 4;
    const CHARS_MAX: usize = 80;
    let (number, title) = text.split_once(' ')?;
    let parts: Vec<&str> = number.trim_end_matches('.').split('.').collect();
    let counts =
        |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_title = title.chars().next().is_some_and(char::is_uppercase)
        && title.chars().filter(|c| c.is_alphabetic()).count() * 2 > title.len()
        && title.chars().count() <= CHARS_MAX
        && !title.ends_with(['.', ',', ';']);
    (is_title && parts.len() <= PARTS_MAX && parts.iter().all(counts)).then_some(parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bullets_and_numbers_make_items() {
        for text in ["\u{2022} Refill bars", "1. Refill bars", "(a) Refill bars", "12) Refill bars"] {
            assert!(is_item(text), "{text}");
        }
        for text in ["2026. A year", "E. coli", "3 bottles", "\u{2022}", "- "] {
            assert!(!is_item(text), "{text}");
        }
    }
}
