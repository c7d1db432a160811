//! Decimal digits of all scripts.

/// The zeros of the scripts that count in tens (Unicode's general category Nd, without the mathematical
/// alphabets, which NFKC folds). Nine digits follow each of them.
const ZEROS: [u32; 38] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50,
    0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
    0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x1_1066,
];

/// The ASCII digit of a decimal digit in whatever script, and every other character as it is.
pub(super) fn ascii_digit(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    let code = u32::from(c);
    let value = ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10));
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

/// Whether the character keeps its form where texts are compared: superscripts, fractions, and numbers in
/// circles or brackets. Compatibility forms would make `10⁶` of `106`, and `2½` of `21⁄2`.
pub(super) const fn keeps_form(c: char) -> bool {
    is_superscript(c)
        || is_fraction(c)
        || matches!(c, '\u{2460}'..='\u{249b}' | '\u{24ea}'..='\u{24ff}' | '\u{33a0}'..='\u{33a6}')
}

/// Whether the character is a raised digit, sign or letter.
pub(super) const fn is_superscript(c: char) -> bool {
    matches!(c, '²' | '³' | '¹' | '\u{2070}'..='\u{207f}' | '\u{2b0}'..='\u{2b8}' | '\u{2e0}'..='\u{2e4}'
        | '\u{1d2c}'..='\u{1d61}' | '\u{1d9b}'..='\u{1dbf}')
}

pub(super) const fn is_fraction(c: char) -> bool {
    matches!(c, '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{215f}' | '\u{2189}')
}

/// The digit of a raised digit.
pub(super) const fn raised_digit(c: char) -> Option<char> {
    Some(match c {
        '⁰' => '0',
        '¹' => '1',
        '²' => '2',
        '³' => '3',
        '⁴' => '4',
        '⁵' => '5',
        '⁶' => '6',
        '⁷' => '7',
        '⁸' => '8',
        '⁹' => '9',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_all_scripts_have_their_value() {
        let plain = |text: &str| text.chars().map(ascii_digit).collect::<String>();
        assert_eq!(plain("٣١ ۷ ३१ ๙ 31"), "31 7 31 9 31");
        assert_eq!(plain("x½²"), "x½²");
    }
}
