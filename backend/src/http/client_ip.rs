//! Determines the client's address, for the log.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;

/// The peer of a connection. [`mod@super::serve`] puts it into every request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The client's address. Without proxies, it is the peer of the connection. With `hops` trusted proxies in
/// front, it is the address that the outermost one saw. The client itself may have written the entries
/// further left.
pub(super) fn client_ip(request: &Request, hops: u8) -> Option<IpAddr> {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip().to_canonical());
    let Some(index) = usize::from(hops).checked_sub(1) else { return peer };
    let entries = request.headers().get_all("x-forwarded-for");
    let entries: Vec<&str> =
        entries.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).collect();
    let seen = entries.iter().rev().nth(index).and_then(|entry| entry.trim().parse::<IpAddr>().ok());
    seen.map(|address| address.to_canonical()).or(peer)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let ask = |forwarded: &[&str], hops| {
            let mut request = Request::builder();
            for value in forwarded {
                request = request.header("x-forwarded-for", *value);
            }
            let mut request = request.body(Body::empty()).unwrap();
            request.extensions_mut().insert(Peer("[::ffff:10.0.0.9]:1234".parse().unwrap()));
            client_ip(&request, hops).unwrap().to_string()
        };
        assert_eq!(ask(&["6.6.6.6"], 0), "10.0.0.9");
        assert_eq!(ask(&["6.6.6.6, 203.0.113.7"], 1), "203.0.113.7");
        assert_eq!(ask(&["6.6.6.6", "203.0.113.7, 198.51.100.2"], 2), "203.0.113.7");
        assert_eq!(ask(&["203.0.113.7"], 2), "10.0.0.9", "fewer entries than proxies");
        assert_eq!(ask(&["nonsense"], 1), "10.0.0.9");
    }
}
