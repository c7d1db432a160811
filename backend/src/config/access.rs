//! The access settings: keys, origins, and the number of trusted proxies.

use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::{process::Environment, reader::Reader, secret_strength::weakness};

/// The most trusted proxies. A larger number is a mistake, and would let a client forge its address.
const PROXY_HOPS_MAX: u8 = 10;

/// The default. The frontend's server is one client for all its users, so it needs many streams. The default
/// is an eighth of a process's limit, so that one client cannot take all streams.
const MAX_EVENT_STREAMS_PER_CLIENT: usize = 256;

/// The access rules of the HTTP API.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// `BACKEND_API_KEYS`: any of them opens `/run` and the reads. Several keys permit rotation. If it is
    /// empty, no key is required.
    pub api_keys: Vec<SecretString>,
    /// `ADMIN_API_KEYS`: keys that may do everything, for the first start and for emergencies.
    pub admin_keys: Vec<SecretString>,
    /// `ALLOW_FRONTEND_WITHOUT_KEY`: whether to accept a `POST /run` without a key, for a row that the
    /// frontend created and that waits for the same document.
    pub allow_frontend_without_key: bool,
    /// `METRICS_KEY`: if set, `/metrics` requires it.
    pub metrics_key: Option<SecretString>,
    /// `ALLOWED_ORIGINS`: the origins whose pages may call from a browser.
    pub allowed_origins: Vec<OriginRule>,
    /// `TRUSTED_PROXY_HOPS`: how many entries at the end of `X-Forwarded-For` trusted proxies write.
    pub trusted_proxy_hops: u8,
    /// `MAX_EVENT_STREAMS_PER_CLIENT`: how many event streams one client may open. A client is a key, or else
    /// an address.
    pub event_streams_per_client_max: usize,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            api_keys: Vec::new(),
            admin_keys: Vec::new(),
            allow_frontend_without_key: false,
            metrics_key: None,
            allowed_origins: Vec::new(),
            trusted_proxy_hops: 0,
            event_streams_per_client_max: MAX_EVENT_STREAMS_PER_CLIENT,
        }
    }
}

/// An allowed origin, or a pattern of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginRule {
    Exact(String),
    /// One `*` in the first label of the host: the texts before and after it.
    Pattern {
        before: String,
        after: String,
    },
}

impl OriginRule {
    /// Parses `https://app.example.com`, `http://localhost:3000` or `https://my-app-*.vercel.app`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
        // A host cannot contain a star, so check the origin with a letter in its place.
        let url = Url::parse(&text.replacen('*', "x", 1)).ok()?;
        let is_origin = matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == text.replacen('*', "x", 1);
        if !is_origin {
            return None;
        }
        let Some((before, after)) = text.split_once('*') else { return Some(Self::Exact(text)) };
        // Only in the first label, of a host with at least three labels. `https://*.com` would allow almost
        // every site.
        let first_label_only = !before.contains('.') && !after.contains('*');
        let is_of_a_site = matches!(url.host(), Some(Host::Domain(host)) if host.split('.').count() >= 3);
        (first_label_only && is_of_a_site && url.scheme() == "https")
            .then(|| Self::Pattern { before: before.to_owned(), after: after.to_owned() })
    }

    /// Whether the rule matches a browser's `Origin`. The star matches a non-empty part of one label.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Exact(allowed) => allowed == origin,
            Self::Pattern { before, after } => origin
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|label| {
                    !label.is_empty()
                        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                }),
        }
    }
}

