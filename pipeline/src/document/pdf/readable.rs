//! Characters as a reader would type them.

pub(super) const fn is_private_use(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..)
}

/// Appends a character as a reader would type it: ligatures in letters, symbol-font bullets as bullets.
pub(super) fn push_readable(c: char, text: &mut String) {
    match c {
        '\u{fb00}' => text.push_str("ff"),
        '\u{fb01}' => text.push_str("fi"),
        '\u{fb02}' => text.push_str("fl"),
        '\u{fb03}' => text.push_str("ffi"),
        '\u{fb04}' => text.push_str("ffl"),
        '\u{fb05}' | '\u{fb06}' => text.push_str("st"),
        // The Symbol and Wingdings fonts have their bullets here.
        '\u{f0a7}' | '\u{f0b7}' | '\u{f06c}' | '\u{f06e}' => text.push('\u{2022}'),
        '\u{200b}' | '\u{2060}' | '\u{feff}' => {}
        c if c.is_whitespace() => text.push(' '),
        c if is_private_use(c) => text.push(char::REPLACEMENT_CHARACTER),
        c if c.is_control() => {}
        c => text.push(c),
    }
}
