//! White space of a page: plain blanks, no trailing blanks, and single empty lines.

use std::borrow::Cow;

use super::content::LineMark;

/// Normalises the white space of a page. Letters, hyphens and punctuation stay as they are, because quotes
/// must be found verbatim. The marks follow their lines, and go with lines that are empty.
pub(super) fn normalised(text: &str, marks: &mut Vec<LineMark>) -> String {
    let mut normalised = String::with_capacity(text.len());
    let mut empty_lines = 0;
    let mut old_marks = std::mem::take(marks).into_iter().peekable();
    let mut new_line = 0;
    for (old_line, line) in text.split('\n').enumerate() {
        let is_plain = line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let line: Cow<'_, str> =
            if is_plain { line.into() } else { line.chars().filter_map(plain).collect() };
        let line = line.trim_end();
        while old_marks.next_if(|mark| mark.line < old_line).is_some() {}
        if line.trim_start().is_empty() {
            empty_lines += 1;
            continue;
        }
        if !normalised.is_empty() {
            normalised.push_str(if empty_lines > 0 { "\n\n" } else { "\n" });
            new_line += 1 + usize::from(empty_lines > 0);
        }
        if let Some(mark) = old_marks.next_if(|mark| mark.line == old_line) {
            marks.push(LineMark { line: new_line, ..mark });
        }
        normalised.push_str(line);
        empty_lines = 0;
    }
    normalised
}

/// All words of a title in one line.
pub(super) fn one_line(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter_map(plain).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The character in plain form. Blanks of any width become a plain one. Invisible characters are dropped.
fn plain(c: char) -> Option<char> {
    match c {
        '\u{200b}' | '\u{2060}' | '\u{feff}' => None,
        '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_whitespace() => Some(' '),
        c if c.is_control() => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::LineRole;

    fn normalised(text: &str) -> String {
        super::normalised(text, &mut Vec::new())
    }

    #[test]
    fn marks_follow_their_lines() {
        let mark = |line| LineMark { line, role: LineRole::ListItem, area: None };
        let mut marks = vec![mark(0), mark(2), mark(3), mark(5)];
        assert_eq!(super::normalised("\n\na\n \n\nb\nc", &mut marks), "a\n\nb\nc");
        assert_eq!(marks, [mark(0), mark(2)]);
    }

    #[test]
    fn no_control_character_joins_words() {
        assert_eq!(normalised("one\rtwo\r\nthree\u{b}four"), "one two\nthree four");
    }

    #[test]
    fn lines_and_blanks_take_their_form() {
        assert_eq!(normalised("\n\n a\u{a0}b \r\n\n\n\nc\u{0}\td\n"), " a b\n\nc d");
        assert_eq!(normalised("non-\nalcoholic, \u{2010}"), "non-\nalcoholic, \u{2010}");
        assert_eq!(normalised(" \n\t"), "");
        assert_eq!(one_line("A\n title \u{2028}of two"), "A title of two");
    }
}
