//! Tells hosts of a private network from public ones, by name and address alone. No name is resolved.

use std::net::IpAddr;

/// Names below these suffixes exist only in a private network: RFC 6761, RFC 6762, ICANN's `.internal`, and Kubernetes.
const PRIVATE_SUFFIXES: [&str; 4] = [".internal", ".local", ".localhost", ".svc"];

/// Whether a host is in a private network. A name without a dot is: the public DNS has none.
#[must_use]
pub fn is_private_host(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => is_private_address(address.to_canonical()),
        Err(_) => !host.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)),
    }
}

fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            // Carriers and overlay networks share 100.64.0.0/10.
            let is_shared = a == 100 && (64..128).contains(&b);
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_hosts_are_told_from_public_ones() {
        for host in [
            "localhost",
            "db",
            "postgres.railway.internal",
            "db.ns.svc.cluster.local",
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.9",
            "100.64.0.1",
            "[::1]",
            "fd12::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private_host(host), "{host}");
        }
        for host in [
            "db.example.com",
            "internal.example.com",
            "roundhouse.proxy.rlwy.net",
            "8.8.8.8",
            "[2606:4700::1111]",
            "::ffff:8.8.8.8",
            "evilinternal.com",
        ] {
            assert!(!is_private_host(host), "{host}");
        }
    }
}
