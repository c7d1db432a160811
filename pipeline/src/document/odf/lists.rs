//! The numbers of lists and headings in an OpenDocument file.

use std::collections::HashMap;

use crate::document::{office::numerals::numeral, xml::Element};

/// OpenDocument's lists have ten levels.
const LEVELS: usize = 10;
/// The signs around a number.
const AFFIX_CHARS_MAX: usize = 16;

/// A level of a list's style.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    is_bullet: bool,
    format: String,
    prefix: String,
    suffix: String,
    /// How many levels the number shows.
    shown_levels: usize,
    start: Option<u32>,
}

impl Level {
    pub(super) fn read(element: &Element<'_>) -> Self {
        let affix = |name: &str| {
            element.attribute(name).unwrap_or_default().chars().take(AFFIX_CHARS_MAX).collect::<String>()
        };
        Self {
            is_bullet: !matches!(element.name, "list-level-style-number" | "outline-level-style"),
            format: affix("num-format"),
            prefix: affix("num-prefix"),
            suffix: affix("num-suffix"),
            shown_levels: element.number("display-levels").unwrap_or(1),
            start: element.number("start-value"),
        }
    }
}

/// The style of a list.
#[derive(Debug, Clone, Default)]
pub(super) struct ListStyle(HashMap<usize, Level>);

impl ListStyle {
    /// Sets a level, which counts from 1.
    pub(super) fn set(&mut self, level: usize, style: Level) {
        if (1..=LEVELS).contains(&level) {
            self.0.insert(level - 1, style);
        }
    }
}

/// The numbers that a list gave out.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter([Option<u32>; LEVELS]);

/// The mark of a list item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Bullet,
    Number(String),
    None,
}

impl Counter {
    /// The mark of the next item on a level, which counts from 0. `start` starts the level anew.
    pub(super) fn next(&mut self, style: &ListStyle, level: usize, start: Option<u32>) -> Label {
        let level = level.min(LEVELS - 1);
        let own = style.0.get(&level);
        if let Some(slot) = self.0.get_mut(level) {
            let first = own.and_then(|own| own.start).unwrap_or(1);
            *slot = start.or(slot.map(|count| count.saturating_add(1))).or(Some(first));
        }
        self.0.iter_mut().skip(level + 1).for_each(|slot| *slot = None);
        match own {
            None => Label::None,
            Some(own) if own.is_bullet => Label::Bullet,
            Some(own) => self.label(style, own, level),
        }
    }

    fn label(&self, style: &ListStyle, own: &Level, level: usize) -> Label {
        if own.format.is_empty() {
            return Label::None;
        }
        let first = (level + 1).saturating_sub(own.shown_levels.clamp(1, LEVELS));
        let numbers = (first..=level).filter_map(|at| {
            let format =
                style.0.get(&at).map(|level| level.format.as_str()).filter(|format| !format.is_empty())?;
            Some(numeral(self.0.get(at).copied().flatten().unwrap_or(1), format))
        });
        let numbers = numbers.collect::<Vec<_>>().join(".");
        Label::Number(format!("{}{numbers}{}", own.prefix, own.suffix).trim().to_owned())
    }
}
