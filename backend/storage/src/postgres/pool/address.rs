//! Parses a PostgreSQL address in Prisma's form.

mod malformed;
mod parameters;
mod tls;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use url::{ParseError, Url};

use self::parameters::Parameters;
pub use self::{malformed::Malformed, tls::describe as describe_tls};

/// A database address and the connection options.
#[derive(Clone)]
pub struct Address {
    /// The driver's options. Statements are not logged, because they hold people's documents.
    pub options: PgConnectOptions,
    /// The schema of the tables: `?schema=`, else `public`.
    pub schema: String,
    /// Whether the address seems to lead through a pooler. Sessions are then shared with other clients.
    pub is_pooled: bool,
    /// Warnings about parameters that have no effect. They name no value.
    pub warnings: Vec<String>,
}

impl Address {
    /// Parses an address, and reads the files that it names.
    ///
    /// # Errors
    ///
    /// [`Malformed`] names the parameter and what to write instead.
    pub fn parse(address: &SecretString) -> Result<Self, Malformed> {
        let mut url = parse_url(address.expose_secret()).ok_or(Malformed::NotAnAddress)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") || url.cannot_be_a_base() {
            return Err(Malformed::NotAnAddress);
        }
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut parameters = Parameters::read(pairs)?;
        let is_pooled = parameters.is_pgbouncer || is_pooled(&url);
        url.set_query(None);
        for (key, value) in &parameters.driver {
            url.query_pairs_mut().append_pair(key, value);
        }
        let options = PgConnectOptions::from_url(&url).map_err(|_| Malformed::NotAnAddress)?;
        // A pooler refuses start-up parameters that it does not know.
        let options = options.disable_statement_logging().extra_float_digits(None);
        let mut options = tls::apply(options, &mut parameters)?;
        if let Some(size) = parameters.statement_cache_size.filter(|size| *size > 0) {
            options = options.statement_cache_capacity(size);
        }
        let Parameters { schema, warnings, .. } = parameters;
        Ok(Self { options, schema: schema.unwrap_or_else(|| "public".to_owned()), is_pooled, warnings })
    }
}

/// Parses a URL. In libpq's form, the host may be empty if `host=` names a socket. A URL with a user needs a
/// host.
fn parse_url(text: &str) -> Option<Url> {
    match Url::parse(text) {
        Err(ParseError::EmptyHost) => Url::parse(&text.replacen("@/", "@localhost/", 1)).ok(),
        parsed => parsed.ok(),
    }
}

