//! Why an address is refused.

/// An address that is none, or a parameter of it that cannot be meant. Holds no value that may be a secret: a file's path at
/// most.
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
