//! How much a model is sent and may answer, and the secret behind the markers of untrusted text.

use std::fmt;

/// The key of the markers around untrusted text. Nobody can write a marker without it, not even a person
/// who knows the whole prompt but for the markers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FenceSecret(Vec<u8>);

impl FenceSecret {
    #[must_use]
    pub fn new(key: impl Into<Vec<u8>>) -> Self {
        Self(key.into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for FenceSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FenceSecret(…)")
    }
}

/// How much a model is sent and may answer. A token is estimated at four characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOptions {
    /// The document's share of the prompt. A longer document is sent in part, with a warning in the answer.
    pub document_tokens_max: usize,
    /// The share of a brand's research notes.
    pub notes_tokens_max: usize,
    /// The longest answer. A longer one is cut off, which fails the stage.
    pub output_tokens_max: u32,
    /// The key of the markers around untrusted text. The default is the empty key, which is for tests alone.
    pub fence_secret: FenceSecret,
}

impl Default for ModelOptions {
    /// For models with a context of 200,000 tokens. The longest valid answers have about 12,000 tokens.
    fn default() -> Self {
        Self {
            document_tokens_max: 120_000,
            notes_tokens_max: 20_000,
            output_tokens_max: 16_000,
            fence_secret: FenceSecret::default(),
        }
    }
}
