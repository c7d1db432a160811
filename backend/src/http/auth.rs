//! Checks API keys: `Authorization: Bearer KEY` or `X-API-Key: KEY`.
//!
//! A missing key gets 401 and a wrong one 403, so that an operator can tell the two apart.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use storage::control_plane::{Permission, Role};
use subtle::{Choice, ConstantTimeEq as _};

use super::{codes, error::Problem, state::HttpState};
use crate::access::{Caller, KeyDigest, KeyRing, digest};

/// The other header that may carry a key.
pub(super) const API_KEY_HEADER: &str = "X-API-Key";

const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// Keys that open one route, as digests. All digests have the same length, so a comparison reveals nothing about a
/// key.
#[derive(Clone)]
pub struct Keys(Vec<KeyDigest>);

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

    /// Admits a request with an accepted key. Without configured keys, it admits every request.
    ///
    /// # Errors
    ///
    /// A [`Problem`] with `key_required` or `invalid_api_key`.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        let given = given_digest(headers).ok_or_else(key_required)?;
        // Compare with every key, also after a match, to take constant time.
        let is_known = self.0.iter().fold(Choice::from(0), |found, key| found | key.ct_eq(&given));
        if is_known.into() {
            return Ok(());
        }
        Err(invalid_key())
    }
}

fn key_required() -> Problem {
    let sentence = "a key is required: send it as Authorization: Bearer KEY or as X-API-Key: KEY";
    Problem::new(codes::KEY_REQUIRED, sentence)
}

fn invalid_key() -> Problem {
    Problem::new(codes::INVALID_API_KEY, "this key is not accepted")
}

/// The caller of a request, by its key. Without required keys, the caller may do everything.
///
/// # Errors
///
/// A [`Problem`] with `key_required` or `invalid_api_key`.
pub(super) fn caller(ring: &KeyRing, headers: &HeaderMap) -> Result<Caller, Problem> {
    if ring.is_open() {
        return Ok(Caller::environment(Role::Admin));
    }
    let given = given_digest(headers).ok_or_else(key_required)?;
    ring.recognise(&given).ok_or_else(invalid_key)
}

/// Whether the request has an accepted key. Where no key is required, none is accepted.
pub(super) fn has_key(ring: &KeyRing, headers: &HeaderMap) -> bool {
    !ring.is_open() && caller(ring, headers).is_ok()
}

/// The digest of the request's key.
pub(super) fn given_digest(headers: &HeaderMap) -> Option<KeyDigest> {
    given(headers).map(digest)
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

/// The layer in front of the routes that need a permission. Handlers find the [`Caller`] in the request's extensions.
pub(super) async fn require_permission(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&guard.ring, request.headers()) {
        Ok(caller) if !caller.may(guard.permission) => refuse(Problem::new(
            codes::INSUFFICIENT_ROLE,
            format!(
                "a key with the role {} may not do this; it takes {}",
                caller.role,
                guard.permission.roles()
            ),
        )),
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) if problem.code == codes::KEY_REQUIRED.name && guard.lets_in(&request) => {
            request.extensions_mut().insert(Caller::environment(Role::Client));
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

/// The settings of the layer in front of the routes that need a permission.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    ring: Arc<KeyRing>,
    permission: Permission,
    /// `ALLOW_FRONTEND_WITHOUT_KEY`
    allows_frontend: bool,
}

impl Guard {
    pub(super) fn new(state: &HttpState, permission: Permission) -> Self {
        let allows_frontend = state.access.allow_frontend_without_key;
        Self { ring: state.keys.clone(), permission, allows_frontend }
    }

    /// Whether a request without a key may continue. A wrong key is refused in any case.
    fn lets_in(&self, request: &Request) -> bool {
        self.allows_frontend && request.method() == Method::POST && request.uri().path() == "/run"
    }
}
