//! The layer in front of every page but the login: it finds out who asks, and what they may do.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use storage::control_plane::Permission;

use super::{
    cookie, login, message,
    own_form::{foreign, is_own_form},
};
use crate::{
    access::Sessions,
    http::{
        HttpState,
        auth::{Doorkeeper, Guard},
        codes,
        error::Problem,
    },
};

/// htmx sends it with each of its requests.
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
/// The address that the browser shows.
const HX_CURRENT_URL: HeaderName = HeaderName::from_static("hx-current-url");
/// htmx goes to this address.
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");
/// With `none`, htmx leaves the page as it is.
const HX_RESWAP: HeaderName = HeaderName::from_static("hx-reswap");

/// The layer's settings. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    guard: Guard,
    doorkeeper: Doorkeeper,
    sessions: Arc<Sessions>,
}

impl Gate {
    pub(super) fn new(state: &HttpState, permission: Permission) -> Self {
        let guard = Guard::new(state, permission);
        Self { guard, doorkeeper: Doorkeeper::of(state), sessions: state.sessions.clone() }
    }
}

/// Lets a request in whose session or key has the permission. Handlers find the caller and the actor in its extensions.
pub(super) async fn enter(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let is_of_htmx = request.headers().contains_key(HX_REQUEST);
    if changes_state(request.method()) && !is_own_form(request.headers()) {
        return shown(&foreign(), is_of_htmx);
    }
    let in_session = cookie::session(request.headers()).and_then(|session| gate.sessions.caller(session));
    let caller = match in_session {
        Some(caller) => Ok(caller),
        None => {
            let visitor = gate.doorkeeper.visitor(&request);
            gate.doorkeeper.caller(visitor).await
        }
    };
    match caller.and_then(|caller| gate.guard.permit(caller)) {
        Ok(caller) => {
            gate.guard.note(&mut request, caller);
            let mut response = next.run(request).await;
            match response.extensions_mut().remove::<Problem>() {
                Some(problem) => shown(&problem, is_of_htmx),
                None => response,
            }
        }
        Err(problem) if problem.code == codes::KEY_REQUIRED.name => {
            if is_of_htmx {
                return redirect_htmx(&login::address(&page_of(&request)));
            }
            // The address of a form is no page to come back to; that of the page that sent it is.
            let asked =
                if changes_state(request.method()) { referring(&request) } else { request.uri().clone() };
            login::first(&request, &login::address(&asked))
        }
        Err(problem) => shown(&problem, is_of_htmx),
    }
}

fn changes_state(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A problem as a page. A part that htmx refreshes stays as it is.
fn shown(problem: &Problem, is_of_htmx: bool) -> Response {
    if is_of_htmx {
        let keep = [(HX_RESWAP, HeaderValue::from_static("none"))];
        return (problem.status, keep).into_response();
    }
    message::of_problem(problem)
}

/// The page that a part of it asks for: htmx says it. The part itself is no page to come back to.
fn page_of(request: &Request) -> Uri {
    address_in(request, HX_CURRENT_URL)
}

/// The page that sent a form: browsers say it, because pages of the console let them.
fn referring(request: &Request) -> Uri {
    address_in(request, header::REFERER)
}

fn address_in(request: &Request, name: HeaderName) -> Uri {
    let text = request.headers().get(name).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn redirect_htmx(address: &str) -> Response {
    let mut response =
        (StatusCode::UNAUTHORIZED, [(HX_RESWAP, HeaderValue::from_static("none"))]).into_response();
    if let Ok(address) = HeaderValue::try_from(address) {
        response.headers_mut().insert(HX_REDIRECT, address);
    }
    response
}
