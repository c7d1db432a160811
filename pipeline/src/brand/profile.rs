//! A brand as its profile describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{field::ProfileField, id::BrandId};

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