impl AccessConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment) -> Self {
        let is_strict = environment != Environment::Development;
        let api_keys: Vec<SecretString> =
            reader.list("BACKEND_API_KEYS").into_iter().map(SecretString::from).collect();
        let admin_keys: Vec<SecretString> =
            reader.list("ADMIN_API_KEYS").into_iter().map(SecretString::from).collect();
        let allow_frontend_without_key = reader.switch("ALLOW_FRONTEND_WITHOUT_KEY", false);
        let allow_unauthenticated = reader.switch("ALLOW_UNAUTHENTICATED", false);
        if is_strict && api_keys.is_empty() && !allow_unauthenticated {
            reader.problem(
                "BACKEND_API_KEYS",
                "is required here (or set ALLOW_UNAUTHENTICATED=true on purpose); make a key with `openssl rand -hex 32`",
                "a-key-of-at-least-16-characters",
            );
        }
        let metrics_key = reader.text("METRICS_KEY").map(SecretString::from);
        check_keys(reader, "BACKEND_API_KEYS", &api_keys, is_strict);
        check_keys(reader, "ADMIN_API_KEYS", &admin_keys, is_strict);
        check_keys(reader, "METRICS_KEY", metrics_key.as_slice(), is_strict);
        let mut allowed_origins = Vec::new();
        for entry in reader.list("ALLOWED_ORIGINS") {
            match OriginRule::parse(&entry) {
                Some(rule) => allowed_origins.push(rule),
                None => reader.problem(
                    "ALLOWED_ORIGINS",
                    format!(
                        "has the entry {entry:?}, which is neither an origin (scheme, host and port alone) nor an \
                         https origin with one * in the first part of its host"
                    ),
                    "https://app.example.com,https://my-app-*.vercel.app",
                ),
            }
        }
        let hops = format!("must be the number of proxies in front, 0 to {PROXY_HOPS_MAX}");
        let mut trusted_proxy_hops = reader.value("TRUSTED_PROXY_HOPS", 0, &hops, "1");
        if trusted_proxy_hops > PROXY_HOPS_MAX {
            reader.problem("TRUSTED_PROXY_HOPS", hops, "1");
            trusted_proxy_hops = 0;
        }
        let streams = "must be a number of streams, at least 1";
        let mut event_streams_per_client_max =
            reader.value("MAX_EVENT_STREAMS_PER_CLIENT", MAX_EVENT_STREAMS_PER_CLIENT, streams, "256");
        if event_streams_per_client_max == 0 {
            reader.problem("MAX_EVENT_STREAMS_PER_CLIENT", streams, "256");
            event_streams_per_client_max = MAX_EVENT_STREAMS_PER_CLIENT;
        }
        Self {
            api_keys,
            admin_keys,
            allow_frontend_without_key,
            metrics_key,
            allowed_origins,
            trusted_proxy_hops,
            event_streams_per_client_max,
        }
    }
}

