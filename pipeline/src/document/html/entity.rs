//! Character references: `&eacute;`, `&#233;`, `&#xe9;`.

use std::borrow::Cow;

/// The longest name is `CounterClockwiseContourIntegral;`.
const NAME_BYTES_MAX: usize = 32;

/// The text with its references resolved. An unknown one stays as it is.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split('&');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let length = match piece.strip_prefix('#') {
            Some(number) => numeric(number, &mut out).map(|length| length + 1),
            None => named(piece, &mut out),
        };
        if length.is_none() {
            out.push('&');
        }
        out.push_str(piece.get(length.unwrap_or(0)..).unwrap_or_default());
    }
    Cow::Owned(out)
}

/// Writes the character with this number, and returns the length of the reference.
fn numeric(text: &str, out: &mut String) -> Option<usize> {
    let (digits, radix, prefix) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1),
        None => (text, 10, 0),
    };
    let length = digits.bytes().take_while(|byte| char::from(*byte).is_digit(radix)).count();
    let digits = digits.get(..length).filter(|digits| !digits.is_empty())?;
    let number = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    out.push(character(number));
    let length = prefix + length;
    Some(length + usize::from(text.as_bytes().get(length) == Some(&b';')))
}

/// Numbers from 128 to 159 mean characters of Windows-1252.
fn character(number: u32) -> char {
    let replaced = number
        .checked_sub(0x80)
        .and_then(|index| html5ever::data::C1_REPLACEMENTS.get(index as usize).copied().flatten());
    replaced.or_else(|| char::from_u32(number).filter(|c| *c != '\0')).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Writes the characters with the longest name that the text begins with, and returns its length.
fn named(text: &str, out: &mut String) -> Option<usize> {
    let mut length = text.bytes().take(NAME_BYTES_MAX).take_while(u8::is_ascii_alphanumeric).count();
    length += usize::from(text.as_bytes().get(length) == Some(&b';'));
    while length > 1 {
        let name = text.get(..length)?;
        if let Some((first, second)) = html5ever::data::NAMED_ENTITIES.get(name)
            && *first != 0
        {
            out.extend(
                [*first, *second].into_iter().filter(|number| *number != 0).filter_map(char::from_u32),
            );
            return Some(length);
        }
        length -= 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_characters() {
        assert_eq!(
            decoded("caf&eacute; &amp;&#233;&#xE9;&#150; AT&T &nope; 5 &notit; &"),
            "café &éé– AT&T &nope; 5 ¬it; &"
        );
        assert_eq!(decoded("&#0;&#xffffffffff;&#x110000;"), "\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(decoded("&NotEqualTilde;"), "\u{2242}\u{338}");
    }
}
