//! Decides from which addresses a document may be downloaded. A stranger could otherwise make this machine
//! connect anywhere. So hosts are compared as hosts and never as text, and a name must resolve to a public
//! address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::config::DocumentsConfig;

/// Why an address is refused. Each sentence names the rule and, if there is one, the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the document address is not a URL")]
    NotAUrl,
    #[error("the document address must begin with https://")]
    NotHttps,
    #[error("the document address must not contain a user name or password")]
    UserInfo,
    #[error("the document address must not contain a fragment (#…)")]
    Fragment,
    #[error(
        "the document address must use port 443 (other ports: BLOB_ALLOW_PRIVATE_NETWORK, not in production)"
    )]
    Port,
    #[error("documents are not fetched from {0}; allowed hosts are set by BLOB_ALLOWED_HOSTS")]
    Host(String),
    #[error("{0} is not a public address")]
    NotPublic(String),
}

/// Parses a document address, and checks everything that needs no name resolution.
///
/// # Errors
///
/// [`AddressError`] names the rule that the address breaks.
pub fn check(text: &str, config: &DocumentsConfig) -> Result<Url, AddressError> {
    let url = Url::parse(text).map_err(|_| AddressError::NotAUrl)?;
    check_url(&url, config)?;
    Ok(url)
}

/// Checks a parsed URL, such as the target of a redirect.
///
/// # Errors
///
/// [`AddressError`] names the rule that the address breaks.
pub fn check_url(url: &Url, config: &DocumentsConfig) -> Result<(), AddressError> {
    if url.scheme() != "https" {
        return Err(AddressError::NotHttps);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(AddressError::Fragment);
    }
    // `port()` is none for the scheme's own port.
    if url.port().is_some() && !config.allow_private_network {
        return Err(AddressError::Port);
    }
    let host = url.host().ok_or(AddressError::NotAUrl)?;
    if !config.allowed_hosts.iter().any(|entry| matches_entry(&host, entry)) {
        return Err(AddressError::Host(host.to_string()));
    }
    let literal = match host {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    };
    match literal {
        Some(address) if !config.allow_private_network && !is_public(address) => {
            Err(AddressError::NotPublic(address.to_string()))
        }
        _ => Ok(()),
    }
}

/// Whether a host matches an entry of the allow-list. `*.suffix` matches subdomains, but neither the suffix
/// itself nor an IP address.
fn matches_entry(host: &Host<&str>, entry: &str) -> bool {
    if let (Some(suffix), Host::Domain(name)) = (entry.strip_prefix("*."), host) {
        let name = name.trim_end_matches('.');
        return name.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
    }
    match (Host::parse(entry), host) {
        (Ok(Host::Domain(allowed)), Host::Domain(name)) => allowed == name.trim_end_matches('.'),
        (Ok(Host::Ipv4(allowed)), Host::Ipv4(address)) => allowed == *address,
        (Ok(Host::Ipv6(allowed)), Host::Ipv6(address)) => allowed == *address,
        _ => false,
    }
}

/// Whether an address is on the public internet (IANA special-purpose registries of RFC 6890 and its
/// successors). It also checks IPv4 addresses inside IPv6 forms.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [first, second] = high.to_be_bytes();
        let [third, fourth] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(first, second, third, fourth))
    };
    // NAT64 (RFC 6052) and 6to4 (RFC 3056) reach the embedded IPv4 address.
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        return embedded(g, h);
    }
    if a == 0x2002 {
        return embedded(b, c);
    }
    let global_unicast = a & 0xe000 == 0x2000;
    let protocol_assignments = a == 0x2001 && b < 0x200;
    let documentation = (a == 0x2001 && b == 0xdb8) || (a == 0x3fff && b < 0x1000);
    global_unicast && !protocol_assignments && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(hosts: &[&str], private: bool) -> DocumentsConfig {
        DocumentsConfig {
            allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            allow_private_network: private,
            extra_ca_file: None,
            bytes_max: 1024,
            retry_for: std::time::Duration::ZERO,
            token: None,
            token_hosts: Vec::new(),
        }
    }

    #[test]
    fn only_the_allowed_hosts_pass() {
        let config = config(&["*.public.blob.vercel-storage.com", "blob.vercel-storage.com"], false);
        for good in [
            "https://abc.public.blob.vercel-storage.com/report.pdf",
            "https://ABC.public.blob.vercel-storage.com./report.pdf",
            "https://blob.vercel-storage.com:443/x?download=1",
        ] {
            assert!(check(good, &config).is_ok(), "{good}: {:?}", check(good, &config));
        }
        for (bad, why) in [
            ("https://evil.com/abc.public.blob.vercel-storage.com/x.pdf", "path"),
            ("https://public.blob.vercel-storage.com/x", "the suffix itself"),
            ("https://evilpublic.blob.vercel-storage.com/x", "no dot"),
            ("https://blob.vercel-storage.com.evil.com/x", "prefix"),
            ("https://blob.vercel-storage.com@evil.com/x", "user info"),
            ("http://blob.vercel-storage.com/x", "http"),
            ("https://blob.vercel-storage.com/x#y", "fragment"),
            ("https://blob.vercel-storage.com:8443/x", "port"),
            ("https://169.254.169.254/latest", "metadata"),
            ("file:///etc/passwd", "file"),
            ("report.pdf", "no url"),
        ] {
            assert!(check(bad, &config).is_err(), "{why}: {bad}");
        }
    }

    #[test]
    fn an_allowed_address_must_still_be_public() {
        let literal = config(&["127.0.0.1", "[::ffff:10.0.0.1]", "93.184.216.34"], false);
        assert_eq!(check("https://127.0.0.1/x", &literal), Err(AddressError::NotPublic("127.0.0.1".into())));
        assert!(check("https://[::ffff:10.0.0.1]/x", &literal).is_err());
        assert!(check("https://93.184.216.34/x", &literal).is_ok());
        // The URL standard allows more spellings of 127.0.0.1, and all of them mean that address.
        for spelling in ["https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/"] {
            assert!(check(spelling, &literal).is_err(), "{spelling}");
        }
        assert!(check("https://127.0.0.1:8443/x", &config(&["127.0.0.1"], true)).is_ok());
    }

    #[test]
    fn special_purpose_addresses_are_not_public() {
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in ["8.8.8.8", "76.76.21.21", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
