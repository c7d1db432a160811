//! The person who changes something by the API.

use axum::extract::Request;

use crate::{
    access::Caller,
    flags::Actor,
    http::{client_ip::client_ip, request_id::RequestId, state::HttpState},
};

/// The actor of a request, by its key.
pub(super) fn actor(state: &HttpState, request: &Request) -> Actor {
    let caller = request.extensions().get::<Caller>();
    let address = client_ip(request, state.access.trusted_proxy_hops);
    Actor {
        name: caller.map_or_else(|| "unknown".to_owned(), |caller| caller.name.clone()),
        role: caller.map_or_else(|| "unknown".to_owned(), |caller| caller.role.to_string()),
        address: address.map(|address| address.to_string()),
        request_id: request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned()),
        deployment: Some(state.health.identity().git_sha.clone()),
    }
}
