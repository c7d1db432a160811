//! Where documents may be fetched from, and how large they may be.

use std::path::PathBuf;

use super::{Environment, Reader};

/// The most bytes of one document: what product and platform agreed on.
const DEFAULT_BYTES_MAX: usize = 25 * 1024 * 1024;

/// Where documents may come from.
#[derive(Debug, Clone)]
pub struct DocumentsConfig {
    /// Exact hosts, IP literals, or `*.suffix`.
    pub allowed_hosts: Vec<String>,
    /// For tests and local work: loopback and private addresses, `http`, any port.
    pub allow_private_network: bool,
    /// An additional root certificate (PEM).
    pub extra_ca_file: Option<PathBuf>,
    pub bytes_max: usize,
}

impl DocumentsConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment) -> Self {
        let mut allowed_hosts = reader.list("BLOB_ALLOWED_HOSTS");
        if allowed_hosts.is_empty() {
            allowed_hosts =
                vec!["*.public.blob.vercel-storage.com".to_owned(), "blob.vercel-storage.com".to_owned()];
        }
        for host in &mut allowed_hosts {
            *host = host.to_ascii_lowercase();
        }
        let is_host = |entry: &String| {
            let name = entry.strip_prefix("*.").unwrap_or(entry);
            !name.is_empty() && !name.contains(['*', '/', '@', ' ']) && url::Host::parse(name).is_ok()
        };
        if !allowed_hosts.iter().all(is_host) {
            reader.problem(
                "BLOB_ALLOWED_HOSTS",
                "must be hosts separated by commas: exact names, IP addresses ([…] for IPv6), or *.suffix",
                "*.public.blob.vercel-storage.com",
            );
        }
        let allow_private_network = reader.switch("BLOB_ALLOW_PRIVATE_NETWORK", false);
        if allow_private_network && environment == Environment::Production {
            reader.problem(
                "BLOB_ALLOW_PRIVATE_NETWORK",
                "is refused in production: it would let a caller reach the private network",
                "false",
            );
        }
        let extra_ca_file = reader.text("EXTRA_CA_FILE").map(PathBuf::from);
        let what = "must be a whole number of bytes, 1 to 26214400";
        let bytes_max = reader.value("MAX_DOCUMENT_BYTES", DEFAULT_BYTES_MAX, what, "26214400");
        if !(1..=DEFAULT_BYTES_MAX).contains(&bytes_max) {
            reader.problem("MAX_DOCUMENT_BYTES", what, "26214400");
        }
        Self { allowed_hosts, allow_private_network, extra_ca_file, bytes_max }
    }
}
