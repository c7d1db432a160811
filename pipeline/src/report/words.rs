//! The words for the closed lists of the answers.

use crate::stages::{Category, Direction, Effort, Horizon, ProfileField, Strength};

pub(super) const fn field_name(field: ProfileField) -> &'static str {
    match field {
        ProfileField::ProductPortfolio => "product portfolio",
        ProfileField::TargetCustomers => "target customers",
        ProfileField::RecentInnovations => "recent innovations",
        ProfileField::StrategicPriorities => "strategic priorities",
        ProfileField::BrandValues => "brand values",
    }
}

pub(super) const fn effort(effort: Effort) -> &'static str {
    match effort {
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
    }
}

pub(super) const fn horizon(horizon: Horizon) -> &'static str {
    match horizon {
        Horizon::Now => "now (within six months)",
        Horizon::Next => "next (within six to eighteen months)",
        Horizon::Later => "later (beyond eighteen months)",
    }
}

/// The horizon in one word.
pub(super) const fn horizon_word(horizon: Horizon) -> &'static str {
    match horizon {
        Horizon::Now => "now",
        Horizon::Next => "next",
        Horizon::Later => "later",
    }
}

pub(super) const fn category(category: Category) -> &'static str {
    match category {
        Category::Behavioral => "Behavioural",
        Category::Technological => "Technological",
        Category::Cultural => "Cultural",
        Category::Economic => "Economic",
    }
}

pub(super) const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Emerging => "emerging",
        Direction::Growing => "growing",
        Direction::Stable => "stable",
        Direction::Declining => "declining",
    }
}

pub(super) const fn strength(strength: Strength) -> &'static str {
    match strength {
        Strength::High => "high",
        Strength::Medium => "medium",
        Strength::Low => "low",
    }
}
