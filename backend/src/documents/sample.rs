//! The built-in document of a golden path (`innovation smoke`). It needs no network, so such a run proves everything but the
//! download. The built-in extractive analyst reads it, so the run costs nothing.

/// Its address. No URL of a client has this scheme.
pub const ADDRESS: &str = "builtin:sample.md";

/// Its name.
pub const NAME: &str = "sample.md";

/// Its content, which the image contains anyway.
pub const BYTES: &[u8] = include_bytes!("sample.md");

/// Whether an address means the built-in document.
#[must_use]
pub fn is_address(url: &str) -> bool {
    url == ADDRESS
}
