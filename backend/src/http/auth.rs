//! Checks API keys: `Authorization: Bearer KEY` or `X-API-Key: KEY`.
//!
//! A missing key gets 401 and a wrong one 403, so that an operator can tell the two apart. Wrong keys are counted by address
//! ([`FailedKeys`]). A right key is served whatever was counted.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use secrecy::ExposeSecret as _;
use storage::control_plane::{Permission, Role};
use subtle::ConstantTimeEq as _;

use super::{
    client_ip::client_ip,
    codes::{self, Code},
    connections::counted,
    error::Problem,
    golden_path::{self, OfGoldenPath},
    key_header::given_key,
    request_id::RequestId,
    state::HttpState,
};
use crate::{
    access::{Caller, FailedKeys, KeyDigest, KeyRing, Refusal, Unrecognised, digest, may_be_ours},
    audit::Actor,
};

const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// The errors of every operation with a key.
pub(super) const PROBLEMS: [Code; 5] = [
    codes::KEY_REQUIRED,
    codes::INVALID_API_KEY,
    codes::INSUFFICIENT_ROLE,
    codes::TOO_MANY_WRONG_KEYS,
    codes::KEYS_UNAVAILABLE,
];

/// `Retry-After` while keys cannot be checked. They are asked for every two seconds.
const RETRY_KEYS: Duration = Duration::from_secs(5);

/// Knows the keys, and counts the wrong ones. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Doorkeeper {
    ring: Arc<KeyRing>,
    failed: Arc<FailedKeys>,
    trusted_proxy_hops: u8,
}

/// Where a request comes from, and what key it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    address: IpAddr,
    given: Option<KeyDigest>,
    /// Whether the key has the form of those in the database.
    may_be_ours: bool,
}

impl Doorkeeper {
    pub(crate) fn of(state: &HttpState) -> Self {
        let trusted_proxy_hops = state.access.trusted_proxy_hops;
        Self { ring: state.keys.clone(), failed: state.failed_keys.clone(), trusted_proxy_hops }
    }

    pub(crate) fn visitor(&self, request: &Request) -> Visitor {
        self.visitor_with(request, given_key(request.headers()))
    }

    /// A visitor who gives the key in another way than in a header, such as in a form.
    pub(crate) fn visitor_with(&self, request: &Request, key: Option<&str>) -> Visitor {
        let address = client_ip(request, self.trusted_proxy_hops);
        // All requests without an address share one.
        let address = address.map_or(Ipv4Addr::UNSPECIFIED.into(), counted);
        Visitor { address, given: key.map(digest), may_be_ours: key.is_some_and(may_be_ours) }
    }

    /// The caller of a request, by its key. Without required keys, any other caller may do everything.
    ///
    /// # Errors
    ///
    /// A [`Problem`] with `key_required`, `invalid_api_key`, `too_many_wrong_keys` or `keys_unavailable`.
    pub(crate) async fn caller(&self, visitor: Visitor) -> Result<Caller, Problem> {
        let recognised = visitor.given.map(|given| self.ring.recognise(&given));
        match recognised {
            Some(Ok(caller)) => {
                self.failed.succeeded(visitor.address);
                Ok(caller)
            }
            _ if self.ring.is_open() => Ok(Caller::environment(Role::Admin)),
            None => Err(key_required()),
            Some(Err(Unrecognised::Unknown)) if visitor.may_be_ours => {
                Err(self.refuse(visitor.address, Unrecognised::Unknown).await)
            }
            Some(Err(_)) => Err(self.refuse(visitor.address, Unrecognised::Wrong).await),
        }
    }

    /// The caller, if the request has a key that is accepted. Where no key is required, none is accepted.
    pub(super) async fn known_caller(&self, visitor: Visitor) -> Option<Caller> {
        match self.ring.is_open() {
            true => self.ring.recognise(&visitor.given?).ok(),
            false => self.caller(visitor).await.ok(),
        }
    }

    /// Counts a wrong key.
    async fn refuse(&self, address: IpAddr, reason: Unrecognised) -> Problem {
        let refusal = self.failed.failed(address);
        self.failed.pause().await;
        let (detail, after) = match (refusal, reason) {
            (Refusal::Wrong, Unrecognised::Wrong) => {
                return Problem::new(codes::INVALID_API_KEY, "this key is not accepted");
            }
            (Refusal::Wrong, Unrecognised::Unknown) => {
                let detail = "the database is away, and without it this key cannot be checked; keys of the environment are accepted";
                return Problem::unavailable(codes::KEYS_UNAVAILABLE, detail, RETRY_KEYS);
            }
            (Refusal::TooMany(after), _) => {
                ("this address has sent too many wrong keys; a right one is accepted at any time", after)
            }
            (Refusal::Blocked(after), _) => (
                "this address has sent too many wrong keys in a row, and wrong ones are refused for 15 minutes; a right one is accepted at any time",
                after,
            ),
        };
        Problem::unavailable(codes::TOO_MANY_WRONG_KEYS, detail, after.max(Duration::from_secs(1)))
    }
}

