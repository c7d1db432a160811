//! The access settings: keys, origins, and the number of trusted proxies.

use secrecy::{ExposeSecret as _, SecretString};
use storage::control_plane::Quotas;

use super::{origin_rule::OriginRule, process::Environment, reader::Reader, secret_strength::weakness};

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
    /// Whether `/metrics` wants a key also without `METRICS_KEY`: in staging and production.
    pub metrics_need_key: bool,
    /// `KEY_CACHE_SECRET`: seals the keys of the database on the local disk. Without it, none are kept there.
    pub key_cache_secret: Option<SecretString>,
    /// `CLIENT_RUNS_PER_MINUTE`, `CLIENT_RUNS_UNDER_WAY`, `CLIENT_USD_PER_DAY`: what clients of the principal `environment` may do.
    pub client_quotas: Quotas,
    /// Whether requests must name this machine as their host: in development without keys, on the loopback interface.
    pub checks_host: bool,
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
            metrics_need_key: false,
            key_cache_secret: None,
            client_quotas: Quotas::default(),
            checks_host: false,
            allowed_origins: Vec::new(),
            trusted_proxy_hops: 0,
            event_streams_per_client_max: MAX_EVENT_STREAMS_PER_CLIENT,
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
        let key_cache_secret = reader.text("KEY_CACHE_SECRET").map(SecretString::from);
        check_keys(reader, "KEY_CACHE_SECRET", key_cache_secret.as_slice(), is_strict);
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
            metrics_need_key: is_strict,
            key_cache_secret,
            client_quotas: client_quotas(reader),
            checks_host: false,
            allowed_origins,
            trusted_proxy_hops,
            event_streams_per_client_max,
        }
    }
}

/// The limits of clients with a key of the environment. Unset sets no limit.
fn client_quotas(reader: &mut Reader) -> Quotas {
    let mut count = |variable: &'static str| {
        reader.text(variable)?;
        Some(reader.number(variable, 1, 1..=1_000_000, "must be a whole number of runs, 1 to 1000000", "60"))
    };
    let (runs_per_minute, runs_under_way) = (count("CLIENT_RUNS_PER_MINUTE"), count("CLIENT_RUNS_UNDER_WAY"));
    let usd_per_day = reader.text("CLIENT_USD_PER_DAY").is_some().then(|| {
        let what = "must be a number of dollars, 0.01 to 1000000";
        reader.number("CLIENT_USD_PER_DAY", 0.01, 0.01..=1_000_000.0, what, "25")
    });
    Quotas { runs_per_minute, runs_under_way, usd_per_day }
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
    fn quotas_of_clients_are_positive_numbers() {
        let set = [("CLIENT_RUNS_PER_MINUTE", "5"), ("CLIENT_USD_PER_DAY", "2.5")];
        let quotas = read(&set).unwrap().client_quotas;
        assert_eq!(quotas, Quotas { runs_per_minute: Some(5), runs_under_way: None, usd_per_day: Some(2.5) });
        for wrong in [("CLIENT_RUNS_UNDER_WAY", "0"), ("CLIENT_USD_PER_DAY", "nan")] {
            assert_eq!(read(&[wrong]).unwrap_err().0[0].variable, wrong.0);
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