/// Recognises a pooler by the host names of Neon and Supabase, or by Supabase's port.
fn is_pooled(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host.split('.').any(|label| label == "pooler" || label.ends_with("-pooler")) || url.port() == Some(6543)
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The driver's `Debug` would show host and user.
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
    fn prisma_parameters_are_withheld_from_the_driver() {
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
    fn an_invalid_address_is_rejected() {
        for address in [
            "",
            "db",
            "mysql://u@h/db",
            "postgresql:u",
            "postgresql://u:p#w@h/db",
            "postgresql://u@a:1,b:2/db",
        ] {
            assert_eq!(parse(address).unwrap_err(), Malformed::NotAnAddress, "{address}");
        }
    }

    #[test]
    fn a_wrong_value_is_named_by_its_parameter() {
        for (query, named) in [
            ("sslmode=hush", "sslmode"),
            ("ssl=hush", "ssl"),
            ("sslaccept=hush", "sslaccept"),
            ("sslmode=no-verify&sslaccept=strict", "sslaccept"),
            ("channel_binding=hush", "channel_binding"),
            ("connection_limit=hush", "connection_limit"),
            ("pool_timeout=-1", "pool_timeout"),
            ("connect_timeout=1.5", "connect_timeout"),
            ("socket_timeout=", "socket_timeout"),
            ("statement_cache_size=many", "statement_cache_size"),
            ("pgbouncer=hush", "pgbouncer"),
            ("schema=", "schema"),
            ("port=0", "port"),
            ("host=a,b", "host"),
            ("hostaddr=db.example", "hostaddr"),
            ("sslcert=", "sslcert"),
            ("sslcert=/no/such/ca.pem", "sslcert"),
            ("sslrootcert=/no/such/ca.pem", "sslrootcert"),
            ("sslidentity=/no/such/me.p12", "sslidentity"),
            ("sslcert=/no/such/me.pem&sslkey=/no/such/me.key", "sslcert"),
            ("sslkey=/no/such/me.key", "sslkey"),
            ("sslrootcert=Cargo.toml", "sslrootcert"),
            ("sslidentity=Cargo.toml&sslpassword=hush", "sslidentity"),
            ("sslrootcert=/dev/zero", "sslrootcert"),
        ] {
            let error = parse(&format!("postgresql://u:hush@h/db?{query}")).unwrap_err();
            let said = error.to_string();
            assert!(
                matches!(error, Malformed::Parameter { parameter, .. } if parameter == named),
                "{query}: {said}"
            );
            assert!(!said.contains("hush"), "{said}");
        }
    }

    #[test]
    fn an_address_that_both_sides_share_is_taken() {
        for query in [
            "sslmode=require&channel_binding=require",
            "sslmode=no-verify",
            "ssl=true&sslaccept=accept_invalid_certs",
            "pgbouncer=true&connection_limit=1&pool_timeout=0&connect_timeout=30&socket_timeout=10",
            "statement_cache_size=0&application_name=web&schema=inno",
            "options=-c%20search_path%3Dx&supa=base-pooler.x&uselibpqcompat=true",
            "options=endpoint%3Dep-cool-1&sslrootcert=system",
        ] {
            assert!(parse(&format!("postgresql://u:p@h/db?{query}")).is_ok(), "{query}");
        }
        let warned = parse("postgresql://u:p@h/db?supa=hush&channel_binding=require").unwrap().warnings;
        assert!(warned.len() == 2 && warned[0].contains("supa") && !warned[0].contains("hush"), "{warned:?}");
    }

    #[test]
    fn sockets_and_passwords_are_read() {
        for address in [
            "postgresql://u:p%40s%2Fs@localhost/db?host=/var/run/postgresql&sslmode=require",
            "postgresql://u:p@/db?host=/var/run/postgresql",
            "postgresql:///db?host=/var/run/postgresql&user=u",
            "postgresql://u@%2Fvar%2Frun%2Fpostgresql/db",
        ] {
            let options = parse(address).unwrap().options;
            assert_eq!(options.get_socket().unwrap().to_str(), Some("/var/run/postgresql"), "{address}");
            assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::Disable), "{address}");
        }
    }

    #[test]
    fn the_strictest_parameter_decides_certificate_checks() {
        use sqlx::postgres::PgSslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.cert.pem()).unwrap();
        let ca = file.path().display();
        for (query, mode) in [
            (String::new(), Prefer),
            ("sslmode=disable".into(), Disable),
            ("sslmode=allow".into(), Prefer),
            ("sslmode=require".into(), Require),
            ("sslmode=no-verify".into(), Require),
            ("ssl=true".into(), Require),
            ("sslmode=verify-ca".into(), VerifyCa),
            ("sslmode=verify-full&sslaccept=accept_invalid_certs".into(), VerifyFull),
            ("sslmode=require&sslaccept=strict".into(), VerifyFull),
            ("sslaccept=strict".into(), VerifyFull),
            ("sslmode=require&sslrootcert=system".into(), VerifyFull),
            (format!("sslmode=require&sslcert={ca}"), Require),
            (format!("sslmode=require&sslcert={ca}&sslaccept=strict"), VerifyFull),
            (format!("sslmode=require&sslrootcert={ca}"), VerifyCa),
        ] {
            let options = parse(&format!("postgresql://u@h/db?{query}")).unwrap().options;
            let same = std::mem::discriminant(&options.get_ssl_mode()) == std::mem::discriminant(&mode);
            assert!(same, "{query}: {:?}", options.get_ssl_mode());
        }
    }
}
