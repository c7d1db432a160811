//! The operator's two flags, and the storage mode that they select.

use std::fmt;

use schemars::JsonSchema;

/// The stores that receive stage outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    DatabaseOnly,
    DualWrite,
    FileOnly,
    /// Both flags are off: no run is accepted.
    Invalid,
}

impl Mode {
    /// The mode's name in health, logs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DatabaseOnly => "DATABASE_ONLY",
            Self::DualWrite => "DUAL_WRITE",
            Self::FileOnly => "FILE_ONLY",
            Self::Invalid => "INVALID",
        }
    }

    /// The mode in effect while the database is away.
    #[must_use]
    pub const fn without_database(self) -> Self {
        if matches!(self, Self::DualWrite) { Self::FileOnly } else { self }
    }

    /// The mode that stores something and has this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::DatabaseOnly, Self::DualWrite, Self::FileOnly].into_iter().find(|mode| mode.as_str() == name)
    }

    /// Whether outputs are in files alone.
    #[must_use]
    pub const fn keeps_files_alone(self) -> bool {
        matches!(self, Self::FileOnly)
    }

    /// Whether the mode writes to the database.
    #[must_use]
    pub const fn has_database(self) -> bool {
        matches!(self, Self::DatabaseOnly | Self::DualWrite)
    }

    /// How many copies of an output survive the container, doubled: an ephemeral disk counts half.
    #[must_use]
    pub const fn durability(self, has_ephemeral_files: bool) -> u8 {
        let files = if has_ephemeral_files { 1 } else { 2 };
        match self {
            Self::DualWrite => 2 + files,
            Self::DatabaseOnly => 2,
            Self::FileOnly => files,
            Self::Invalid => 0,
        }
    }

    /// Whether the mode writes files.
    #[must_use]
    pub const fn has_files(self) -> bool {
        matches!(self, Self::FileOnly | Self::DualWrite)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reading of the flags. Each write uses one reading from start to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// `ENABLE_DATABASE_WRITES`
    pub database_writes: bool,
    /// `ENABLE_FILE_FALLBACK`
    pub file_fallback: bool,
    /// The number of changes that this process has seen; it starts at 1.
    pub revision: u64,
    /// The revision of the database's flags that this process has applied. None without a database, or before the first look.
    pub database_revision: Option<u64>,
}

impl Flags {
    /// The flags that select a mode.
    #[must_use]
    pub const fn of_mode(mode: Mode, revision: u64) -> Self {
        Self {
            database_writes: mode.has_database(),
            file_fallback: mode.has_files(),
            revision,
            database_revision: None,
        }
    }

    /// The revision that the record of a stage names: the database's, which means the same to every replica. 0 before the
    /// first change there.
    #[must_use]
    pub fn named_revision(self) -> u64 {
        self.database_revision.unwrap_or_default()
    }

    /// The configured mode.
    #[must_use]
    pub const fn mode(self) -> Mode {
        match (self.database_writes, self.file_fallback) {
            (true, false) => Mode::DatabaseOnly,
            (true, true) => Mode::DualWrite,
            (false, true) => Mode::FileOnly,
            (false, false) => Mode::Invalid,
        }
    }

    /// Whether both flags are off, so that nothing is accepted.
    #[must_use]
    pub const fn accepts_nothing(self) -> bool {
        matches!(self.mode(), Mode::Invalid)
    }

    /// Whether the flags ask for the database.
    #[must_use]
    pub const fn expects_database(self) -> bool {
        self.mode().has_database()
    }

    /// Whether the flags ask for files.
    #[must_use]
    pub const fn expects_files(self) -> bool {
        self.mode().has_files()
    }
}

/// Parses a flag: true for `true 1 yes on` in any case, false for everything else.
#[must_use]
pub fn is_true(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on")
}

/// Whether a flag's value is a known word for true or false. Others cause a warning.
#[must_use]
pub fn is_known(text: &str) -> bool {
    is_true(text) || matches!(text.trim().to_ascii_lowercase().as_str(), "false" | "0" | "no" | "off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_flags_make_four_modes() {
        let mode = |database_writes, file_fallback| {
            Flags { database_writes, file_fallback, ..Flags::of_mode(Mode::DualWrite, 1) }.mode().as_str()
        };
        assert_eq!(mode(true, false), "DATABASE_ONLY");
        assert_eq!(mode(true, true), "DUAL_WRITE");
        assert_eq!(mode(false, true), "FILE_ONLY");
        assert_eq!(mode(false, false), "INVALID");
        for name in ["DATABASE_ONLY", "DUAL_WRITE", "FILE_ONLY"] {
            let named = Mode::of_name(name).unwrap();
            assert_eq!((named.as_str(), Flags::of_mode(named, 1).mode()), (name, named));
        }
        assert_eq!(Mode::of_name("INVALID"), None, "nobody asks for it by name");
    }

    #[test]
    fn only_the_known_words_are_true() {
        for word in ["true", "TRUE", " 1 ", "yes", "On"] {
            assert!(is_true(word) && is_known(word), "{word}");
        }
        for word in ["false", "0", "no", "OFF"] {
            assert!(!is_true(word) && is_known(word), "{word}");
        }
        for word in ["", "enabled", "2", "y"] {
            assert!(!is_true(word) && !is_known(word), "{word}");
        }
    }

    #[test]
    fn two_copies_are_more_durable_than_one() {
        for is_ephemeral in [true, false] {
            let of = |mode: Mode| mode.durability(is_ephemeral);
            assert!(of(Mode::DualWrite) > of(Mode::DatabaseOnly) && of(Mode::DualWrite) > of(Mode::FileOnly));
            assert!(of(Mode::Invalid) < of(Mode::FileOnly));
            assert_eq!(of(Mode::FileOnly) < of(Mode::DatabaseOnly), is_ephemeral);
        }
    }
}
