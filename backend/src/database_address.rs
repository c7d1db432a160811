//! A database's address, read for the driver. Prisma's addresses hold parameters that only Prisma understands.

use std::borrow::Cow;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use url::Url;

/// What the driver understands of an address's query; the rest (`connection_limit`, `pgbouncer`, …) is for Prisma.
const DRIVER_PARAMETERS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
];

/// The address is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is malformed")]
pub struct MalformedAddress;

/// Whether an address leads through a pooler, as far as it tells: by Prisma's parameter, by the names that Neon and
/// Supabase give to theirs, or by the port of the latter.
#[must_use]
pub fn is_pooled(address: &SecretString) -> bool {
    Url::parse(address.expose_secret()).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        url.query_pairs().any(|(key, value)| key == "pgbouncer" && value == "true")
            || host.split('.').any(|label| label == "pooler" || label.ends_with("-pooler"))
            || url.port() == Some(6543)
    })
}

/// What the driver needs to connect, and the schema that the address names (`?schema=`, else `public`). Statements are
/// not logged.
pub fn options(address: &SecretString) -> Result<(PgConnectOptions, String), MalformedAddress> {
    let mut url = Url::parse(address.expose_secret()).map_err(|_| MalformedAddress)?;
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let schema = pairs
        .iter()
        .find(|(key, _)| key == "schema")
        .map_or(Cow::Borrowed("public"), |(_, value)| Cow::Owned(value.clone()));
    url.set_query(None);
    for (key, value) in &pairs {
        if DRIVER_PARAMETERS.contains(&key.as_str()) {
            url.query_pairs_mut().append_pair(key, value);
        }
    }
    let options = PgConnectOptions::from_url(&url).map_err(|_| MalformedAddress)?.disable_statement_logging();
    Ok((options, schema.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_for_prisma_is_not_given_to_the_driver() {
        let address = SecretString::from(
            "postgresql://u:p%40ss@db.internal:6432/app?schema=inno&connection_limit=5&pgbouncer=true&sslmode=require",
        );
        let (options, schema) = options(&address).unwrap();
        assert_eq!(schema, "inno");
        assert_eq!(options.get_host(), "db.internal");
        assert_eq!(options.get_port(), 6432);
        assert_eq!(options.get_database(), Some("app"));
    }

    #[test]
    fn poolers_are_recognised() {
        let pooled = |address: &str| is_pooled(&SecretString::from(address));
        assert!(pooled("postgresql://u@h/db?pgbouncer=true"));
        assert!(pooled("postgresql://u@ep-cool-1-pooler.eu-central-1.aws.neon.tech/db"));
        assert!(pooled("postgresql://u@aws-0-eu.pooler.supabase.com:5432/db"));
        assert!(pooled("postgresql://u@db.example.com:6543/db"));
        assert!(!pooled("postgresql://u@postgres.railway.internal:5432/railway"));
    }
}
