//! Refuses what a page of another site sends through the browser of somebody who is in our network or has a session.
//!
//! A browser sends a simple request of any page without asking, and names the page's site in `Origin`. A header with a key is
//! beyond simple requests: for such a request the browser asks first, and CORS answers. Under the flag
//! `SECURITY_STRICT_ORIGIN`, a header with a key excuses nothing, and neither does a page of a sibling domain.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use url::Host;

use super::{codes, error::Problem, key_header::given_digest, state::HttpState};
use crate::{config::OriginRule, flags::definitions::STRICT_ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The layer in front of all routes.
pub(super) async fn refuse_foreign(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    if state.access.checks_host && !names_this_machine(&request) {
        let detail = "without keys, this development machine answers only requests to localhost; set BACKEND_API_KEYS, or HOST to \
                      the address it should have";
        return Problem::new(codes::FOREIGN_HOST, detail).into_response();
    }
    let is_strict = state.flags.source.is_on(&STRICT_ORIGIN);
    if changes_state(request.method()) && is_foreign(&request, &state.access.allowed_origins, is_strict) {
        let detail = if is_strict {
            "a page of another site sent this request, and SECURITY_STRICT_ORIGIN is on; add the page's origin to ALLOWED_ORIGINS"
        } else {
            "a page of another site sent this request; add its origin to ALLOWED_ORIGINS, or send a key in a header"
        };
        return Problem::new(codes::FOREIGN_ORIGIN, detail).into_response();
    }
    next.run(request).await
}

fn changes_state(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

fn is_foreign(request: &Request, allowed: &[OriginRule], is_strict: bool) -> bool {
    let headers = request.headers();
    if !is_strict && given_digest(headers).is_some() {
        return false;
    }
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    match headers.get(header::ORIGIN) {
        // A page of ours that sends no referrer has no origin either. No page of another site gets the browser to say this.
        Some(origin) if origin == "null" && site.is_some_and(|site| site == b"same-origin") => false,
        Some(origin) => {
            let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
            !is_ours(&origin, request) && !allowed.iter().any(|rule| rule.allows(&origin))
        }
        None => site.is_some_and(|site| match site {
            b"cross-site" => true,
            b"same-site" => is_strict,
            _ => false,
        }),
    }
}

/// Whether the origin is the host that the request names. A proxy of ours may have ended TLS, so the scheme is not compared.
fn is_ours(origin: &str, request: &Request) -> bool {
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    matches!((authority, host(request)), (Some(theirs), Some(ours)) if *theirs == ours.to_ascii_lowercase())
}

/// The host and port that the request names: in HTTP/2 a part of its address.
fn host(request: &Request) -> Option<&str> {
    let named = || request.headers().get(header::HOST)?.to_str().ok();
    request.uri().authority().map(|authority| authority.as_str()).or_else(named)
}

/// Whether the request names a loopback address or `localhost`. A page whose own name leads here names itself.
fn names_this_machine(request: &Request) -> bool {
    let Some(host) = host(request) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    match Host::parse(name) {
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::post("/run");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn pages_of_other_sites_are_foreign() {
        let allowed = [OriginRule::parse("https://app.example.com").unwrap()];
        let foreign_if = |headers: &[(&str, &str)], is_strict: bool| {
            let all = [&[("host", "api.example.com")], headers].concat();
            is_foreign(&request(&all), &allowed, is_strict)
        };
        let is_foreign = |headers: &[(&str, &str)]| foreign_if(headers, false);
        for foreign in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://api.example.com.evil.example")],
            &[("origin", "https://api.example.com:8443")],
            &[("origin", "ftp://api.example.com")],
            &[("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example"), ("x-api-key", "")],
        ] {
            assert!(is_foreign(foreign), "{foreign:?}");
        }
        for own in [
            &[][..],
            &[("origin", "https://api.example.com")],
            &[("origin", "http://API.example.com")],
            &[("origin", "https://app.example.com"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://evil.example"), ("authorization", "Bearer k")],
            &[("sec-fetch-site", "cross-site"), ("x-api-key", "k")],
        ] {
            assert!(!is_foreign(own), "{own:?}");
        }
        for foreign in [
            &[("origin", "https://evil.example"), ("authorization", "Bearer k")][..],
            &[("sec-fetch-site", "cross-site"), ("x-api-key", "k")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert!(foreign_if(foreign, true), "{foreign:?}");
        }
        for own in [
            &[("x-api-key", "k")][..],
            &[("origin", "https://api.example.com"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://app.example.com"), ("x-api-key", "k"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!foreign_if(own, true), "{own:?}");
        }
    }

    #[test]
    fn only_loopback_names_are_this_machine() {
        let is_ours = |host: &str| names_this_machine(&request(&[("host", host)]));
        for own in ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "app.localhost"] {
            assert!(is_ours(own), "{own}");
        }
        for other in
            ["evil.example:8000", "localhost.evil.example", "192.168.1.2", "", "127.0.0.1.evil.example"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }
}
