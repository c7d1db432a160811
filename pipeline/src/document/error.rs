//! Why a document could not be read.

use serde::{Deserialize, Serialize};

/// Why a document could not be read. Each has a stable code that clients see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", content = "reason")]
pub enum DocumentError {
    #[error("the document is protected by a password; remove the protection and try again")]
    #[serde(rename = "DOCUMENT_ENCRYPTED")]
    Encrypted,
    #[error("the document is damaged ({0}); export it again and retry")]
    #[serde(rename = "DOCUMENT_CORRUPT")]
    Corrupt(String),
    #[error("the document holds no readable text ({0})")]
    #[serde(rename = "DOCUMENT_NO_TEXT")]
    NoText(String),
    #[error("the document is too large ({0})")]
    #[serde(rename = "DOCUMENT_TOO_LARGE")]
    TooLarge(String),
    #[error(
        "the document's format is not supported ({0}); use PDF, DOCX, PPTX, XLSX, ODT, ODP, ODS, CSV, RTF, HTML, \
         MHTML, EPUB, EML, Markdown or plain text"
    )]
    #[serde(rename = "DOCUMENT_UNSUPPORTED")]
    Unsupported(String),
    #[error("reading the document took too long ({0})")]
    #[serde(rename = "DOCUMENT_TIMEOUT")]
    Timeout(String),
    #[error("the document could not be fetched ({0})")]
    #[serde(rename = "DOCUMENT_UNAVAILABLE")]
    Unavailable(String),
}

impl DocumentError {
    /// The stable code, as clients and operators see it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Encrypted => "DOCUMENT_ENCRYPTED",
            Self::Corrupt(_) => "DOCUMENT_CORRUPT",
            Self::NoText(_) => "DOCUMENT_NO_TEXT",
            Self::TooLarge(_) => "DOCUMENT_TOO_LARGE",
            Self::Unsupported(_) => "DOCUMENT_UNSUPPORTED",
            Self::Timeout(_) => "DOCUMENT_TIMEOUT",
            Self::Unavailable(_) => "DOCUMENT_UNAVAILABLE",
        }
    }

    /// Whether the same document may work at another time.
    #[must_use]
    pub const fn can_retry(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
