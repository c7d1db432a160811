//! Parses the parameters of an address in the forms of Prisma, libpq and node-postgres.
//!
//! The frontend uses the same address, so a parameter for another program is not an error. An impossible
//! value is an error at start-up. The message names the parameter, never the value, which may be a secret.

use std::net::IpAddr;

use crate::postgres::pool::address::malformed::Malformed;

/// Parameters that the driver reads from the address itself.
const FOR_DRIVER: [&str; 7] = ["host", "hostaddr", "port", "dbname", "user", "password", "options"];

/// Numbers for Prisma's own pool and engine. This program has `DATABASE_…` settings instead.
const NUMBERS_FOR_PRISMA: [&str; 6] = [
    "connection_limit",
    "pool_timeout",
    "connect_timeout",
    "socket_timeout",
    "max_connection_lifetime",
    "max_idle_connection_lifetime",
];

/// How many characters of an unknown parameter's name are shown.
const SHOWN_CHARS_MAX: usize = 40;

/// `sslmode` in the words of Prisma, libpq and node-postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    Prefer,
    Require,
    /// TLS with any certificate, as node-postgres calls it. Prisma's `require` means the same.
    NoVerify,
    VerifyCa,
    VerifyFull,
}

/// The parameters of an address besides host, user and database.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) ssl_mode: Option<SslMode>,
    /// `sslaccept`: whether the server's certificate must be valid. Prisma's default is no.
    pub(super) is_strict: Option<bool>,
    /// The server's CA for Prisma. With `sslkey`, it is the client's certificate for all other programs.
    pub(super) ssl_cert: Option<String>,
    pub(super) ssl_key: Option<String>,
    pub(super) ssl_root_cert: Option<String>,
    /// A PKCS#12 archive with the client's certificate and key.
    pub(super) ssl_identity: Option<String>,
    pub(super) ssl_password: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) is_pgbouncer: bool,
    pub(super) statement_cache_size: Option<usize>,
    /// Parameters that are passed to the driver.
    pub(super) driver: Vec<(String, String)>,
    /// Warnings that do not prevent a start.
    pub(super) warnings: Vec<String>,
}

impl Parameters {
    /// Reads all parameters. The last one of a name counts.
    pub(super) fn read(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Malformed> {
        let mut parameters = Self::default();
        let mut ssl = None;
        for (key, value) in pairs {
            match key.as_str() {
                "ssl" => ssl = Some(ssl_switch(&value)?),
                _ => parameters.take(key, value)?,
            }
        }
        // `sslmode` overrides `ssl`, in any order.
        parameters.ssl_mode = parameters.ssl_mode.or(ssl);
        Ok(parameters)
    }

    fn take(&mut self, key: String, value: String) -> Result<(), Malformed> {
        match key.as_str() {
            "sslmode" | "ssl-mode" => self.ssl_mode = Some(ssl_mode(&value)?),
            "sslaccept" => self.is_strict = Some(ssl_accept(&value)?),
            "sslcert" | "ssl-cert" => self.ssl_cert = Some(file("sslcert", value)?),
            "sslkey" | "ssl-key" => self.ssl_key = Some(file("sslkey", value)?),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => {
                self.ssl_root_cert = Some(file("sslrootcert", value)?);
            }
            "sslidentity" => self.ssl_identity = Some(file("sslidentity", value)?),
            "sslpassword" => self.ssl_password = Some(value),
            "channel_binding" => self.channel_binding(&value)?,
            "schema" => self.schema = Some(schema(value)?),
            "pgbouncer" => self.is_pgbouncer = boolean("pgbouncer", &value)?,
            "single_use_connections" => drop(boolean("single_use_connections", &value)?),
            "statement_cache_size" => {
                self.statement_cache_size = Some(number("statement_cache_size", &value)?);
            }
            // Our connections have their own names, so that the server's statistics show which program opened
            // them.
            "application_name" | "fallback_application_name" => {}
            key if NUMBERS_FOR_PRISMA.contains(&key) => {
                let name = NUMBERS_FOR_PRISMA.into_iter().find(|name| *name == key);
                number(name.unwrap_or_default(), &value)?;
            }
            name if FOR_DRIVER.contains(&name) || name.starts_with("options[") => {
                check_for_driver(name, &value)?;
                self.driver.push((key, value));
            }
            unknown => {
                let shown: String =
                    unknown.chars().filter(char::is_ascii_graphic).take(SHOWN_CHARS_MAX).collect();
                self.warnings.push(format!("the parameter {shown} is unknown and has no effect here"));
            }
        }
        Ok(())
    }

    /// The driver has no channel binding. If the address requires it, the warning suggests another way to
    /// authenticate the server.
    fn channel_binding(&mut self, value: &str) -> Result<(), Malformed> {
        match value {
            "disable" | "prefer" => {}
            "require" => self.warnings.push(
                "channel_binding=require has no effect here: sslmode=verify-full authenticates the server instead"
                    .to_owned(),
            ),
            _ => return Err(unknown_value("channel_binding", "disable, prefer or require")),
        }
        Ok(())
    }
}

fn unknown_value(parameter: &'static str, known: &str) -> Malformed {
    Malformed::parameter(parameter, format!("has an unknown value; use {known}"))
}

fn ssl_mode(value: &str) -> Result<SslMode, Malformed> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "disable" => SslMode::Disable,
        // The driver treats `allow` as `disable`, which a server that requires TLS would refuse.
        "allow" | "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "no-verify" => SslMode::NoVerify,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            let known = "disable, prefer, require, no-verify, verify-ca or verify-full";
            return Err(unknown_value("sslmode", known));
        }
    })
}

