//! A picture of a page, and why there is none.

use std::sync::Arc;

use pipeline::document::DocumentError;

/// The width of a picture in pixels: 150 dpi on A4.
pub(super) const WIDTH: u32 = 1_240;

/// A picture of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub png: Arc<[u8]>,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Pixels a point.
    pub scale: f64,
}

/// Why there is no picture of a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    #[error("the document has {0} pages")]
    NoSuchPage(u32),
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Too many pages are asked for, or the machine has no room.
    #[error("too many pages are being drawn; try again")]
    Busy,
}

impl PictureError {
    /// Whether the next attempt ends in the same way, because the document is the reason.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::NoSuchPage(_) => true,
            Self::Document(error) => !error.can_retry(),
            Self::Busy => false,
        }
    }
}

/// A page of a document, by the document's digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PictureKey {
    pub sha256: String,
    /// From 1.
    pub page: u32,
}
