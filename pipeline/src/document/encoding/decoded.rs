//! Text with the warnings of its decoding.

use encoding_rs::Encoding;

/// Decoded text.
#[derive(Debug, Default, PartialEq)]
pub(in crate::document) struct Decoded {
    pub(in crate::document) text: String,
    /// How the text was found, in sentences, where that is uncertain.
    pub(in crate::document) warnings: Vec<String>,
}

impl Decoded {
    /// The bytes in this encoding, with a warning if some are not.
    pub(super) fn of(encoding: &'static Encoding, bytes: &[u8]) -> Self {
        Self::new(encoding.decode_without_bom_handling(bytes).0.into_owned())
    }

    /// A text, with a warning if characters of it are lost.
    pub(super) fn new(text: String) -> Self {
        let mut warnings = Vec::new();
        match lost(&text) {
            0 => {}
            1 => warnings.push("1 character could not be decoded and stands as U+FFFD.".to_owned()),
            lost => warnings.push(format!("{lost} characters could not be decoded and stand as U+FFFD.")),
        }
        Self { text, warnings }
    }

    /// Says that nobody named the encoding.
    pub(super) fn guessed(mut self, name: &str, is_sure: bool) -> Self {
        let sentence = if is_sure {
            format!("The file does not name its encoding. It was read as {name}, which its bytes suggest.")
        } else {
            format!(
                "The file does not name its encoding, and its bytes do not show it. It was read as {name}: compare \
                 the letters with the original, or save the file as UTF-8."
            )
        };
        self.warnings.insert(0, sentence);
        self
    }
}

/// The number of characters that no table could decode.
pub(super) fn lost(text: &str) -> usize {
    text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count()
}
