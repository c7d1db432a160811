//! Letters of symbol fonts as the characters that they show.

/// The shown character of a font's code. Codes may be moved to U+F000, as Office does. `None` for fonts with
/// usual letters.
pub(in crate::document) fn shown(font: &str, code: u32) -> Option<char> {
    let low = if (0xf000..=0xf0ff).contains(&code) { code - 0xf000 } else { code };
    let font = font.trim().to_ascii_lowercase();
    if low > 0xff {
        return None;
    }
    match font.as_str() {
        "symbol" | "opensymbol" => symbol(low),
        "wingdings" => of_table(WINGDINGS, low),
        "wingdings 2" => of_table(WINGDINGS_2, low),
        "wingdings 3" => of_table(WINGDINGS_3, low),
        "webdings" => of_table(WEBDINGS, low),
        _ => None,
    }
}

fn of_table(table: &[(u32, char)], code: u32) -> Option<char> {
    table.iter().find(|(known, _)| *known == code).map(|(_, shown)| *shown)
}

/// Adobe's Symbol encoding.
fn symbol(code: u32) -> Option<char> {
    const FROM_20: &str =
        " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼";
    const FROM_A0: &str = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\u{f8ff}〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭";
    let at = |table: &str, first: u32| table.chars().nth((code - first) as usize);
    match code {
        0x20..=0x7e => at(FROM_20, 0x20),
        0xa0..=0xfe => at(FROM_A0, 0xa0),
        _ => None,
    }
}

/// The common signs of these fonts: boxes, ticks, bullets, arrows, circled numbers.
const WINGDINGS: &[(u32, char)] = &[
    (0x20, ' '),
    (0x22, '✂'),
    (0x28, '☎'),
    (0x2a, '✉'),
    (0x36, '⌛'),
    (0x3f, '✍'),
    (0x41, '✌'),
    (0x43, '👍'),
    (0x44, '👎'),
    (0x45, '☜'),
    (0x46, '☞'),
    (0x47, '☝'),
    (0x48, '☟'),
    (0x4a, '☺'),
    (0x4b, '😐'),
    (0x4c, '☹'),
    (0x52, '☼'),
    (0x6c, '●'),
    (0x6d, '❍'),
    (0x6e, '■'),
    (0x6f, '□'),
    (0x71, '❑'),
    (0x72, '❒'),
    (0x73, '⬧'),
    (0x74, '⧫'),
    (0x75, '◆'),
    (0x76, '❖'),
    (0x77, '⬥'),
    (0x80, '⓪'),
    (0x81, '①'),
    (0x82, '②'),
    (0x83, '③'),
    (0x84, '④'),
    (0x85, '⑤'),
    (0x86, '⑥'),
    (0x87, '⑦'),
    (0x88, '⑧'),
    (0x89, '⑨'),
    (0x8a, '⑩'),
    (0x8c, '❶'),
    (0x8d, '❷'),
    (0x8e, '❸'),
    (0x8f, '❹'),
    (0x90, '❺'),
    (0x91, '❻'),
    (0x92, '❼'),
    (0x93, '❽'),
    (0x94, '❾'),
    (0x95, '❿'),
    (0x9f, '•'),
    (0xa0, '▪'),
    (0xa1, '○'),
    (0xa7, '▪'),
    (0xa8, '◻'),
    (0xab, '★'),
    (0xd5, '⌫'),
    (0xd8, '➢'),
    (0xdf, '←'),
    (0xe0, '→'),
    (0xe1, '↑'),
    (0xe2, '↓'),
    (0xe8, '➔'),
    (0xef, '⇦'),
    (0xf0, '⇨'),
    (0xf1, '⇧'),
    (0xf2, '⇩'),
    (0xf3, '⬄'),
    (0xfb, '✗'),
    (0xfc, '✓'),
    (0xfd, '☒'),
    (0xfe, '☑'),
];
const WINGDINGS_2: &[(u32, char)] =
    &[(0x4f, '✗'), (0x50, '✓'), (0x51, '☒'), (0x52, '☑'), (0x54, '☒'), (0x97, '●'), (0xa2, '■'), (0xa3, '□')];
const WINGDINGS_3: &[(u32, char)] = &[
    (0x66, '←'),
    (0x67, '→'),
    (0x68, '↑'),
    (0x69, '↓'),
    (0x70, '▲'),
    (0x71, '▼'),
    (0x74, '◀'),
    (0x75, '▶'),
    (0x7d, '▶'),
    (0x7e, '◀'),
];
const WEBDINGS: &[(u32, char)] =
    &[(0x34, '▶'), (0x3c, '■'), (0x61, '✓'), (0x63, '□'), (0x67, '■'), (0x6e, '●'), (0x72, '✗')];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_fonts_show_other_characters() {
        assert_eq!(shown("Symbol", 0xf0b3), Some('≥'));
        assert_eq!(shown("Symbol", 0xb7), Some('•'));
        assert_eq!(shown("Symbol", 0x61), Some('α'));
        assert_eq!(shown("Symbol", 0xfe), Some('⎭'));
        assert_eq!(shown("Symbol", 0x7e), Some('∼'));
        assert_eq!(shown("Symbol", 0xae), Some('→'));
        assert_eq!(shown("Symbol", 0xe5), Some('∑'));
        assert_eq!(shown("Wingdings", 0xf0fc), Some('✓'));
        assert_eq!(shown("Calibri", 0x61), None);
        assert_eq!(shown("Symbol", 0x1f600), None);
    }
}
