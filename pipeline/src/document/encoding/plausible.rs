//! How much a decoded text looks like text that people write.

/// Text is judged by so many characters at most.
const CHARS_MAX: usize = 200_000;

/// The plausibility of the letters beyond ASCII, from about -3 to 1 for each.
pub(super) fn score(text: &str) -> f64 {
    let (mut sum, mut count) = (0.0, 0_u32);
    let mut before = '\n';
    let mut chars = text.chars().take(CHARS_MAX).peekable();
    while let Some(c) = chars.next() {
        if !c.is_ascii() {
            let after = chars.peek().copied().unwrap_or('\n');
            sum += character(before, c, after);
            count += 1;
        }
        before = c;
    }
    sum / f64::from(count.max(1))
}

fn character(before: char, c: char, after: char) -> f64 {
    let in_word = before.is_alphabetic() || after.is_alphabetic();
    match c {
        char::REPLACEMENT_CHARACTER | '\u{e000}'..='\u{f8ff}' => -3.0,
        c if c.is_control() => -3.0,
        c if c.is_alphabetic() => letter(before, c, after, in_word),
        '’' | '‘' if in_word => 1.0,
        '“' | '„' | '«' | '‘' | '‹' if !before.is_alphanumeric() && after.is_alphanumeric() => 1.0,
        '”' | '“' | '»' | '’' | '…' | '›' if !before.is_whitespace() && !after.is_alphanumeric() => {
            1.0
        }
        '–' | '—' | '…' if before.is_whitespace() == after.is_whitespace() => 0.8,
        '€' | '£' | '°' | '%' | '½' | '¼' | '²' | '³' if before.is_numeric() || after.is_numeric() => {
            1.0
        }
        '°' if matches!(after, 'C' | 'F') => 1.0,
        '€' | '£' if !in_word => 0.6,
        '\u{a0}' | '«' | '»' if before.is_alphanumeric() || after.is_alphanumeric() => 0.6,
        '§' | '•' | '·' | '©' | '®' | '™' | '¿' | '¡'
            if !(before.is_alphabetic() && after.is_alphabetic()) =>
        {
            0.5
        }
        // Box drawing comes in rows.
        '\u{2500}'..='\u{259f}' if c == before || c == after => 0.5,
        _ if before.is_alphabetic() && after.is_alphabetic() => -2.0,
        _ => -1.0,
    }
}

fn letter(before: char, c: char, after: char, in_word: bool) -> f64 {
    const COMMON: &str = "éèêëàâäáãåæçñöôóõøœüúûùïîíìßÄÖÜÅÉÈÀÇØÆÁÍÓÚÑ";
    if c.is_uppercase() && before.is_lowercase() {
        return -2.0;
    }
    // Signs of currencies stand before numbers, letters do not.
    if !before.is_alphabetic() && after.is_ascii_digit() {
        return -1.0;
    }
    if c.is_lowercase() && before.is_uppercase() && after.is_uppercase() {
        return -2.0;
    }
    // Capitals beyond ASCII begin a word, which goes on in small letters.
    if c.is_uppercase() && !before.is_alphabetic() && after.is_uppercase() {
        return 0.5;
    }
    let common = if COMMON.contains(c) { 0.1 } else { 0.0 };
    if in_word { 0.9 + common } else { -0.3 + common }
}
