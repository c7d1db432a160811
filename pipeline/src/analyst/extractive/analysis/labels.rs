//! Labels: lines in which a document rates its own topic ("Category … Strength … Direction …").

use crate::{
    analyst::extractive::text::words,
    stages::{Category, Direction, Strength},
};

/// The values that a document gives to a topic in its labels.
#[derive(Debug, Default, Clone)]
pub(crate) struct Labels {
    pub(crate) category: Option<Category>,
    pub(crate) strength: Option<(Strength, Option<String>)>,
    pub(crate) direction: Option<Direction>,
    pub(crate) seen_in: Vec<String>,
}

impl Labels {
    /// Reads pairs of label and value out of a block.
    pub(crate) fn read(&mut self, text: &str) {
        let plain = words::plain(text);
        let value_after = |label: &str| -> Option<&str> {
            let at = plain.find(&format!(" {label} "))?;
            plain.get(at + label.len() + 2..)?.split(' ').next()
        };
        if self.category.is_none() {
            self.category = value_after("category").and_then(category_named);
        }
        if self.strength.is_none() {
            self.strength = value_after("strength")
                .and_then(strength_named)
                .map(|strength| (strength, reason_after(text)));
        }
        if self.direction.is_none() {
            self.direction = value_after("direction").and_then(direction_named);
        }
        if self.seen_in.is_empty()
            && let Some((_, list)) = text.split_once("Seen in ")
        {
            let line = list.split(['.', '\n']).next().unwrap_or(list);
            let items: Vec<&str> = line.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            if items.iter().all(|item| item.split(' ').count() <= 4) {
                self.seen_in = items.into_iter().take(6).map(words::capitalised).collect();
            }
        }
    }
}

/// The reason in a strength label: "Strength High: six of seven countries".
fn reason_after(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("Strength")?;
    let (_, reason) = rest.split_once(": ")?;
    let end = ["Direction", "Category", "Seen in", "."].iter().filter_map(|cut| reason.find(cut)).min();
    let reason = reason.get(..end.unwrap_or(reason.len()))?.trim();
    (3..=80).contains(&reason.chars().count()).then(|| reason.to_owned())
}

fn category_named(word: &str) -> Option<Category> {
    Some(match word {
        "behavioural" | "behavioral" | "behaviour" | "behavior" => Category::Behavioral,
        "technological" | "technology" => Category::Technological,
        "cultural" | "culture" | "social" => Category::Cultural,
        "economic" | "economy" | "economics" => Category::Economic,
        _ => return None,
    })
}

fn strength_named(word: &str) -> Option<Strength> {
    Some(match word {
        "high" | "strong" => Strength::High,
        "medium" | "moderate" => Strength::Medium,
        "low" | "weak" => Strength::Low,
        _ => return None,
    })
}

fn direction_named(word: &str) -> Option<Direction> {
    Some(match word {
        "emerging" | "new" | "nascent" => Direction::Emerging,
        "rising" | "growing" | "up" | "increasing" => Direction::Growing,
        "steady" | "stable" | "flat" => Direction::Stable,
        "falling" | "declining" | "down" => Direction::Declining,
        _ => return None,
    })
}
