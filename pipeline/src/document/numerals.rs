//! Numerals that are no digits, as lists and page labels of several formats have them.

/// A number in lower-case Roman numerals. Each thousand adds an `m`, so the caller bounds the number; zero is empty.
pub(super) fn roman(number: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let (mut rest, mut roman) = (number, String::new());
    for (value, sign) in SIGNS {
        while rest >= value {
            roman.push_str(sign);
            rest -= value;
        }
    }
    roman
}

/// `a` to `z`, then `aa` to `zz`, and so on. `None` for zero, and where a letter would stand more often than `repeats_max`.
pub(super) fn repeated_letters(number: u32, repeats_max: u32) -> Option<String> {
    let index = number.checked_sub(1).filter(|index| index / 26 < repeats_max)?;
    let letter = char::from_digit(10 + index % 26, 36)?;
    Some(String::from(letter).repeat(index as usize / 26 + 1))
}
