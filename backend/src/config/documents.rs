//! The sources of documents, and their largest size.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::{process::Environment, reader::Reader};

/// The most bytes of one document, as agreed between product and platform.
const DEFAULT_BYTES_MAX: usize = 25 * 1024 * 1024;

/// Vercel's Blob stores: public, private, and the address of its API.
const DEFAULT_HOSTS: [&str; 3] =
    ["*.public.blob.vercel-storage.com", "*.private.blob.vercel-storage.com", "blob.vercel-storage.com"];

/// How long a download is retried. An upload needs less to reach every edge of a store, and a person waits
/// longer for an error.
const DEFAULT_RETRY_SECONDS: u64 = 60;

/// The variables of the token: Vercel's own name, and the one with the prefix of its integrations.
const TOKEN_VARIABLES: [&str; 2] = ["BLOB_READ_WRITE_TOKEN", "VERCEL_BLOB_READ_WRITE_TOKEN"];

/// A longer token is a mistake.
const TOKEN_BYTES_MAX: usize = 1024;

/// The document settings.
#[derive(Debug, Clone)]
pub struct DocumentsConfig {
    /// Exact hosts, IP literals, or `*.suffix`.
    pub allowed_hosts: Vec<String>,
    /// For tests and local work: permits loopback and private addresses, `http`, and any port.
    pub allow_private_network: bool,
    /// An additional root certificate (PEM).
    pub extra_ca_file: Option<PathBuf>,
    pub bytes_max: usize,
    /// How long a temporarily unavailable document is retried.
    pub retry_for: Duration,
    /// For private blobs. The client sends it to Vercel's private stores and to `token_hosts`.
    pub token: Option<SecretString>,
    /// Further hosts, by exact name, that receive the token.
    pub token_hosts: Vec<String>,
}

impl DocumentsConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment) -> Self {
        let mut allowed_hosts = reader.list("BLOB_ALLOWED_HOSTS");
        if allowed_hosts.is_empty() {
            allowed_hosts = DEFAULT_HOSTS.map(str::to_owned).to_vec();
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
        check_suffixes(reader, &allowed_hosts, environment);
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
        let retry_seconds = reader.number(
            "DOCUMENT_RETRY_SECONDS",
            DEFAULT_RETRY_SECONDS,
            0..=600,
            "must be a whole number of seconds, 0 to 600",
            "60",
        );
        let retry_for = Duration::from_secs(retry_seconds);
        let token = token(reader);
        let token_hosts =
            reader.list("BLOB_TOKEN_HOSTS").iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { allowed_hosts, allow_private_network, extra_ca_file, bytes_max, retry_for, token, token_hosts }
    }
}

/// A pattern for a suffix below which anybody can register a name allows documents of strangers.
fn check_suffixes(reader: &mut Reader, allowed_hosts: &[String], environment: Environment) {
    let is_public = |entry: &&String| {
        let suffix = entry.strip_prefix("*.").filter(|_| !DEFAULT_HOSTS.contains(&entry.as_str()));
        suffix.is_some_and(|suffix| is_public_suffix(suffix, environment))
    };
    if let Some(entry) = allowed_hosts.iter().find(is_public) {
        let what = format!(
            "has the pattern {entry}, below which anybody can have a host; name the host itself, or a longer suffix"
        );
        reader.problem("BLOB_ALLOWED_HOSTS", what, "*.public.blob.vercel-storage.com");
    }
}

/// Whether a suffix stands in the public suffix list, with the suffixes of hosting companies. A suffix of one label
/// that the list does not know may be a developer's own network.
fn is_public_suffix(suffix: &str, environment: Environment) -> bool {
    let Ok(url::Host::Domain(host)) = url::Host::parse(suffix) else { return false };
    let host = host.trim_end_matches('.').to_owned();
    let is_listed = [host.as_str(), suffix.trim_end_matches('.')].into_iter().any(|name| {
        psl::suffix(name.as_bytes())
            .is_some_and(|found| found.is_known() && found.as_bytes() == name.as_bytes())
    });
    is_listed || environment.is_strict() && !host.contains('.')
}

fn token(reader: &mut Reader) -> Option<SecretString> {
    let variable = TOKEN_VARIABLES.into_iter().find(|variable| reader.text(variable).is_some())?;
    let token = SecretString::from(reader.text(variable)?);
    let text = token.expose_secret();
    if text.len() > TOKEN_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        reader.problem(
            variable,
            "must be a token of at most 1024 visible ASCII characters, without `Bearer`",
            "the store's token, as its page on vercel.com shows it",
        );
    }
    Some(token)
}
