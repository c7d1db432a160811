//! The database's address and time limits.

use std::{ops::RangeInclusive, time::Duration};

use secrecy::SecretString;

use super::reader::Reader;
use storage::postgres::{address::Address, config::DatabaseConfig};

/// Reads the database settings.
pub(super) fn read(reader: &mut Reader) -> DatabaseConfig {
    let config = DatabaseConfig {
        url: address(reader, "DATABASE_URL"),
        direct_url: address(reader, "DATABASE_URL_NON_POOLING"),
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

fn address(reader: &mut Reader, variable: &'static str) -> Option<SecretString> {
    let address = SecretString::from(reader.text(variable)?);
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
