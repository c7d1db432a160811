//! How a person comes in and goes.

use askama::Template;
use axum::{
    extract::{FromRequest as _, RawQuery, Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use storage::control_plane::Permission;

use super::{
    assets::{ADDRESSES, Addresses},
    cookie,
    form::Form,
    own_form::{foreign, is_own_form},
    page::{html, with_query},
};
use crate::{
    access::digest,
    http::{HttpState, auth::Doorkeeper, codes, error::Problem},
};

const HOME: &str = "/console";

/// The mark of a page that has asked once more.
const AGAIN: &str = "again";

#[derive(Template)]
#[template(path = "console/login.html")]
struct Login<'a> {
    assets: &'static Addresses,
    next: &'a str,
    error: Option<&'a str>,
    /// The page loads this address again: a strict cookie is not sent with the first request of a link from elsewhere.
    again: Option<&'a str>,
}

/// The login that leads to this page afterwards.
pub(super) fn address(asked: &Uri) -> String {
    // The note of an earlier form must not be taken for that of a form which the login has stopped.
    let query = Form::parse(asked.query().unwrap_or_default().as_bytes());
    let path = with_query(asked.path(), &query, &[]);
    let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("/console/login?next={next}")
}

/// The answer to somebody without a session. A link from elsewhere, such as from an alert in a chat, comes without the cookie;
/// so the page reloads itself once, and only then asks for a key.
pub(super) fn first(request: &Request, login: &str) -> Response {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
    if site == Some(b"cross-site") && !query.says(AGAIN, "1") {
        let again = with_query(request.uri().path(), &query, &[(AGAIN, "1")]);
        let page = Login { assets: &ADDRESSES, next: HOME, error: None, again: Some(&again) };
        return html(StatusCode::OK, &page);
    }
    see_other(login)
}

/// `GET /console/login`
pub(super) async fn show(RawQuery(query): RawQuery) -> Response {
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    let page = Login { assets: &ADDRESSES, next: next(&form), error: None, again: None };
    html(StatusCode::OK, &page)
}

/// `POST /console/login`: begins a session. Wrong keys are counted as those of the API are.
pub(super) async fn enter(State(state): State<HttpState>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    // A key in a header is not asked for here, and must not count.
    head.headers.remove(header::AUTHORIZATION);
    head.headers.remove("x-api-key");
    let mut about = Request::new(axum::body::Body::empty());
    *about.headers_mut() = head.headers.clone();
    *about.extensions_mut() = head.extensions.clone();
    if !is_own_form(&head.headers) {
        return refused("/console", &foreign());
    }
    let form = match Form::from_request(Request::from_parts(head, body), &state).await {
        Ok(form) => form,
        Err(problem) => return refused(HOME, &problem),
    };
    let next = next(&form).to_owned();
    let Some(key) = form.text("key") else {
        return refused(&next, &Problem::new(codes::KEY_REQUIRED, "type or paste a key"));
    };
    let doorkeeper = Doorkeeper::of(&state);
    let visitor = doorkeeper.visitor_with(&about, Some(key));
    let caller = match doorkeeper.caller(visitor).await {
        Ok(caller) => caller,
        Err(problem) => return refused(&next, &problem),
    };
    if !caller.may(Permission::ReadOperations) {
        let detail =
            "this key may not enter the console; it takes one with the role viewer, operator or admin";
        return refused(&next, &Problem::new(codes::INSUFFICIENT_ROLE, detail));
    }
    let begun = state.sessions.begin(&digest(key)).and_then(|session| cookie::set(about.headers(), &session));
    let mut response = see_other(&next);
    if let Some((name, value)) = begun {
        response.headers_mut().insert(name, value);
    }
    tracing::info!(
        event = "console_entered",
        name = caller.name,
        role = caller.role.as_str(),
        "[{}] has entered the console",
        caller.name
    );
    response
}

/// `POST /console/logout`: ends the session.
pub(super) async fn leave(State(state): State<HttpState>, request: Request) -> Response {
    if !is_own_form(request.headers()) {
        return refused(HOME, &foreign());
    }
    if let Some(session) = cookie::session(request.headers()) {
        state.sessions.end(session);
    }
    let mut response = see_other("/console/login");
    if let Some((name, value)) = cookie::clear(request.headers()) {
        response.headers_mut().insert(name, value);
    }
    response
}

fn refused(next: &str, problem: &Problem) -> Response {
    let page = Login { assets: &ADDRESSES, next, error: Some(&problem.detail), again: None };
    let mut response = html(problem.status, &page);
    if let Some(after) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// A page of the console, and never an address elsewhere.
fn next(form: &Form) -> &str {
    let wanted = form.text("next").unwrap_or(HOME);
    let is_ours = wanted == HOME || wanted.starts_with("/console/") || wanted.starts_with("/console?");
    if is_ours && !wanted.starts_with("/console/login") && !wanted.contains(['\\', '\r', '\n']) {
        wanted
    } else {
        HOME
    }
}

fn see_other(address: &str) -> Response {
    let address = HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static(HOME));
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_login_nobody_is_led_elsewhere() {
        let of = |next: &str| {
            let query: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            super::next(&Form::parse(format!("next={query}").as_bytes())).to_owned()
        };
        for ours in ["/console", "/console/runs?status=FAILED", "/console?live=off"] {
            assert_eq!(of(ours), ours);
        }
        for other in [
            "https://evil.example",
            "//evil.example",
            "/consolevil",
            "/console/login?next=/x",
            "/docs",
            "/console/\\evil",
        ] {
            assert_eq!(of(other), HOME, "{other}");
        }
    }
}
