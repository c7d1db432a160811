//! The storage flags of the environment, and the file that may override them later.

use std::path::PathBuf;

use super::reader::Reader;
use storage::mode::{is_known, is_true};

/// The storage flags.
#[derive(Debug, Clone)]
pub struct ModesConfig {
    pub database_writes: bool,
    pub file_fallback: bool,
    /// The service watches this file. It overrides the environment, key by key.
    pub flags_file: Option<PathBuf>,
}

impl ModesConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            database_writes: flag(reader, "ENABLE_DATABASE_WRITES"),
            file_fallback: flag(reader, "ENABLE_FILE_FALLBACK"),
            flags_file: reader.text("FLAGS_FILE").map(PathBuf::from),
        }
    }
}

/// Unset means true. An unknown word means false, as before, but with a warning.
fn flag(reader: &mut Reader, variable: &'static str) -> bool {
    let Some(text) = reader.text(variable) else { return true };
    let (value, is_known) = (is_true(text), is_known(text));
    if !is_known {
        reader.warning(format!("{variable} is neither true nor false and counts as false"));
    }
    value
}
