//! The lists of a profile that an opportunity may build on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileField {
    ProductPortfolio,
    TargetCustomers,
    RecentInnovations,
    StrategicPriorities,
    BrandValues,
}

impl ProfileField {
    /// All fields, in the profile's order.
    pub const ALL: [Self; 5] = [
        Self::ProductPortfolio,
        Self::TargetCustomers,
        Self::RecentInnovations,
        Self::StrategicPriorities,
        Self::BrandValues,
    ];

    /// The field's name in the profile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProductPortfolio => "product_portfolio",
            Self::TargetCustomers => "target_customers",
            Self::RecentInnovations => "recent_innovations",
            Self::StrategicPriorities => "strategic_priorities",
            Self::BrandValues => "brand_values",
        }
    }
}
