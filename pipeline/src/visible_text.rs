//! Text as a person sees it: without the characters that reorder it, hide a part of it, or command a terminal.
//!
//! Stored records keep every character. Each place at which a person reads uses [`visible`]: reports, command line output, and
//! the sentences of answers.
//!
//! # Removed
//!
//! * Controls of C0 and C1, except line feed and tab. Line and page breaks become a space, or a line feed where one follows.
//! * All of Unicode's `Bidi_Control`: embeddings, overrides and isolates reorder text. The marks (LRM, RLM, ALM) go too: Arabic
//!   and Hebrew read well without them, by the bidirectional algorithm alone.
//! * Tag characters, except in the three flags that fonts draw with them. Any other sequence looks like a black flag anyway.
//! * Characters without a shape: zero width space, word joiner, fillers, annotations.
//!
//! # Kept
//!
//! * A joiner (ZWJ, ZWNJ) after a letter of a script beyond Greek and Cyrillic, or after an emoji. Persian, Indic scripts and
//!   emoji need it.
//! * One variation selector after a visible character. A row of them can carry hidden bytes.
//! * The soft hyphen: it marks where a word may be divided.
//! * The word joiner after `@`, `:` and `w`, which a report inserts against mentions and links.

use std::borrow::Cow;

const BLACK_FLAG: char = '\u{1F3F4}';

const CANCEL_TAG: char = '\u{E007F}';

/// The regions whose flags are tag sequences (RGI emoji): England, Scotland and Wales.
const TAGGED_REGIONS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

/// The first letter after Latin, Greek, Cyrillic and Armenian, whose texts need no joiners.
const FIRST_JOINED_SCRIPT: char = '\u{590}';

/// The text without characters that reorder or hide text.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let needs_care = |c: char| c != '\n' && c != '\t' && (c.is_control() || is_invisible(c));
    if !text.contains(needs_care) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let rest = chars.as_str();
        let is_kept = match c {
            '\n' | '\t' => true,
            '\r' if rest.starts_with('\n') => false,
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                shown.push(' ');
                false
            }
            BLACK_FLAG => {
                shown.push(c);
                if let Some(tags) = flag_tags(rest) {
                    shown.push_str(tags);
                    chars = rest.get(tags.len()..).unwrap_or_default().chars();
                }
                false
            }
            _ if c.is_control() => false,
            _ => !is_invisible(c) || is_needed(c, shown.chars().next_back()),
        };
        if is_kept {
            shown.push(c);
        }
    }
    shown.into()
}

/// Whether a character has no shape of its own. Some are needed next to others, and [`visible`] knows where.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    is_joiner(c)
        || is_variation_selector(c)
        || matches!(c,
            '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

const fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether an invisible character changes how the shown character before it looks.
fn is_needed(c: char, before: Option<char>) -> bool {
    let Some(before) = before else { return false };
    match c {
        '\u{2060}' => matches!(before, '@' | ':' | 'w' | 'W'),
        // A variation selector may stand before a joiner, as in an emoji of two people.
        _ if is_joiner(c) => {
            before >= FIRST_JOINED_SCRIPT
                && !is_joiner(before)
                && !matches!(before, '\u{2000}'..='\u{206f}' | '\u{3000}')
        }
        _ if is_variation_selector(c) => !before.is_whitespace() && !is_invisible(before),
        _ => false,
    }
}

/// The tags of a flag that fonts draw, at the start of a text.
fn flag_tags(text: &str) -> Option<&str> {
    TAGGED_REGIONS.into_iter().find_map(|region| {
        let tags = region.chars().filter_map(|letter| char::from_u32(0xE0000 + u32::from(letter)));
        let tags: String = tags.chain([CANCEL_TAG]).collect();
        text.starts_with(&tags).then(|| text.get(..tags.len())).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reordering_and_hidden_characters_are_removed() {
        for (text, shown) in [
            ("pay \u{202e}001\u{202c} now", "pay 001 now"),
            ("a\u{2066}b\u{2067}c\u{2068}d\u{2069}", "abcd"),
            ("\u{202a}a\u{202b}b\u{202d}c\u{200e}\u{200f}\u{61c}", "abc"),
            ("hi\u{e0001}\u{e0068}\u{e0069}\u{e007f}", "hi"),
            ("a\u{9b}31mb\u{1b}[0mc\u{90}d\u{7f}\u{0}", "a31mb[0mcd"),
            ("a\u{200b}b\u{2060}c\u{feff}d\u{3164}e\u{206a}", "abcde"),
            ("a\u{fe00}\u{fe01}\u{fe02}", "a\u{fe00}"),
            ("x\u{e0100}\u{e0101}\u{e0102}", "x\u{e0100}"),
            ("A\u{200d}B\u{200c}C", "ABC"),
            ("\u{1F3F4}\u{e0068}\u{e0069}\u{e007f}", "\u{1F3F4}"),
            ("a\u{fff9}b\u{fffa}c\u{fffb}", "abc"),
            ("a\r\nb\rc\u{85}d\u{2028}e\tf\n", "a\nb c d e\tf\n"),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
            assert_eq!(visible(&visible(text)), shown, "a second time changes nothing: {text:?}");
        }
    }

    #[test]
    fn scripts_and_emoji_stay() {
        for text in [
            "می\u{200c}خواهم نوآوری",
            "שלום, עולם! 2026",
            "مرحبا (عالم)",
            "क\u{94d}\u{200d}ष क\u{94d}\u{200c}ष",
            "👩\u{200d}👩\u{200d}👧 👩🏽\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥 1\u{fe0f}\u{20e3} 🏳\u{fe0f}\u{200d}🌈",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} 🇫🇷",
            "葛\u{e0100}城市",
            "a@\u{2060}b.example",
            "con\u{ad}firmed naïve — “quoted” … 1.5 °C\u{a0}±\u{202f}2",
        ] {
            assert_eq!(visible(text), text);
        }
    }
}
