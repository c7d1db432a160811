//! The limits of a document that is read.

/// The most pages of one document. The longest real report seen had 455.
pub const PAGES_MAX: usize = 2_000;
/// The most text of one document, in bytes. 400 dense pages are about 1.6 MB.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
