//! The database's address and time limits.

use std::{ops::RangeInclusive, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgSslMode;
use url::Url;

use super::{network::is_private_host, process::Environment, reader::Reader};
use storage::postgres::{address::Address, config::DatabaseConfig};

/// The operator's waiver of the server's proof.
const WAIVER: &str = "DATABASE_ALLOW_UNVERIFIED";

/// Parameters by which an address says how the server is checked.
const TLS_PARAMETERS: [&str; 4] = ["sslmode", "ssl-mode", "ssl", "sslaccept"];

/// Reads the database settings.
pub(super) fn read(reader: &mut Reader, environment: Environment) -> DatabaseConfig {
    let demand = Demand::read(reader, environment);
    let config = DatabaseConfig {
        url: address(reader, "DATABASE_URL", demand),
        direct_url: address(reader, "DATABASE_URL_NON_POOLING", demand),
        pool_min: reader.number("DATABASE_POOL_MIN", 1, 0..=1000, "must be a whole number, 0 to 1000", "1"),
        pool_max: reader.number(
            "DATABASE_POOL_SIZE",
            15,
            1..=1000,
            "must be a whole number, 1 to 1000",
            "15",
        ),
        acquire_timeout: milliseconds(
            reader,
            "DATABASE_ACQUIRE_TIMEOUT_MS",
            1000,
            1..=1000,
            "must be a whole number of milliseconds, 1 to 1000: a write has a file to fall back to",
            "1000",
        ),
        statement_timeout: milliseconds(
            reader,
            "DATABASE_STATEMENT_TIMEOUT_MS",
            1500,
            1..=60_000,
            MILLISECONDS,
            "1500",
        ),
        lock_timeout: milliseconds(
            reader,
            "DATABASE_LOCK_TIMEOUT_MS",
            1000,
            1..=60_000,
            MILLISECONDS,
            "1000",
        ),
        write_timeout: milliseconds(
            reader,
            "DATABASE_WRITE_TIMEOUT_MS",
            2000,
            1..=60_000,
            MILLISECONDS,
            "2000",
        ),
        retry_deadline: Duration::from_secs(reader.number(
            "DATABASE_RETRY_DEADLINE_SECONDS",
            300,
            1..=86_400,
            "must be a whole number of seconds, 1 to 86400",
            "300",
        )),
    };
    check_together(&config, reader);
    config
}

/// Reads the address of the database for rehearsals.
pub(super) fn read_rehearsal(reader: &mut Reader, environment: Environment) -> Option<SecretString> {
    let demand = Demand::read(reader, environment);
    address(reader, "REHEARSAL_DATABASE_URL", demand)
}

/// Checks limits that depend on each other: an inner wait must be shorter than the outer one.
fn check_together(config: &DatabaseConfig, reader: &mut Reader) {
    if config.pool_min > config.pool_max {
        let what = "must not exceed DATABASE_POOL_SIZE";
        reader.problem("DATABASE_POOL_MIN", what, "1");
    }
    if config.lock_timeout > config.statement_timeout {
        let what = "must not exceed DATABASE_STATEMENT_TIMEOUT_MS";
        reader.problem("DATABASE_LOCK_TIMEOUT_MS", what, "1000");
    }
    if config.statement_timeout >= config.write_timeout {
        let what = "must be shorter than DATABASE_WRITE_TIMEOUT_MS";
        reader.problem("DATABASE_STATEMENT_TIMEOUT_MS", what, "1500");
    }
    if config.acquire_timeout >= config.write_timeout {
        let what = "must be shorter than DATABASE_WRITE_TIMEOUT_MS";
        reader.problem("DATABASE_ACQUIRE_TIMEOUT_MS", what, "1000");
    }
    if config.retry_deadline < config.write_timeout {
        let what = "must not be shorter than DATABASE_WRITE_TIMEOUT_MS";
        reader.problem("DATABASE_RETRY_DEADLINE_SECONDS", what, "300");
    }
}

const MILLISECONDS: &str = "must be a whole number of milliseconds, 1 to 60000";

fn milliseconds(
    reader: &mut Reader,
    variable: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    what: &str,
    example: &'static str,
) -> Duration {
    Duration::from_millis(reader.number(variable, default, range, what, example))
}

/// Whether the database must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// In development, and with the operator's waiver.
    Nothing,
    /// In staging and production, outside a private network.
    Proof,
}

impl Demand {
    fn read(reader: &mut Reader, environment: Environment) -> Self {
        let is_waived = reader.switch(WAIVER, false);
        if is_waived || !environment.is_strict() { Self::Nothing } else { Self::Proof }
    }
}

/// Demands a verified server in the public network: without, anybody on the way could read documents and the
/// password. An address that says nothing about TLS gets `verify-full`, and a weaker word is a problem.
fn demand_proof(reader: &mut Reader, variable: &'static str, address: SecretString) -> SecretString {
    let Ok(parsed) = Address::parse(&address) else { return address };
    let host = parsed.options.get_host();
    let is_private = parsed.options.get_socket().is_some() || is_private_host(host);
    if is_private || matches!(parsed.options.get_ssl_mode(), PgSslMode::VerifyFull) {
        return address;
    }
    let Ok(mut url) = Url::parse(address.expose_secret()) else { return address };
    let says_tls = url.query_pairs().any(|(key, _)| TLS_PARAMETERS.contains(&key.as_ref()));
    if says_tls {
        let what = format!(
            "must have sslmode=verify-full in staging and production, or lead to a private network; {WAIVER}=true takes \
             a server that proves nothing"
        );
        reader.problem(variable, what, "postgresql://user:password@host:5432/database?sslmode=verify-full");
        return address;
    }
    url.query_pairs_mut().append_pair("sslmode", "verify-full");
    SecretString::from(url.to_string())
}