fn check_keys(reader: &mut Reader, variable: &'static str, keys: &[SecretString], is_strict: bool) {
    let is_header_text = |key: &SecretString| key.expose_secret().bytes().all(|b| b.is_ascii_graphic());
    if !keys.iter().all(is_header_text) {
        reader.problem(
            variable,
            "must hold printable ASCII without spaces: keys travel in a header",
            "a-key-of-at-least-16-characters",
        );
    }
    let weak = keys.iter().find_map(|key| weakness(key.expose_secret().as_bytes()));
    if let Some(what) = weak.filter(|_| is_strict) {
        reader.problem(
            variable,
            format!("{what}; make one with `openssl rand -hex 32`"),
            "a-key-of-at-least-16-characters",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Config, Problems};

    fn read(pairs: &[(&str, &str)]) -> Result<AccessConfig, Problems> {
        let variables: BTreeMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(variables.clone());
        let environment = match variables.get("ENVIRONMENT").map(String::as_str) {
            Some("production") => Environment::Production,
            Some("staging") => Environment::Staging,
            _ => Environment::Development,
        };
        let access = AccessConfig::read(&mut reader, environment);
        reader.finish().map(|_warnings| access)
    }

    #[test]
    fn production_requires_keys_unless_explicitly_waived() {
        assert!(read(&[]).unwrap().api_keys.is_empty());
        for environment in ["staging", "production"] {
            let problems = read(&[("ENVIRONMENT", environment)]).unwrap_err();
            assert_eq!(problems.0.first().unwrap().variable, "BACKEND_API_KEYS");
            assert!(read(&[("ENVIRONMENT", environment), ("ALLOW_UNAUTHENTICATED", "true")]).is_ok());
            let keys = "0123456789abcdef, fedcba9876543210,";
            let access = read(&[("ENVIRONMENT", environment), ("BACKEND_API_KEYS", keys)]).unwrap();
            assert_eq!(access.api_keys.len(), 2);
        }
    }

    #[test]
    fn weak_keys_are_refused_in_deployments() {
        for weak in
            ["0123456789abcde", "aaaaaaaaaaaaaaaaaaaaaaaa", "abcdabcdabcdabcdabcd", "changeme-changeme-1"]
        {
            for variable in ["BACKEND_API_KEYS", "METRICS_KEY"] {
                let set = [("ALLOW_UNAUTHENTICATED", "true"), ("ENVIRONMENT", "staging"), (variable, weak)];
                let problems = read(&set).unwrap_err();
                assert_eq!(problems.0.first().unwrap().variable, variable, "{weak}");
                assert!(!problems.to_string().contains(weak));
                assert!(read(&[(variable, weak)]).is_ok(), "a developer may");
            }
        }
    }

    #[test]
    fn key_problems_are_listed_without_values() {
        let problems = read(&[
            ("ENVIRONMENT", "production"),
            ("BACKEND_API_KEYS", "0123456789abcdef,hush-hush"),
            ("METRICS_KEY", "mot de passe très long"),
            ("ALLOWED_ORIGINS", "*"),
            ("TRUSTED_PROXY_HOPS", "11"),
        ])
        .unwrap_err();
        let named: Vec<_> = problems.0.iter().map(|problem| problem.variable).collect();
        assert_eq!(named, ["BACKEND_API_KEYS", "METRICS_KEY", "ALLOWED_ORIGINS", "TRUSTED_PROXY_HOPS"]);
        assert!(
            !problems.to_string().contains("hush") && !problems.to_string().contains("passe"),
            "{problems}"
        );
        let access = read(&[("BACKEND_API_KEYS", "hush-hush")]).unwrap();
        assert!(!format!("{access:?}").contains("hush"));
    }

    #[test]
    fn origins_match_exactly_or_by_one_label() {
        let exact = OriginRule::parse("https://App.example.com/").unwrap();
        assert!(exact.allows("https://app.example.com"));
        for other in ["https://app.example.com.evil.com", "http://app.example.com", "null", ""] {
            assert!(!exact.allows(other), "{other}");
        }
        assert!(OriginRule::parse("http://localhost:3000").unwrap().allows("http://localhost:3000"));
        let previews = OriginRule::parse("https://my-app-*.vercel.app").unwrap();
        assert!(previews.allows("https://my-app-git-main-team.vercel.app"));
        for other in [
            "https://my-app-.vercel.app",
            "https://my-app-x.evil.com/.vercel.app",
            "https://my-app-x.y.vercel.app",
            "https://your-app-x.vercel.app",
            "http://my-app-x.vercel.app",
            "https://my-app-x.vercel.app.evil.com",
        ] {
            assert!(!previews.allows(other), "{other}");
        }
        for bad in [
            "*",
            "https://*",
            "https://*.com",
            "https://app.*.vercel.app",
            "https://a-*-*.vercel.app",
            "http://a-*.vercel.app",
            "https://app.example.com/path",
            "app.example.com",
            "ftp://a.b.c",
            "null",
        ] {
            assert_eq!(OriginRule::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_section_is_part_of_the_configuration() {
        let variables = [("METRICS_KEY".to_owned(), "k".to_owned())].into();
        assert!(
            Config::from_variables(variables, super::super::Purpose::Service)
                .unwrap()
                .access
                .metrics_key
                .is_some()
        );
    }
}
