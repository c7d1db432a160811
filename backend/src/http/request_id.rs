//! The id of a request, which appears in its answer, in its log lines, and in the access log.

use axum::{extract::Request, http::HeaderName};

/// The header, in both directions.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted from a client, in bytes.
const BYTES_MAX: usize = 100;

/// A request's id: the client's own if it has only plain characters, else a new UUIDv7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    pub(super) fn of(request: &Request) -> Self {
        let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        match given.filter(|given| is_plain(given)) {
            Some(given) => Self(given.to_owned()),
            None => Self(uuid::Uuid::now_v7().as_hyphenated().to_string()),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(text: &str) -> bool {
    (1..=BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_plain_request_id_is_accepted() {
        let of = |given: &str| {
            let request = Request::builder().header(HEADER, given).body(Body::empty()).unwrap();
            RequestId::of(&request).0
        };
        assert_eq!(of("req_1:A-2.b"), "req_1:A-2.b");
        for bad in ["", " ", "a b", "a\"b", &"x".repeat(101), "é"] {
            let made = of(bad);
            assert_eq!(made.len(), 36, "{bad:?} → {made}");
        }
    }
}