fn address(reader: &mut Reader, variable: &'static str, demand: Demand) -> Option<SecretString> {
    let mut address = SecretString::from(reader.text(variable)?);
    if demand == Demand::Proof {
        address = demand_proof(reader, variable, address);
    }
    match Address::parse(&address) {
        Ok(parsed) => {
            for warning in parsed.warnings {
                reader.warning(format!("{variable}: {warning}"));
            }
        }
        Err(malformed) => {
            let example = "postgresql://user:password@host:5432/database?sslmode=require";
            reader.problem(variable, malformed.to_string(), example);
        }
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Config;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, super::super::Problems> {
        let variables: BTreeMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_variables(variables, super::super::Purpose::Command)
    }

    #[test]
    fn the_direct_address_is_preferred_for_sessions() {
        use secrecy::ExposeSecret as _;
        let both = config(&[
            ("DATABASE_URL", "postgresql://pool/db"),
            ("DATABASE_URL_NON_POOLING", "postgres://direct/db"),
        ])
        .unwrap();
        let session = both.database.session_url().unwrap().expose_secret().to_owned();
        assert_eq!(session, "postgres://direct/db");
        let one = config(&[("DATABASE_URL", "postgresql://pool/db")]).unwrap();
        assert!(one.database.session_url().is_some());
        assert!(config(&[]).unwrap().database.session_url().is_none());
    }

    #[test]
    fn neither_debug_nor_a_problem_shows_an_address() {
        let debug = format!("{:?}", config(&[("DATABASE_URL", "postgresql://u:hush@h/db")]).unwrap());
        assert!(!debug.contains("hush"), "{debug}");
        let problems = config(&[("DATABASE_URL", "mysql://u:hush@h/db")]).unwrap_err().to_string();
        assert!(problems.contains("DATABASE_URL") && !problems.contains("hush"), "{problems}");
    }

    #[test]
    fn deployments_want_a_proven_server() {
        use secrecy::ExposeSecret as _;
        let read = |environment, url: &str, more: &[(&str, &str)]| {
            config(&[&[("ENVIRONMENT", environment), ("DATABASE_URL", url)], more].concat())
        };
        for environment in ["staging", "production"] {
            let plain = read(environment, "postgresql://u:p@db.example.com/app?schema=x", &[]).unwrap();
            let url = plain.database.url.unwrap().expose_secret().to_owned();
            assert!(url.ends_with("?schema=x&sslmode=verify-full"), "{url}");
            for query in ["sslmode=disable", "sslmode=require", "ssl=true", "sslaccept=accept_invalid_certs"]
            {
                let url = format!("postgresql://u:hush@db.example.com/app?{query}");
                let problems = read(environment, &url, &[]).unwrap_err();
                assert_eq!(problems.0[0].variable, "DATABASE_URL", "{query}");
                let told = problems.to_string();
                assert!(told.contains("DATABASE_ALLOW_UNVERIFIED") && !told.contains("hush"), "{told}");
                assert!(read(environment, &url, &[("DATABASE_ALLOW_UNVERIFIED", "true")]).is_ok());
                assert!(read("development", &url, &[]).is_ok());
            }
            for private in [
                "postgresql://u@postgres.railway.internal/app",
                "postgresql://u@10.0.0.7/app?sslmode=disable",
                "postgresql://u@localhost/app?host=/var/run/postgresql",
                "postgresql://u@db.example.com/app?sslmode=verify-full",
                "postgresql://u@db.example.com/app?sslmode=require&sslaccept=strict",
            ] {
                let taken = read(environment, private, &[]).unwrap().database.url.unwrap();
                assert_eq!(taken.expose_secret(), private);
            }
        }
    }

    #[test]
    fn the_defaults_match_the_contract() {
        let database = config(&[]).unwrap().database;
        assert_eq!((database.pool_min, database.pool_max, database.database_calls_max()), (1, 15, 12));
        assert_eq!(database.write_timeout.as_millis(), 2000);
        assert_eq!(database.retry_deadline.as_secs(), 300);
    }

    #[test]
    fn inner_timeouts_end_first() {
        let problems = config(&[
            ("DATABASE_POOL_MIN", "20"),
            ("DATABASE_LOCK_TIMEOUT_MS", "5000"),
            ("DATABASE_STATEMENT_TIMEOUT_MS", "2000"),
            ("DATABASE_ACQUIRE_TIMEOUT_MS", "4000"),
        ])
        .unwrap_err();
        let named: Vec<_> = problems.0.iter().map(|problem| problem.variable).collect();
        assert_eq!(
            named,
            [
                "DATABASE_ACQUIRE_TIMEOUT_MS",
                "DATABASE_POOL_MIN",
                "DATABASE_LOCK_TIMEOUT_MS",
                "DATABASE_STATEMENT_TIMEOUT_MS"
            ]
        );
    }
}
