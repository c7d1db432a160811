//! The owner of a run.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The owner of runs. It outlives its keys: a rotated key has the principal of the old one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Principal(String);

/// Why a text is no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a principal has 1 to {BYTES_MAX} of the characters a-z, 0-9, '-', '_' and '.'")]
pub struct PrincipalError;

/// The longest name, in bytes. It stands in rows, manifests and log lines.
const BYTES_MAX: usize = 64;

impl Principal {
    /// The owner of all runs by keys of `BACKEND_API_KEYS`, and of runs from before there were principals. It is stored as
    /// an absent value.
    pub const ENVIRONMENT: &'static str = "environment";

    /// The owner of runs that the service makes for itself, such as those of a smoke test.
    pub const SYSTEM: &'static str = "system-backend";

    /// # Errors
    ///
    /// [`PrincipalError`] for an empty or long text, or one with other characters.
    pub fn parse(text: &str) -> Result<Self, PrincipalError> {
        let is_plain =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PrincipalError)
        }
    }

    #[must_use]
    pub fn environment() -> Self {
        Self(Self::ENVIRONMENT.to_owned())
    }

    #[must_use]
    pub fn system() -> Self {
        Self(Self::SYSTEM.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_environment(&self) -> bool {
        self.0 == Self::ENVIRONMENT
    }

    /// The stored form: None for `environment`, as in rows and manifests from before there were principals.
    #[must_use]
    pub fn stored(&self) -> Option<&str> {
        (!self.is_environment()).then_some(self.as_str())
    }

    /// The principal of a stored form.
    ///
    /// # Errors
    ///
    /// [`PrincipalError`] if the text is no principal.
    pub fn of_stored(stored: Option<&str>) -> Result<Self, PrincipalError> {
        stored.map_or_else(|| Ok(Self::environment()), Self::parse)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Principal {
    type Error = PrincipalError;

    fn try_from(text: String) -> Result<Self, PrincipalError> {
        Self::parse(&text)
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_stored_as_absent() {
        assert_eq!(Principal::environment().stored(), None);
        assert_eq!(Principal::of_stored(None), Ok(Principal::environment()));
        let team = Principal::parse("team-a").unwrap();
        assert_eq!(Principal::of_stored(team.stored()), Ok(team));
    }

    #[test]
    fn only_plain_names_are_principals() {
        for bad in ["", "Team", "a b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(Principal::parse(bad), Err(PrincipalError), "{bad:?}");
        }
    }
}
