//! Brands: a validated id, and a profile read from YAML with every problem reported at once.

mod check;
mod problems;
mod yaml;

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use problems::{BrandProblem, BrandProblems};

use crate::{
    run::{is_safe_name, shortened},
    stages::ProfileField,
};

/// The largest profile file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// The longest text in a profile, in characters.
pub const TEXT_CHARS_MAX: usize = 2_000;
/// The most entries of a list in a profile.
pub const LIST_ENTRIES_MAX: usize = 100;
/// The most research notes of a brand, in bytes: they go into the prompt as a whole.
pub const NOTES_BYTES_MAX: usize = 64 * 1024;

/// The longest brand id that is accepted, in bytes.
pub const BRAND_ID_BYTES_MAX: usize = 64;

/// The identity of a brand: `[a-z0-9][a-z0-9-]{0,63}`, which is also the name of its profile's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrandId(String);

/// Why a text is not a [`BrandId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("brand id {given:?} is not valid: use 1 to 64 of a-z 0-9 -, starting with a letter or digit")]
pub struct BrandIdError {
    given: String,
}

impl BrandId {
    /// Checks and takes a brand id that somebody gave.
    pub fn parse(text: &str) -> Result<Self, BrandIdError> {
        if is_safe_name(text, BRAND_ID_BYTES_MAX, |b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
        }) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BrandIdError { given: shortened(text) })
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BrandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for BrandId {
    type Error = BrandIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<BrandId> for String {
    fn from(id: BrandId) -> Self {
        id.0
    }
}

impl std::str::FromStr for BrandId {
    type Err = BrandIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl JsonSchema for BrandId {
    fn schema_name() -> Cow<'static, str> {
        "BrandId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"})
    }
}

/// A brand, as its profile describes it. All lists keep the profile's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BrandProfile {
    pub id: BrandId,
    pub brand_name: String,
    pub country: String,
    pub industry: String,
    pub positioning: String,
    /// At least 3.
    pub product_portfolio: Vec<String>,
    /// At least 2.
    pub target_customers: Vec<String>,
    /// At least 2.
    pub recent_innovations: Vec<String>,
    /// At least 3.
    pub strategic_priorities: Vec<String>,
    /// At least 3.
    pub brand_values: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub competitors: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tone: Option<String>,
    /// Fields that this version does not know: kept, and passed on to the model.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
    /// Free notes from `brand-research/{id}.md`, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub research_notes: Option<String>,
}

impl BrandProfile {
    /// Reads a profile from YAML, with the notes that lie beside it.
    ///
    /// Every problem is reported at once: missing or empty fields, wrong types, too few or too many
    /// entries, texts beyond [`TEXT_CHARS_MAX`], files beyond [`FILE_BYTES_MAX`], notes beyond
    /// [`NOTES_BYTES_MAX`]. Callers report them as [`BrandProblems::CODE`].
    pub fn from_yaml(id: BrandId, yaml: &str, research_notes: Option<String>) -> Result<Self, BrandProblems> {
        check::profile(id, yaml, research_notes)
    }

    /// The entries of one of the lists that an opportunity may build on.
    #[must_use]
    pub fn entries(&self, field: ProfileField) -> &[String] {
        match field {
            ProfileField::ProductPortfolio => &self.product_portfolio,
            ProfileField::TargetCustomers => &self.target_customers,
            ProfileField::RecentInnovations => &self.recent_innovations,
            ProfileField::StrategicPriorities => &self.strategic_priorities,
            ProfileField::BrandValues => &self.brand_values,
        }
    }
}

#[cfg(test)]
mod tests;
