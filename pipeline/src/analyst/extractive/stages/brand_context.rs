//! The brand context: the profile entries that decided the choice, and the rules for effort and horizon.

use crate::{
    analyst::extractive::{
        stages::{matching::Match, products, subjects::Subject},
        text::words,
    },
    brand::BrandProfile,
    stages::{Opportunity, ProfileField},
};

pub(crate) fn write(
    opportunities: &[Opportunity],
    subjects: &[Subject<'_>],
    chosen: &[Match],
    brand: &BrandProfile,
) -> String {
    let products: Vec<String> = chosen
        .iter()
        .filter_map(|found| brand.product_portfolio.get(found.product))
        .map(|entry| products::short_name(entry))
        .collect();
    let mut text = format!(
        "For {} ({}), {} from the document {} held against the profile. What decided were the products that can carry a lesson: {}.",
        brand.brand_name,
        brand.country,
        words::counted(subjects.len(), "lesson", "lessons"),
        if subjects.len() == 1 { "was" } else { "were" },
        words::listed(&unique(products)),
    );
    let entries = |field: ProfileField| -> Vec<String> {
        let all = opportunities.iter().flat_map(|o| &o.profile_links).filter(|link| link.field == field);
        unique(all.map(|link| format!("“{}”", link.entry.trim_end_matches('.'))).collect())
    };
    let priorities = entries(ProfileField::StrategicPriorities);
    if !priorities.is_empty() {
        text.push_str(&format!(
            " Of its priorities, these spoke for the choice: {}.",
            words::listed(&priorities)
        ));
    }
    let left_out: Vec<String> = subjects
        .iter()
        .enumerate()
        .filter(|(index, _)| chosen.iter().all(|found| found.subject != *index))
        .map(|(_, subject)| format!("“{}”", subject.lesson.title))
        .collect();
    if !left_out.is_empty() {
        text.push_str(&format!(
            " Left aside, because other lessons had a nearer product: {}.",
            words::listed(&left_out)
        ));
    }
    text.push_str(
        " Effort follows the kind of change: a small trial or other words are low; a new offer, version or place is medium; a new \
         cycle of material, standard or network is high. Low effort can start now; medium effort now where a recent \
         innovation prepares it, else next; high effort next where one does, else later.",
    );
    words::clipped(&text, 1_950)
}

fn unique(items: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}
