//! Requests of a golden path are told apart, so that tests of a service do not count as its traffic.

use axum::extract::Request;
use storage::control_plane::Permission;

use crate::{access::Caller, smoke::GOLDEN_PATH_HEADER};

/// Marks the response to a request of a golden path.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfGoldenPath;

/// Whether a request is a step of a golden path. Only those who may operate the service are believed.
pub(super) fn is_step(request: &Request, caller: &Caller) -> bool {
    request.headers().contains_key(GOLDEN_PATH_HEADER) && caller.may(Permission::Operate)
}
