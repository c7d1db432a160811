//! Checks API keys: `Authorization: Bearer KEY` or `X-API-Key: KEY`.
//!
//! A missing key gets 401 and a wrong one 403, so that an operator can tell the two apart.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::{codes, error::Problem};
use crate::config::AccessConfig;

/// The other header that may carry a key.
pub(super) const API_KEY_HEADER: &str = "X-API-Key";

const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// The accepted keys, as digests. All digests have the same length, so a comparison reveals nothing about a
/// key.
#[derive(Clone)]
pub struct Keys(Vec<[u8; 32]>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    #[must_use]
    pub fn new(keys: &[SecretString]) -> Self {
        Self(keys.iter().map(|key| digest(key.expose_secret())).collect())
    }

    /// Whether the request has an accepted key. Without configured keys, none is accepted.
    #[must_use]
    pub fn has_accepted(&self, headers: &HeaderMap) -> bool {
        !self.0.is_empty() && self.check(headers).is_ok()
    }

    /// Admits a request with an accepted key. Without configured keys, it admits every request.
    ///
    /// # Errors
    ///
    /// A [`Problem`] with `key_required` or `invalid_api_key`.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        let Some(given) = given(headers) else {
            return Err(Problem::new(
                codes::KEY_REQUIRED,
                "a key is required: send it as Authorization: Bearer KEY or as X-API-Key: KEY",
            ));
        };
        let given = digest(given);
        // Compare with every key, also after a match, to take constant time.
        let is_known = self.0.iter().fold(Choice::from(0), |found, key| found | key.ct_eq(&given));
        if is_known.into() {
            return Ok(());
        }
        Err(Problem::new(codes::INVALID_API_KEY, "this key is not accepted"))
    }
}

/// The digest of the request's key.
pub(super) fn given_digest(headers: &HeaderMap) -> Option<[u8; 32]> {
    given(headers).map(digest)
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The request's key. A header that is not text counts as a wrong key.
fn given(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let bearer = bearer.and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let api_key = || headers.get("x-api-key").map(|value| value.to_str().unwrap_or_default().trim());
    // A client without a key may send an empty header.
    bearer.or_else(api_key).filter(|key| !key.is_empty())
}

/// Marks a request without a key that the frontend may send. The handler decides about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct WithoutKey;

/// The layer in front of `/run` and the reads.
pub(super) async fn require_api_key(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    match guard.keys.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) if problem.code == codes::KEY_REQUIRED.name && guard.lets_in(&request) => {
            request.extensions_mut().insert(WithoutKey);
            next.run(request).await
        }
        Err(problem) => refuse(problem),
    }
}

/// Builds a refusal, with the challenge that 401 requires (RFC 9110, 11.6.1).
pub(super) fn refuse(problem: Problem) -> Response {
    let challenge = problem.status == StatusCode::UNAUTHORIZED;
    let mut response = problem.into_response();
    if challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, BEARER);
    }
    response
}

/// The settings of the layer in front of `/run` and the reads.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    keys: Keys,
    /// `ALLOW_FRONTEND_WITHOUT_KEY`
    allows_frontend: bool,
}

impl Guard {
    /// With the keys of `/run` and the reads.
    pub(super) fn new(access: &AccessConfig) -> Self {
        Self { keys: Keys::new(&access.api_keys), allows_frontend: access.allow_frontend_without_key }
    }

    /// Whether a request without a key may continue. A wrong key is refused in any case.
    fn lets_in(&self, request: &Request) -> bool {
        self.allows_frontend && request.method() == Method::POST && request.uri().path() == "/run"
    }
}