fn key_required() -> Problem {
    let sentence = "a key is required: send it as Authorization: Bearer KEY or as X-API-Key: KEY";
    Problem::new(codes::KEY_REQUIRED, sentence)
}

/// Whether a request may read metrics: with `METRICS_KEY`, or with a key that may read the state of the service. On a
/// developer's machine without `METRICS_KEY` everybody may, unless they are always guarded and any key is set.
///
/// # Errors
///
/// A [`Problem`] as of [`Doorkeeper::caller`], or `insufficient_role`.
pub(super) async fn check_metrics(
    state: &HttpState,
    visitor: Visitor,
    is_always_guarded: bool,
) -> Result<(), Problem> {
    if let Some(key) = &state.access.metrics_key {
        // Digests have one length, so the comparison reveals nothing about the key.
        let is_metrics_key =
            visitor.given.is_some_and(|given| digest(key.expose_secret()).ct_eq(&given).into());
        if is_metrics_key {
            return Ok(());
        }
    } else if !state.access.metrics_need_key && (!is_always_guarded || state.keys.is_open()) {
        return Ok(());
    }
    let doorkeeper = Doorkeeper::of(state);
    if state.keys.is_open() {
        // Nobody has to have a key for the API, and METRICS_KEY is required here.
        let caller = doorkeeper.known_caller(visitor).await;
        return match (caller, visitor.given) {
            (Some(caller), _) => check_permission(&caller, Permission::ReadOperations),
            (None, None) => Err(key_required()),
            (None, Some(_)) => Err(doorkeeper.refuse(visitor.address, Unrecognised::Wrong).await),
        };
    }
    check_permission(&doorkeeper.caller(visitor).await?, Permission::ReadOperations)
}

fn check_permission(caller: &Caller, permission: Permission) -> Result<(), Problem> {
    if caller.may(permission) {
        return Ok(());
    }
    let detail = if caller.role.may(permission) {
        format!("this key is narrowed to other scopes; it takes {}", permission.as_str())
    } else {
        format!("a key with the role {} may not do this; it takes {}", caller.role, permission.roles())
    };
    Err(Problem::new(codes::INSUFFICIENT_ROLE, detail))
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
    let visitor = guard.doorkeeper.visitor(&request);
    let caller = guard.doorkeeper.caller(visitor).await;
    match caller.and_then(|caller| guard.permit(caller)) {
        Ok(caller) => {
            let is_step = golden_path::is_step(&request, &caller);
            guard.note(&mut request, caller);
            let mut response = next.run(request).await;
            if is_step {
                response.extensions_mut().insert(OfGoldenPath);
            }
            response
        }
        Err(problem) if problem.code == codes::KEY_REQUIRED.name && guard.lets_in(&request) => {
            let caller = guard.doorkeeper.ring.environment_caller(Role::Client);
            guard.note(&mut request, caller);
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
pub(crate) struct Guard {
    doorkeeper: Doorkeeper,
    permission: Permission,
    /// `ALLOW_FRONTEND_WITHOUT_KEY`
    allows_frontend: bool,
}

impl Guard {
    pub(crate) fn new(state: &HttpState, permission: Permission) -> Self {
        let allows_frontend = state.access.allow_frontend_without_key;
        Self { doorkeeper: Doorkeeper::of(state), permission, allows_frontend }
    }

    /// The caller, if they may pass.
    ///
    /// # Errors
    ///
    /// `insufficient_role`, or `keys_unavailable` where only keys of the environment count now.
    pub(crate) fn permit(&self, caller: Caller) -> Result<Caller, Problem> {
        check_permission(&caller, self.permission)?;
        if self.permission == Permission::Administer && !self.doorkeeper.ring.may_administer(&caller) {
            let detail =
                "the database is away, and until it is back only keys of ADMIN_API_KEYS act as admin";
            return Err(Problem::unavailable(codes::KEYS_UNAVAILABLE, detail, RETRY_KEYS));
        }
        Ok(caller)
    }

    /// Gives the handler the caller, and the actor for the audit.
    pub(crate) fn note(&self, request: &mut Request, caller: Caller) {
        let address = client_ip(request, self.doorkeeper.trusted_proxy_hops);
        let request_id = request.extensions().get::<RequestId>().map(RequestId::as_str);
        let actor = Actor::of_request(&caller, address, request_id);
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(actor);
    }

    /// Whether a request without a key may continue. A wrong key is refused in any case.
    fn lets_in(&self, request: &Request) -> bool {
        self.allows_frontend && request.method() == Method::POST && request.uri().path() == "/run"
    }
}
