//! Raised digits. A power or a note's number must not become a part of the number before it.

const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// The raised digits as characters that stay raised, if they follow a digit. `None` if the text can stay as it is.
pub(super) fn after_digit(before: &str, raised: &str) -> Option<String> {
    let sign = |c: char| match c {
        '-' | '−' => Some('⁻'),
        c => c.to_digit(10).and_then(|digit| DIGITS.get(digit as usize).copied()),
    };
    let signs: Option<String> = raised.trim().chars().map(sign).collect();
    signs.filter(|signs| !signs.is_empty() && before.ends_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_after_digits_are_raised() {
        assert_eq!(after_digit("10", " 6 ").as_deref(), Some("⁶"));
        assert_eq!(after_digit("10", "-12").as_deref(), Some("⁻¹²"));
        assert_eq!((after_digit("m", "2"), after_digit("4", "th"), after_digit("4", "")), (None, None, None));
    }
}
