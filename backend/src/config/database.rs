//! Where the database is.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::Reader;

/// How the database is reached. The addresses hold credentials: neither `Debug` nor any error shows them.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`; may lead through a pooler.
    pub url: Option<SecretString>,
    /// `DATABASE_URL_NON_POOLING`; leads to the server itself.
    pub direct_url: Option<SecretString>,
}

impl DatabaseConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { url: address(reader, "DATABASE_URL"), direct_url: address(reader, "DATABASE_URL_NON_POOLING") }
    }

    /// The address for what needs a session of its own (advisory locks, LISTEN): the direct one, if there is one.
    #[must_use]
    pub fn session_url(&self) -> Option<&SecretString> {
        self.direct_url.as_ref().or(self.url.as_ref())
    }
}

fn address(reader: &mut Reader, variable: &'static str) -> Option<SecretString> {
    let address = SecretString::from(reader.text(variable)?);
    let sound = Url::parse(address.expose_secret())
        .is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql") && !url.cannot_be_a_base());
    if !sound {
        reader.problem(
            variable,
            "must be a postgresql:// address (special characters of the password percent-encoded)",
            "postgresql://user:password@host:5432/database",
        );
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
        Config::from_variables(variables)
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
}
