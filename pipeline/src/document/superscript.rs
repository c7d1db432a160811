//! Raised digits, in the same form for every format. A power or a note's number must not become a part of the
//! word or number before it.

/// Digits and signs as superscripts, if all of them exist in this form: an exponent must not join its base.
pub(super) fn superscript(text: &str) -> Option<String> {
    text.chars().map(superscript_char).collect()
}

const fn superscript_char(c: char) -> Option<char> {
    Some(match c {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        '+' => '⁺',
        '-' | '−' | '–' => '⁻',
        '=' => '⁼',
        '(' => '⁽',
        ')' => '⁾',
        'n' => 'ⁿ',
        ' ' | ',' => c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_become_superscripts() {
        assert_eq!(superscript("-12").as_deref(), Some("⁻¹²"));
        assert_eq!((superscript("st"), superscript("[1]")), (None, None));
    }
}
