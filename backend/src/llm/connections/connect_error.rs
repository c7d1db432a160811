//! Why a connection could not be opened.

use std::{error::Error, fmt, sync::Arc};

/// Any error of a connector.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The endpoint does not speak HTTP/2. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint does not speak HTTP/2")]
pub(super) struct NotHttp2;

/// The error of a connection attempt, shared by all requests that waited for it.
#[derive(Debug, Clone)]
pub(super) struct SharedError(pub(super) Arc<dyn Error + Send + Sync>);

impl fmt::Display for SharedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
