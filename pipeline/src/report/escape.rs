//! Escapes untrusted text for Markdown. A renderer shows it as it is, and it can do nothing.
//!
//! Documents, models and profiles may hold anything. Characters that could open HTML, a link, an image,
//! emphasis, code, a table cell or mathematics are escaped. So are entities, mentions and automatic links.
//! Parentheses, periods and hyphens in the middle of a line are harmless and stay readable.

use crate::visible_text::visible;

/// An invisible character within `@name`, `://` and `www.`. Some renderers look for mail addresses, mentions and
/// links in the text that is left when backslashes are resolved, so a backslash does not stop them.
const WORD_JOINER: char = '\u{2060}';

const SOFT_HYPHEN: char = '\u{ad}';

/// Text for the middle of a line. White space is collapsed. Control and direction characters are left out.
#[must_use]
pub fn inline(text: &str) -> String {
    let chars: Vec<char> = plain(text).chars().collect();
    let mut escaped = String::with_capacity(chars.len() + chars.len() / 16);
    for (at, c) in chars.iter().enumerate() {
        let rest = chars.get(at + 1..).unwrap_or_default();
        let before = chars.get(..at).unwrap_or_default();
        if *c == '.' && is_www(before) {
            escaped.push(WORD_JOINER);
        }
        if needs_backslash(*c, rest) {
            escaped.push('\\');
        }
        escaped.push(*c);
        let opens_link = match c {
            '@' => rest.first().is_some_and(|next| !next.is_whitespace()),
            ':' => is_scheme(before, rest),
            _ => false,
        };
        if opens_link {
            escaped.push(WORD_JOINER);
        }
    }
    escaped
}

/// Text for the start of a line or list item. It must not become a list, rule or heading.
#[must_use]
pub fn line(text: &str) -> String {
    let escaped = inline(text);
    let digits = escaped.chars().take_while(char::is_ascii_digit).count();
    let mark = match escaped.chars().nth(digits) {
        Some('.' | ')') if digits > 0 => digits,
        Some('-' | '+' | '=' | ':') if digits == 0 => 0,
        _ => return escaped,
    };
    // Digits are one byte each, so `mark` is a border between characters.
    let (before, after) = escaped.split_at(mark);
    format!("{before}\\{after}")
}

/// The text in one line, as a person sees it ([`visible`]).
#[must_use]
pub fn plain(text: &str) -> String {
    // A report divides no words.
    visible(text).replace(SOFT_HYPHEN, "").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn needs_backslash(c: char, rest: &[char]) -> bool {
    match c {
        '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '^' | '$' | '{' | '}' => true,
        '&' => is_entity(rest),
        _ => false,
    }
}

/// Whether a colon belongs to an address: `https://…`, `mailto:…`; not `12:30`, not `Note: …`.
fn is_scheme(before: &[char], rest: &[char]) -> bool {
    rest.first().is_some_and(|next| {
        let after_word = before.last().is_some_and(char::is_ascii_alphabetic);
        *next == '/' || (after_word && !next.is_whitespace())
    })
}

/// Whether a full stop after these characters makes `www.`.
fn is_www(before: &[char]) -> bool {
    before.len() >= 3 && before.iter().rev().take(3).all(|c| c.eq_ignore_ascii_case(&'w'))
}

/// Whether the text after an ampersand makes it an entity: `amp;`, `#60;`.
fn is_entity(rest: &[char]) -> bool {
    let length = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '#').count();
    length > 0 && rest.get(length) == Some(&';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_stays_readable() {
        let text = "Sales rose (by 31%) in 2024 - well-known R&D, 12:30, Note: it's fine! 1.5 million; a/b.";
        assert_eq!(inline(text), text);
        assert_eq!(line("1.5 million"), "1\\.5 million");
    }

    #[test]
    fn what_could_act_is_escaped() {
        for (text, escaped) in [
            ("<b>&lt;&#60; & co;", "\\<b\\>\\&lt;\\&\\#60; & co;"),
            ("[a](b) ![c](d)", "\\[a\\](b) !\\[c\\](d)"),
            (
                "https://x.y www.x.y WWW.X a@b.c mailto:a",
                "https:\u{2060}//x.y www\u{2060}.x.y WWW\u{2060}.X a@\u{2060}b.c mailto:\u{2060}a",
            ),
            ("a\n# b | c\t`d` ~~e~~ $f$", "a \\# b \\| c \\`d\\` \\~\\~e\\~\\~ \\$f\\$"),
            ("\u{202e}a\u{0}b\u{ad}\u{61c}\u{200e}\u{2066}\\", "ab\\\\"),
        ] {
            assert_eq!(inline(text), escaped);
        }
        for (text, escaped) in [
            ("- a", "\\- a"),
            ("+ a", "\\+ a"),
            ("===", "\\==="),
            ("12. a", "12\\. a"),
            ("1) a", "1\\) a"),
            ("# a", "\\# a"),
            (": a", "\\: a"),
            ("    code", "code"),
        ] {
            assert_eq!(line(text), escaped);
        }
    }
}
