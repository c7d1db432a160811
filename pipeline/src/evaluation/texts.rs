//! The words of opportunities and profiles, for the measures about brands.

use std::collections::{BTreeMap, BTreeSet};

use crate::{analyst::extractive::content_stems, brand::BrandProfile, stages::Opportunity};

/// The stems of a text's content words.
pub(super) fn stems(text: &str) -> BTreeSet<String> {
    content_stems(text).into_iter().collect()
}

/// The action that an opportunity proposes: title, pitch and first steps, without the brand's name.
pub(super) fn action(opportunity: &Opportunity, brand: &BrandProfile) -> BTreeSet<String> {
    let mut text = format!("{} {}", opportunity.title, opportunity.pitch);
    for step in &opportunity.first_steps {
        text.push(' ');
        text.push_str(step);
    }
    let name = stems(&brand.brand_name);
    stems(&text).difference(&name).cloned().collect()
}

/// Everything that an opportunity says.
pub(super) fn whole(opportunity: &Opportunity, brand: &BrandProfile) -> BTreeSet<String> {
    let mut all = action(opportunity, brand);
    all.extend(stems(&opportunity.why_this_brand));
    all.extend(opportunity.target_customers.iter().flat_map(|customer| stems(customer)));
    all
}

/// For each brand, the stems of its profile that stand in no other profile of the set.
pub(super) fn specific<'b>(brands: &[&'b BrandProfile]) -> BTreeMap<&'b str, BTreeSet<String>> {
    let profiles: Vec<BTreeSet<String>> = brands.iter().map(|brand| profile(brand)).collect();
    let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
    for stem in profiles.iter().flatten() {
        *holders.entry(stem).or_default() += 1;
    }
    let own = |profile: &BTreeSet<String>| -> BTreeSet<String> {
        profile.iter().filter(|stem| holders.get(stem.as_str()) == Some(&1)).cloned().collect()
    };
    brands.iter().zip(&profiles).map(|(brand, profile)| (brand.id.as_str(), own(profile))).collect()
}

fn profile(brand: &BrandProfile) -> BTreeSet<String> {
    let lists = [
        &brand.product_portfolio,
        &brand.target_customers,
        &brand.recent_innovations,
        &brand.strategic_priorities,
        &brand.brand_values,
    ];
    let mut all: BTreeSet<String> = lists.into_iter().flatten().flat_map(|entry| stems(entry)).collect();
    all.extend(stems(&brand.industry));
    all.extend(stems(&brand.positioning));
    all
}

/// The share of words that two texts have in common (Jaccard), 0 to 1.
pub(super) fn likeness(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let shared = a.intersection(b).count();
    let all = a.len() + b.len() - shared;
    if all == 0 { 0.0 } else { shared as f64 / all as f64 }
}
