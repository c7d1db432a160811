//! Why a transfer failed, and whether a retry may help.

use std::{error::Error, io, time::Duration};

use chrono::DateTime;
use pipeline::document::DocumentError;
use reqwest::{
    StatusCode,
    header::{DATE, HeaderMap, RETRY_AFTER},
};

use crate::documents::address::AddressError;

/// The fault of a transfer.
#[derive(Debug)]
pub(super) enum Fault {
    /// A retry would fail in the same way.
    Final(DocumentError),
    /// A retry may help.
    Passing {
        reason: String,
        /// How long the server asks the client to wait.
        after: Option<Duration>,
    },
}

impl Fault {
    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Final(DocumentError::Unavailable(reason.into()))
    }

    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self::Passing { reason: reason.into(), after: None }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::Final(DocumentError::TooLarge(format!("more than {limit} bytes")))
    }

    /// The fault of an answer without the whole document.
    pub(super) fn from_status(status: StatusCode, headers: &HeaderMap) -> Self {
        let answered = format!("the server answered {status}");
        match status.as_u16() {
            // The document is not there yet, or the server is too busy or failing for the moment.
            202 | 404 | 408 | 425 | 429 | 500..=599 => {
                Self::Passing { reason: answered, after: retry_after(headers) }
            }
            206 => {
                Self::unavailable(format!("{answered}: a part, which was not asked for, and not the whole"))
            }
            401 | 403 => Self::unavailable(format!("{answered}; a private blob needs BLOB_READ_WRITE_TOKEN")),
            _ => Self::unavailable(answered),
        }
    }

    /// Describes a transport error without the address, which may hold a signature.
    pub(super) fn from_transport(error: &reqwest::Error, idle: Duration) -> Self {
        let mut source: Option<&dyn Error> = Some(error);
        while let Some(current) = source {
            if let Some(refused) = current.downcast_ref::<AddressError>() {
                return Self::unavailable(refused.to_string());
            }
            if has_tls_fault(current) {
                return Self::unavailable("no secure connection to the server could be made");
            }
            source = current.source();
        }
        Self::passing(if error.is_timeout() {
            format!("nothing came for {idle:?}")
        } else if error.is_connect() {
            "no connection to the server could be made".to_owned()
        } else {
            "the connection broke off".to_owned()
        })
    }
}

/// Whether TLS failed for good: a refused certificate, or an incompatible server. An I/O error may wrap the
/// TLS library's error, with another one in between, without naming it as its source.
fn has_tls_fault(error: &(dyn Error + 'static)) -> bool {
    use rustls::Error::{InvalidCertificate, NoCertificatesPresented, PeerIncompatible};
    let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let tls = error.downcast_ref::<rustls::Error>();
    tls.is_some_and(|tls| {
        matches!(tls, InvalidCertificate(_) | NoCertificatesPresented | PeerIncompatible(_))
    }) || within.is_some_and(|within| has_tls_fault(within))
}

pub(super) fn not_kept(error: &io::Error) -> DocumentError {
    DocumentError::Unavailable(format!("it could not be stored on this machine: {error}"))
}

/// Parses seconds or an HTTP date. A date counts from the server's own `Date`, so that a difference between
/// clocks does not matter.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let value = text(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    // A past date means now.
    Some((date(value)? - date(text(DATE)?)?).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_server_says_when_to_come_again() {
        let after = |pairs: &[(&'static str, &'static str)]| retry_after(&headers(pairs));
        let date = ("date", "Mon, 30 Nov 2026 10:00:00 GMT");
        assert_eq!(after(&[("retry-after", " 7 ")]), Some(Duration::from_secs(7)));
        let later = ("retry-after", "Mon, 30 Nov 2026 10:00:09 GMT");
        assert_eq!(after(&[date, later]), Some(Duration::from_secs(9)));
        let earlier = ("retry-after", "Mon, 30 Nov 2026 09:59:00 GMT");
        assert_eq!(after(&[date, earlier]), Some(Duration::ZERO));
        assert_eq!(after(&[later]), None, "no date to count from");
        assert_eq!(after(&[("retry-after", "soon")]), None);
    }

    #[test]
    fn transient_faults_differ_from_permanent_ones() {
        let passes = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            matches!(Fault::from_status(status, &HeaderMap::new()), Fault::Passing { .. })
        };
        for status in [404, 408, 425, 429, 500, 502, 503, 504, 520, 529] {
            assert!(passes(status), "{status}");
        }
        for status in [201, 204, 205, 206, 300, 304, 305, 400, 401, 403, 405, 409, 410, 416, 451] {
            assert!(!passes(status), "{status}");
        }
    }
}
