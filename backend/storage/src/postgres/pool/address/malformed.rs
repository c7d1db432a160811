//! Why an address is refused.

/// Why an address is unusable. The text holds no value that may be a secret, at most a file's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("must be a postgresql:// address (special characters of the password percent-encoded)")]
    NotAnAddress,
    #[error("its parameter {parameter} {what}")]
    Parameter { parameter: &'static str, what: String },
}

impl Malformed {
    pub(super) fn parameter(parameter: &'static str, what: impl Into<String>) -> Self {
        Self::Parameter { parameter, what: what.into() }
    }
}
