//! The headers that may carry a key: `Authorization: Bearer KEY` or `X-API-Key: KEY`.

use axum::http::{HeaderMap, header};

use crate::access::{KeyDigest, digest};

/// The other header that may carry a key.
pub(super) const API_KEY_HEADER: &str = "X-API-Key";

/// The digest of the request's key.
pub(super) fn given_digest(headers: &HeaderMap) -> Option<KeyDigest> {
    given_key(headers).map(digest)
}

/// The request's key. A header that is not text counts as a wrong key.
pub(super) fn given_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let bearer = bearer.and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let api_key = || headers.get("x-api-key").map(|value| value.to_str().unwrap_or_default().trim());
    // A client without a key may send an empty header.
    bearer.or_else(api_key).filter(|key| !key.is_empty())
}
