//! The identity of a brand.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::run::{is_safe_name, shortened};

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
    /// Checks a brand id and takes it.
    ///
    /// # Errors
    ///
    /// [`BrandIdError`] if the text has another form.
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
