//! The document and the brand of a run, as its report names them.
//!
//! A report page is made from the records alone, long after the document and perhaps the profile have gone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    brand::BrandProfile,
    document::{CompressedDocument, Format},
};

/// The document of a run. The record of stage 1 holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentFacts {
    /// Its origin, for people: a file name or the last part of an address.
    pub source: String,
    /// From the document's metadata or first heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub format: Format,
    pub page_count: usize,
    /// The warnings of the extraction, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl DocumentFacts {
    #[must_use]
    pub fn of(document: &CompressedDocument) -> Self {
        Self {
            source: document.source_name.clone(),
            title: document.title.clone(),
            format: document.format,
            page_count: document.page_count,
            warnings: document.warnings.clone(),
        }
    }

    /// The document's title, or its source.
    #[must_use]
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.source)
    }
}

/// The brand of a run. The record of stage 4 holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BrandFacts {
    pub name: String,
    pub country: String,
    pub industry: String,
}

impl BrandFacts {
    #[must_use]
    pub fn of(brand: &BrandProfile) -> Self {
        Self {
            name: brand.brand_name.clone(),
            country: brand.country.clone(),
            industry: brand.industry.clone(),
        }
    }
}