/// The short form of node-postgres.
fn ssl_switch(value: &str) -> Result<SslMode, Malformed> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "require" => Ok(SslMode::Require),
        "false" | "0" | "disable" => Ok(SslMode::Disable),
        "no-verify" => Ok(SslMode::NoVerify),
        _ => Err(unknown_value("ssl", "true, false or no-verify; or sslmode instead")),
    }
}

fn ssl_accept(value: &str) -> Result<bool, Malformed> {
    match value.to_ascii_lowercase().as_str() {
        "strict" => Ok(true),
        "accept_invalid_certs" => Ok(false),
        _ => Err(unknown_value("sslaccept", "strict or accept_invalid_certs")),
    }
}

fn file(parameter: &'static str, value: String) -> Result<String, Malformed> {
    if value.is_empty() {
        return Err(Malformed::parameter(parameter, "is empty; name a file, or leave the parameter out"));
    }
    Ok(value)
}

fn schema(value: String) -> Result<String, Malformed> {
    // PostgreSQL truncates longer names.
    if value.is_empty() || value.len() > 63 || value.contains('\0') {
        return Err(Malformed::parameter(
            "schema",
            "must be a name of 1 to 63 bytes; without it, public is used",
        ));
    }
    Ok(value)
}

fn boolean(parameter: &'static str, value: &str) -> Result<bool, Malformed> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(unknown_value(parameter, "true or false")),
    }
}

fn number(parameter: &'static str, value: &str) -> Result<usize, Malformed> {
    value.parse().map_err(|_| Malformed::parameter(parameter, "must be a whole number"))
}

/// Refuses a value that the driver would refuse later or fail with.
fn check_for_driver(name: &str, value: &str) -> Result<(), Malformed> {
    match name {
        "port" if value.parse::<u16>().is_ok_and(|port| port > 0) => Ok(()),
        "port" => Err(Malformed::parameter("port", "must be a number, 1 to 65535")),
        "hostaddr" if value.parse::<IpAddr>().is_ok() => Ok(()),
        "hostaddr" => Err(Malformed::parameter("hostaddr", "must be an IP address; a name goes into host")),
        "host" if value.is_empty() || value.contains(',') => {
            Err(Malformed::parameter("host", "must be one name, address, or folder of a socket"))
        }
        _ => Ok(()),
    }
}
