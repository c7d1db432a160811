//! Cleans text from outside for messages: without keys and control characters, and not too long.

use secrecy::{ExposeSecret, SecretString};

/// The most characters of an endpoint's own words that are shown.
const CHARS_MAX: usize = 200;
/// The replacement for a key.
const REDACTED: &str = "[redacted]";

/// Removes the client's key, and everything that looks like a key.
#[derive(Debug, Clone)]
pub(super) struct Redactor {
    key: SecretString,
}

impl Redactor {
    pub(super) fn new(key: SecretString) -> Self {
        Self { key }
    }

    /// The text in one line of at most 200 characters. Keys are replaced before the text is shortened.
    pub(super) fn clean(&self, text: &str) -> String {
        let text = self.without_key(text);
        let one_line: String =
            text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
        let words: Vec<&str> = one_line.split(' ').filter(|word| !word.is_empty()).collect();
        // Replace once more, because a line break inside a key is gone now.
        let text = without_key_like_words(&self.without_key(&words.join(" ")));
        let mut short: String = text.chars().take(CHARS_MAX).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        short
    }

    fn without_key(&self, text: &str) -> String {
        let key = self.key.expose_secret();
        if key.is_empty() { text.to_owned() } else { text.replace(key, REDACTED) }
    }
}

/// Replaces all words that begin like an API key, whole or in part (`sk-or-v1-…`).
fn without_key_like_words(text: &str) -> String {
    let is_key_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.' | '…');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("sk-") {
        let (before, found) = rest.split_at(start);
        let length = found.find(|c| !is_key_char(c)).unwrap_or(found.len());
        let (word, after) = found.split_at(length);
        clean.push_str(before);
        let inside_word = before.ends_with(|c: char| c.is_alphanumeric());
        clean.push_str(if inside_word || word.chars().count() < 8 { word } else { REDACTED });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        Redactor::new("topsecret-1234".into()).clean(text)
    }

    #[test]
    fn keys_are_replaced_before_the_text_is_shortened() {
        let long = format!("{}topsecret-1234 is wrong", "x".repeat(195));
        assert!(!clean(&long).contains("tops"), "{}", clean(&long));
        assert_eq!(
            clean("Bearer topsecret-1234, key sk-or-v1-abcdef!"),
            "Bearer [redacted], key [redacted]!"
        );
        assert_eq!(clean("a risk-averse desk-bound sk-x"), "a risk-averse desk-bound sk-x");
    }

    #[test]
    fn a_message_is_one_short_clean_line() {
        assert_eq!(clean("a\r\n\tb\u{0}\u{1b}[31mc"), "a b [31mc");
        assert_eq!(clean(&"é".repeat(500)).chars().count(), 201);
    }
}
