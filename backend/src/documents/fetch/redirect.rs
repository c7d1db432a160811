//! Follows redirects by RFC 9110 (15.4, 10.2.2).

use reqwest::{
    StatusCode,
    header::{HeaderMap, LOCATION},
};
use url::Url;

/// The default limit of HTTP clients.
pub(super) const REDIRECTS_MAX: usize = 10;

/// Longer addresses are refused, as by most servers.
const LOCATION_BYTES_MAX: usize = 8 * 1024;

/// The statuses that redirect a GET. 300 offers a choice, 304 answers a condition that the client never
/// sends, 305 and 306 are obsolete.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The target without its fragment. None if the answer has no usable target.
pub(super) fn target(headers: &HeaderMap, base: &Url) -> Option<Url> {
    let mut all = headers.get_all(LOCATION).iter();
    let location = all.next()?;
    // Two different targets: a cache or proxy in between may have used either.
    if all.any(|other| other != location) || location.len() > LOCATION_BYTES_MAX {
        return None;
    }
    let mut target = base.join(&ascii(location.as_bytes())).ok()?;
    target.set_fragment(None);
    Some(target)
}

/// Percent-encodes bytes beyond ASCII. Raw UTF-8 then looks as a browser sends it.
fn ascii(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0x00..=0x7f => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn from(location: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_bytes(location).unwrap());
        let base = Url::parse("https://store.example/a/b/c.pdf?x=1").unwrap();
        target(&headers, &base).map(String::from)
    }

    #[test]
    fn every_form_of_a_reference_is_understood() {
        for (location, to) in [
            ("https://other.example/d.pdf", "https://other.example/d.pdf"),
            ("//other.example/d.pdf", "https://other.example/d.pdf"),
            ("/d.pdf", "https://store.example/d.pdf"),
            ("d.pdf", "https://store.example/a/b/d.pdf"),
            ("../d.pdf", "https://store.example/a/d.pdf"),
            ("?y=2", "https://store.example/a/b/c.pdf?y=2"),
            ("/d.pdf#page=2", "https://store.example/d.pdf"),
            ("#page=2", "https://store.example/a/b/c.pdf?x=1"),
            ("/Résumé n°1.pdf", "https://store.example/R%C3%A9sum%C3%A9%20n%C2%B01.pdf"),
            ("/R%C3%A9sum%C3%A9.pdf", "https://store.example/R%C3%A9sum%C3%A9.pdf"),
            ("https://bücher.example/d", "https://xn--bcher-kva.example/d"),
            ("HTTPS://OTHER.example/d", "https://other.example/d"),
        ] {
            assert_eq!(from(location.as_bytes()).as_deref(), Some(to), "{location}");
        }
        assert_eq!(from(b"/R\xe9sum\xe9.pdf").as_deref(), Some("https://store.example/R%E9sum%E9.pdf"));
    }

    #[test]
    fn a_location_that_is_none_is_refused() {
        assert_eq!(from(b"https://"), None);
        assert_eq!(from("/".repeat(LOCATION_BYTES_MAX + 1).as_bytes()), None);
        let mut headers = HeaderMap::new();
        let base = Url::parse("https://store.example/").unwrap();
        assert_eq!(target(&headers, &base), None);
        headers.append(LOCATION, HeaderValue::from_static("/a"));
        headers.append(LOCATION, HeaderValue::from_static("/b"));
        assert_eq!(target(&headers, &base), None);
    }
}
