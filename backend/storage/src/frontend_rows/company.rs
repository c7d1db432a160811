//! The names under which the frontend stores companies. Its lists filter by the exact name.

use pipeline::brand::{BrandId, BrandProfile};

/// The companies that the frontend offers: our id, and the name that it writes into `companyName`.
const COMPANIES: [(&str, &str); 4] = [
    ("columbia-sportswear", "Columbia Sportswear"),
    ("decathlon", "Decathlon"),
    ("lactalis-canada", "Lactalis Canada"),
    ("mccormick-usa", "McCormick USA"),
];

/// The name that the frontend uses for a brand. It is the frontend's own if it offers the brand, else the
/// profile's.
#[must_use]
pub fn company_name(profile: &BrandProfile) -> String {
    let own = offered(&profile.id).map(str::to_owned);
    own.or_else(|| profile.other.get("company_name")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| profile.brand_name.clone())
}

/// The frontend's name of a brand that it offers.
pub(crate) fn offered(id: &BrandId) -> Option<&'static str> {
    COMPANIES.iter().find(|(known, _)| *known == id.as_str()).map(|(_, name)| *name)
}
