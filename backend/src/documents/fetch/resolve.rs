//! Resolves each name once, so that the client connects to the address that was checked.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::documents::address::{self, AddressError};

/// Resolves names and keeps only allowed addresses. A second look-up, which could differ, never happens.
#[derive(Debug)]
pub(super) struct PublicResolver {
    pub(super) allow_private: bool,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|found| allow_private || address::is_public(found.ip()))
                .collect();
            if found.is_empty() {
                return Err(AddressError::NotPublic(name.as_str().to_owned()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
