//! The address of a PostgreSQL, as it is written for Prisma.

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

/// Where a database is and how it is reached.
#[derive(Clone)]
pub struct Address {
    /// For the driver; statements are not logged, for they hold people's documents.
    pub options: PgConnectOptions,
    /// The schema that holds the tables: `?schema=`, else `public`.
    pub schema: String,
    /// Whether the address leads through a pooler, as far as it tells: sessions are not ours then.
    pub is_pooled: bool,
}

/// An address that is none. Holds no part of it: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a postgresql:// address (special characters of the password percent-encoded)")]
pub struct Malformed;

impl Address {
    pub fn parse(address: &SecretString) -> Result<Self, Malformed> {
        let mut url = Url::parse(address.expose_secret()).map_err(|_| Malformed)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") || url.cannot_be_a_base() {
            return Err(Malformed);
        }
        let is_pooled = is_pooled(&url);
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let schema = pairs.iter().find(|(key, _)| key == "schema");
        let schema = schema.map_or_else(|| "public".to_owned(), |(_, value)| value.clone());
        url.set_query(None);
        for (key, value) in pairs.iter().filter(|(key, _)| DRIVER_PARAMETERS.contains(&key.as_str())) {
            url.query_pairs_mut().append_pair(key, value);
        }
        let options = PgConnectOptions::from_url(&url).map_err(|_| Malformed)?.disable_statement_logging();
        Ok(Self { options, schema, is_pooled })
    }
}

/// By Prisma's parameter, by the names that Neon and Supabase give to theirs, or by the port of the latter.
fn is_pooled(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.query_pairs().any(|(key, value)| key == "pgbouncer" && value == "true")
        || host.split('.').any(|label| label == "pooler" || label.ends_with("-pooler"))
        || url.port() == Some(6543)
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The driver's own would show host and user.
        f.debug_struct("Address")
            .field("schema", &self.schema)
            .field("is_pooled", &self.is_pooled)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> Result<Address, Malformed> {
        Address::parse(&SecretString::from(address))
    }

    #[test]
    fn what_is_meant_for_prisma_is_not_given_to_the_driver() {
        let address = parse(
            "postgresql://u:p%40ss@db.internal:6432/app?schema=inno&connection_limit=5&pgbouncer=true&sslmode=require",
        )
        .unwrap();
        assert_eq!(address.schema, "inno");
        assert_eq!(address.options.get_host(), "db.internal");
        assert_eq!(address.options.get_port(), 6432);
        assert_eq!(address.options.get_database(), Some("app"));
        assert!(!format!("{address:?}").contains("internal"));
    }

    #[test]
    fn poolers_are_recognised() {
        let pooled = |address: &str| parse(address).unwrap().is_pooled;
        assert!(pooled("postgresql://u@h/db?pgbouncer=true"));
        assert!(pooled("postgresql://u@ep-cool-1-pooler.eu-central-1.aws.neon.tech/db"));
        assert!(pooled("postgresql://u@aws-0-eu.pooler.supabase.com:5432/db"));
        assert!(pooled("postgresql://u@db.example.com:6543/db"));
        assert!(!pooled("postgresql://u@postgres.railway.internal:5432/railway"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in ["", "db", "mysql://u@h/db", "postgresql:u", "postgresql://u@h/db?sslmode=perhaps"] {
            assert_eq!(parse(address).unwrap_err(), Malformed, "{address}");
        }
    }
}
