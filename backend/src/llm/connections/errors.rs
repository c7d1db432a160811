//! Reads from an error whether the endpoint processed the request, and describes the error.

use std::{error::Error, io, iter};

use super::connect_error::{NotHttp2, SharedError};

/// Describes the error without addresses.
pub(in crate::llm) fn connection_fault(error: &reqwest::Error) -> &'static str {
    use io::ErrorKind;
    // The error itself shows the address, which may hold anything.
    for cause in causes(error).skip(1) {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            match io.kind() {
                ErrorKind::ConnectionRefused => return "the connection was refused",
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                    return "the connection was reset";
                }
                ErrorKind::UnexpectedEof => return "the connection was closed in the middle of the answer",
                _ => {}
            }
        }
        let text = cause.to_string();
        if text.contains("dns error") {
            return "its name could not be resolved";
        }
        if text.contains("certificate") {
            return "its certificate was not accepted (EXTRA_CA_FILE names an authority of your own)";
        }
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => "making a connection took too long",
        (true, false) => "no connection could be made",
        (false, true) => "the connection went silent",
        (false, false) => "the connection was closed before the answer was whole",
    }
}

/// Whether the endpoint certainly did not process the request: it says so (RFC 9113, 8.7), or it never
/// received it.
pub(super) fn was_not_processed(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        // The connection closed while the request was queued.
        let never_sent = cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        never_sent || cause.downcast_ref::<h2::Error>().is_some_and(says_not_processed)
    })
}

fn says_not_processed(error: &h2::Error) -> bool {
    let reason = error.reason();
    if !error.is_remote() {
        return false;
    }
    // The library reports this error for streams above the last one that the server processed, and the others
    // continue. After ENHANCE_YOUR_CALM, a client must not retry at once.
    (error.is_go_away() && reason != Some(h2::Reason::ENHANCE_YOUR_CALM))
        || (error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
}

/// Whether another request was opening the shared connection, and failed or was cancelled. The library hides
/// the reason, and the next attempt gets it from the gate.
pub(super) fn waited_in_vain(error: &reqwest::Error) -> bool {
    error.is_connect() && !causes(error).any(|cause| cause.is::<NotHttp2>() || cause.is::<SharedError>())
}

/// Whether the connection failed as it does with a server or proxy that does not support HTTP/2.
pub(super) fn may_speak_http1(error: &reqwest::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    error.is_connect()
        && causes(error).any(|cause| {
            cause.is::<NotHttp2>()
                || cause
                    .downcast_ref::<rustls::Error>()
                    .is_some_and(|error| matches!(error, rustls::Error::AlertReceived(_)))
                || cause.downcast_ref::<io::Error>().is_some_and(|error| {
                    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
                })
        })
}

/// An error and the chain of its causes.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        // `source` of an I/O error skips the error that it wraps.
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}
