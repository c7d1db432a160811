//! The flags of the environment, the file that may override them later, and the secret of orders.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use super::{process::Environment, reader::Reader, secret_strength::weakness};
use crate::flags::{
    Value, Values, allowed,
    definitions::{ALL, DATABASE_WRITES, Definition, FILE_FALLBACK},
    of_text,
};
use storage::mode::{is_known, is_true};

/// The flags.
#[derive(Debug, Clone)]
pub struct ModesConfig {
    pub database_writes: bool,
    pub file_fallback: bool,
    /// Every flag that the environment sets.
    pub flags: Values,
    /// The service watches this file. It overrides the other sources, key by key.
    pub flags_file: Option<PathBuf>,
    /// `ADMIN_SECRET`: signs orders that are given while the database is away.
    pub admin_secret: Option<SecretString>,
}

impl ModesConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment) -> Self {
        let mut flags = Values::new();
        for flag in ALL {
            let value = if flag.is_storage() { storage_flag(reader, flag) } else { other(reader, flag) };
            flags.extend(value.map(|value| (flag.key, value)));
        }
        let admin_secret = reader.text("ADMIN_SECRET").map(SecretString::from);
        let weak = admin_secret.as_ref().and_then(|secret| weakness(secret.expose_secret().as_bytes()));
        if let Some(what) = weak.filter(|_| environment.is_strict()) {
            reader.problem("ADMIN_SECRET", what, "the output of `openssl rand -hex 32`");
        }
        let is_on = |flag: &'static Definition| flags.get(flag.key).unwrap_or(&flag.default).is_on();
        Self {
            database_writes: is_on(&DATABASE_WRITES),
            file_fallback: is_on(&FILE_FALLBACK),
            flags,
            flags_file: reader.text("FLAGS_FILE").map(PathBuf::from),
            admin_secret,
        }
    }
}

/// An unknown word means false, as before, but with a warning.
fn storage_flag(reader: &mut Reader, flag: &'static Definition) -> Option<Value> {
    let text = reader.text(flag.variable)?;
    let (value, is_known) = (is_true(text), is_known(text));
    if !is_known {
        reader.warning(format!("{} is neither true nor false and counts as false", flag.variable));
    }
    Some(Value::Boolean(value))
}

fn other(reader: &mut Reader, flag: &'static Definition) -> Option<Value> {
    let text = reader.text(flag.variable)?;
    let value = of_text(flag, text);
    if value.is_none() {
        let example = if flag.default.is_on() { "true" } else { "false" };
        reader.problem(flag.variable, format!("must be {}", allowed(flag.kind)), example);
    }
    value
}
