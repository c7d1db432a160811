//! Rewrites of texts that models write and `serde_json` refuses.

/// The text with null in place of `NaN` and `Infinity`, which some servers write. Returns none if they stand
/// in strings only, or nowhere.
pub(super) fn with_null_numbers(text: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return None;
    }
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    let (mut in_string, mut after_backslash) = (false, false);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            _ if std::mem::take(&mut after_backslash) => {}
            b'\\' if in_string => after_backslash = true,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                let rest = text.get(at..).unwrap_or_default();
                if let Some(word) = WORDS.iter().find(|word| rest.starts_with(**word)) {
                    out.push_str(text.get(copied..at).unwrap_or_default());
                    out.push_str("null");
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    (copied > 0).then_some(out)
}

/// The text with control characters in its JSON strings escaped, because models write line breaks into
/// strings. A string counts only within braces, so text around the JSON stays as it is.
#[must_use]
pub fn with_escaped_controls(text: &str) -> Option<String> {
    let (mut escaped, mut copied) = (String::new(), 0);
    let (mut depth, mut in_string, mut after_backslash) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if std::mem::take(&mut after_backslash) => {}
            b'\\' if in_string => after_backslash = true,
            b'"' if depth > 0 => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            0..0x20 if in_string => {
                escaped.push_str(text.get(copied..at).unwrap_or_default());
                escaped.push_str(&format!("\\u{byte:04x}"));
                copied = at + 1;
            }
            _ => {}
        }
    }
    if copied == 0 {
        return None;
    }
    escaped.push_str(text.get(copied..).unwrap_or_default());
    Some(escaped)
}
