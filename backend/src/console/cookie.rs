//! The cookie that holds a session.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::access::SESSION_LASTS;

/// Browsers take the prefix `__Host-` only from https, for this host alone.
const NAME: &str = "__Host-innovation_console";
/// On a developer's machine there is no https.
const LOCAL_NAME: &str = "innovation_console";

/// The session of a request, if it has one.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    let name = if is_local(headers) { LOCAL_NAME } else { NAME };
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// The header that gives the browser a session.
pub(super) fn set(headers: &HeaderMap, session: &SecretString) -> Option<(HeaderName, HeaderValue)> {
    made(headers, session.expose_secret(), SESSION_LASTS.as_secs())
}

/// The header that makes the browser forget its session.
pub(super) fn clear(headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
    made(headers, "", 0)
}

fn made(headers: &HeaderMap, value: &str, seconds: u64) -> Option<(HeaderName, HeaderValue)> {
    let (name, secure) = if is_local(headers) { (LOCAL_NAME, "") } else { (NAME, "; Secure") };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some((header::SET_COOKIE, value))
}

/// Whether the browser reaches this machine itself, perhaps without https. A request with a forged `Host` harms nobody but its
/// sender.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn elsewhere_than_here_it_needs_https() {
        let session_text = SecretString::from("abc".to_owned());
        let there = headers(&[(header::HOST, "console.example.com")]);
        let (_, value) = set(&there, &session_text).unwrap();
        let value = value.to_str().unwrap().to_owned();
        assert!(
            value.starts_with("__Host-innovation_console=abc; Path=/;") && value.ends_with("; Secure"),
            "{value}"
        );
        assert!(value.contains("HttpOnly") && value.contains("SameSite=Strict"));
        let here = headers(&[(header::HOST, "127.0.0.1:8000")]);
        let (_, value) = clear(&here).unwrap();
        assert!(value.to_str().unwrap().starts_with("innovation_console=; Path=/; Max-Age=0"));
    }

    #[test]
    fn the_name_must_fit_the_host() {
        let cookies = "a=b; innovation_console=local; __Host-innovation_console=far";
        let of = |host: &str| {
            let headers = headers(&[(header::HOST, host), (header::COOKIE, cookies)]);
            session(&headers).map(str::to_owned)
        };
        assert_eq!(of("localhost:8000").as_deref(), Some("local"));
        assert_eq!(of("example.com").as_deref(), Some("far"));
        assert_eq!(session(&HeaderMap::new()), None);
    }
}
