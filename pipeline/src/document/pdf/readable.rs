//! Characters as a reader would type them.

pub(super) const fn is_private_use(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..)
}

/// Appends the character of a glyph as a reader would type it: ligatures in letters, symbol-font bullets as
/// bullets, and a hyphen that is drawn as a hyphen.
pub(super) fn push_readable(c: char, text: &mut String) {
    if c == '\u{ad}' {
        text.push('-');
    } else {
        push_kept(c, text);
    }
}

/// Appends a character of a text that has no glyphs of its own. A soft hyphen stays one.
pub(super) fn push_kept(c: char, text: &mut String) {
    match c {
        '\u{fb00}' => text.push_str("ff"),
        '\u{fb01}' => text.push_str("fi"),
        '\u{fb02}' => text.push_str("fl"),
        '\u{fb03}' => text.push_str("ffi"),
        '\u{fb04}' => text.push_str("ffl"),
        '\u{fb05}' | '\u{fb06}' => text.push_str("st"),
        // The Symbol and Wingdings fonts have their bullets here.
        '\u{f0a7}' | '\u{f0b7}' | '\u{f06c}' | '\u{f06e}' => text.push('\u{2022}'),
        // Adobe's private letters: figures of old style, and small capitals.
        '\u{f730}'..='\u{f739}' | '\u{f761}'..='\u{f77a}' | '\u{f7e0}'..='\u{f7fe}' => {
            text.extend(char::from_u32(u32::from(c) - 0xf700));
        }
        '\u{f8e8}' | '\u{f6da}' => text.push('\u{ae}'),
        '\u{f8e9}' | '\u{f6d9}' => text.push('\u{a9}'),
        '\u{f8ea}' | '\u{f6db}' => text.push('\u{2122}'),
        '\u{200b}' | '\u{2060}' | '\u{feff}' => {}
        c if c.is_whitespace() => text.push(' '),
        c if is_private_use(c) => text.push(char::REPLACEMENT_CHARACTER),
        c if c.is_control() => {}
        c => text.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(c: char) -> String {
        let mut text = String::new();
        push_readable(c, &mut text);
        text
    }

    #[test]
    fn ligatures_bullets_and_blanks_become_plain() {
        assert_eq!(read('\u{fb03}'), "ffi");
        assert_eq!(read('\u{f0b7}'), "\u{2022}");
        assert_eq!(read('\u{a0}'), " ");
        assert_eq!(read('\u{0}'), "");
        assert_eq!(
            read('\u{f734}') + &read('\u{f761}') + &read('\u{f7e9}'),
            "4a\u{e9}",
            "old figures, small capitals"
        );
        assert_eq!(read('\u{e123}'), "\u{fffd}");
        assert_eq!(read('\u{2010}'), "\u{2010}", "hyphens are kept verbatim");
        assert_eq!(read('\u{ad}'), "-", "a hyphen that is drawn");
    }
}
