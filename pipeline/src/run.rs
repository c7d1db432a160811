//! A run: its id, its state, and the four stages it goes through.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The longest run id that is accepted, in bytes.
pub const RUN_ID_BYTES_MAX: usize = 100;

/// The identity of a run: `[A-Za-z0-9][A-Za-z0-9_-]{0,99}`.
///
/// It becomes a folder name, a database key and a part of URLs. So it allows no separator, no dot and no
/// non-ASCII character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// Why a text is not a [`RunId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("run id {given:?} is not valid: use 1 to 100 of A-Z a-z 0-9 _ -, starting with a letter or digit")]
pub struct RunIdError {
    given: String,
}

impl RunId {
    /// Checks a run id and takes it.
    ///
    /// # Errors
    ///
    /// [`RunIdError`] if the text has another form.
    pub fn parse(text: &str) -> Result<Self, RunIdError> {
        if is_safe_name(text, RUN_ID_BYTES_MAX, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(RunIdError { given: shortened(text) })
        }
    }

    /// Makes a new id (UUID version 7, so that ids sort by time of creation).
    #[must_use]
    pub fn from_uuid(uuid: uuid::Uuid) -> Self {
        Self(uuid.as_hyphenated().to_string())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl std::str::FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl JsonSchema for RunId {
    fn schema_name() -> Cow<'static, str> {
        "RunId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"})
    }
}

/// Whether a text is safe as a path component: 1 to `bytes_max` allowed bytes, of which the first is
/// alphanumeric.
pub(crate) fn is_safe_name(text: &str, bytes_max: usize, allowed: impl Fn(u8) -> bool) -> bool {
    text.len() <= bytes_max
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(allowed)
}

/// The beginning of a given text, short enough for an error message.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut start: String = text.chars().take(CHARS_MAX).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// The status of a run, in the words of the database and the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    Processing,
    Completed,
    Failed,
    Cancelled,
}

/// One of the four stages, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Stage {
    InputProcessing,
    SignalAmplification,
    GeneralTranslation,
    BrandContextualization,
}

impl Stage {
    /// All stages, in the order in which they run.
    pub const ALL: [Self; 4] = [
        Self::InputProcessing,
        Self::SignalAmplification,
        Self::GeneralTranslation,
        Self::BrandContextualization,
    ];

    /// 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::InputProcessing => 1,
            Self::SignalAmplification => 2,
            Self::GeneralTranslation => 3,
            Self::BrandContextualization => 4,
        }
    }

    /// The stage's name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::InputProcessing => "input processing",
            Self::SignalAmplification => "signal amplification",
            Self::GeneralTranslation => "general translation",
            Self::BrandContextualization => "brand contextualization",
        }
    }

    /// The items that the stage finds, in the plural.
    #[must_use]
    pub const fn items(self) -> &'static str {
        match self {
            Self::InputProcessing => "inspirations",
            Self::SignalAmplification => "trends",
            Self::GeneralTranslation => "lessons",
            Self::BrandContextualization => "opportunities",
        }
    }

    /// The path of the stage's record below the run's folder.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::InputProcessing => "stage1/inspirations.json",
            Self::SignalAmplification => "stage2/trends.json",
            Self::GeneralTranslation => "stage3/lessons.json",
            Self::BrandContextualization => "stage4/context.json",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {} ({})", self.number(), self.title())
    }
}

impl From<Stage> for u8 {
    fn from(stage: Stage) -> Self {
        stage.number()
    }
}

impl JsonSchema for Stage {
    fn schema_name() -> Cow<'static, str> {
        "Stage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": 4})
    }
}

impl TryFrom<u8> for Stage {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.number() == number)
            .ok_or_else(|| format!("there is no stage {number}; stages are 1 to 4"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_id_is_a_valid_one() {
        let id = RunId::from_uuid(uuid::Uuid::nil());
        assert_eq!(RunId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn a_refused_id_is_shown_shortened() {
        let error = RunId::parse(&"/".repeat(1_000)).unwrap_err().to_string();
        assert!(error.len() < 250, "{error}");
    }

    #[test]
    fn ids_are_checked_when_read_from_json() {
        assert!(serde_json::from_str::<RunId>("\"run_1-A\"").is_ok());
        assert!(serde_json::from_str::<RunId>("\"../run\"").is_err());
    }

    #[test]
    fn stages_are_their_numbers() {
        for stage in Stage::ALL {
            assert_eq!(Stage::try_from(stage.number()), Ok(stage));
        }
        assert!(Stage::try_from(0).is_err() && Stage::try_from(5).is_err());
    }

    proptest! {
        #[test]
        fn run_ids_are_exactly_the_stated_names(
            text in "[A-Za-z0-9_-]{0,102}|[A-Za-z0-9._/\\\\\\x00é -]{0,8}|\\PC{0,12}",
        ) {
            let first_ok = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
            let all_ok = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            let expected = first_ok && all_ok && text.len() <= 100;
            match text.parse::<RunId>() {
                Ok(id) => {
                    prop_assert!(expected);
                    prop_assert!(!text.contains(['/', '\\', '.', '\0']) && text.is_ascii());
                    prop_assert_eq!(id.to_string(), text);
                    prop_assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
                }
                Err(error) => {
                    prop_assert!(!expected, "refused: {}", error);
                }
            }
        }
    }
}
