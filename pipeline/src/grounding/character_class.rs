//! Classes of characters in the comparison of texts.

use crate::visible_text::is_invisible;

pub(super) enum Class {
    Dropped,
    Space,
    LineBreak,
    Dash,
    SoftHyphen,
    Kept(char),
}

pub(super) fn classify(c: char) -> Class {
    match c {
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Class::LineBreak,
        '-' => Class::Dash,
        '\u{ad}' => Class::SoftHyphen,
        '"' | '`' => Class::Kept('\''),
        _ if is_layout_mark(c) => Class::Space,
        _ if c.is_ascii_graphic() => Class::Kept(c),
        // The tatweel only stretches a line of Arabic.
        '\u{640}' => Class::Dropped,
        _ if is_invisible(c) => Class::Dropped,
        _ if c.is_whitespace() || c.is_control() => Class::Space,
        _ => Class::Kept(c),
    }
}

/// Whether the character only lays text out: the border of a table's cell, a bullet, the emphasis of Markdown.
pub(super) const fn is_layout_mark(c: char) -> bool {
    matches!(
        c,
        '|' | '*'
            | '•'
            | '▪'
            | '▫'
            | '■'
            | '□'
            | '●'
            | '○'
            | '◦'
            | '‣'
            | '➢'
            | '➤'
            | '►'
            | '▶'
            | '\u{f0b7}'
            | '\u{f0a7}'
    )
}

/// Whether the character's script is written without spaces (Han, Kana and their punctuation, Thai, Lao, Khmer,
/// Burmese), so that a line break in it means nothing.
pub(super) fn is_unspaced_script(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x2E80..=0x9FFF | 0xF900..=0xFAFF
        | 0xFF01..=0xFF0F | 0xFF1A..=0xFF20 | 0xFF61..=0xFF9F | 0x2_0000..=0x3_FFFF)
}
