//! The numbers of lists and headings, counted as Word counts them.

use std::collections::HashMap;

use crate::document::{
    error::DocumentError,
    office::numerals::numeral,
    xml::{Element, Xml, walk},
};

/// Word's lists have nine levels.
const LEVELS: usize = 9;
/// A label has a few signs; a longer one would be a file's attempt to multiply its text.
const LABEL_CHARS_MAX: usize = 64;

/// A level of a list.
#[derive(Debug, Clone, Default)]
struct Level {
    start: Option<u32>,
    format: String,
    text: Option<String>,
    /// The level whose number starts this one anew: 0 for none.
    restart: Option<usize>,
    is_legal: bool,
    /// Nothing stands between number and text.
    is_close: bool,
    style: Option<String>,
}

/// The definition of a list.
#[derive(Debug, Clone, Default)]
struct Abstract {
    levels: [Level; LEVELS],
    /// A list that is defined by a style of lists.
    style_link: Option<String>,
    numbering_style: Option<String>,
}

/// A list of the document, which follows a definition.
#[derive(Debug, Clone, Default)]
struct List {
    definition: String,
    starts: [Option<u32>; LEVELS],
    levels: HashMap<usize, Level>,
}

/// The lists of a document.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    definitions: HashMap<String, Abstract>,
    lists: HashMap<String, List>,
    /// The definitions by the styles of lists that they define.
    by_style: HashMap<String, String>,
}

/// The place that a definition is being read for.
#[derive(Debug, Default)]
struct Reading {
    numbering: Numbering,
    definition: Option<(String, Abstract)>,
    list: Option<(String, List)>,
    level: Option<(usize, Level)>,
    overridden: usize,
}

/// Reads the definitions of lists.
pub(super) fn numbering(xml: &str) -> Result<Numbering, DocumentError> {
    let mut reading = Reading::default();
    walk(xml, |event| match event {
        Xml::Start(element) => reading.start(&element),
        Xml::End(name) => reading.end(name),
        Xml::Text(_) => {}
    })?;
    let numbering = &mut reading.numbering;
    for (id, definition) in &numbering.definitions {
        if let Some(style) = &definition.style_link {
            numbering.by_style.insert(style.clone(), id.clone());
        }
    }
    Ok(reading.numbering)
}

impl Reading {
    fn start(&mut self, element: &Element<'_>) {
        let value = || element.attribute("val");
        match element.name {
            "abstractNum" => {
                self.definition =
                    Some((element.attribute("abstractNumId").unwrap_or_default(), Abstract::default()));
            }
            "num" => self.list = Some((element.attribute("numId").unwrap_or_default(), List::default())),
            "abstractNumId" => {
                if let Some((_, list)) = &mut self.list {
                    list.definition = value().unwrap_or_default();
                }
            }
            "lvlOverride" => self.overridden = element.number("ilvl").unwrap_or_default(),
            "startOverride" => {
                let start = element.number("val");
                let at = self.overridden;
                if let Some(slot) = self.list.as_mut().and_then(|(_, list)| list.starts.get_mut(at)) {
                    *slot = start;
                }
            }
            "lvl" => self.level = Some((element.number("ilvl").unwrap_or_default(), Level::default())),
            "styleLink" => self.with_definition(|definition| definition.style_link = value()),
            "numStyleLink" => self.with_definition(|definition| definition.numbering_style = value()),
            _ => {
                if let Some((_, level)) = &mut self.level {
                    level.set(element);
                }
            }
        }
    }

    fn with_definition(&mut self, change: impl FnOnce(&mut Abstract)) {
        if let Some((_, definition)) = &mut self.definition {
            change(definition);
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "lvl" => {
                let Some((at, level)) = self.level.take().filter(|(at, _)| *at < LEVELS) else { return };
                if let Some((_, list)) = &mut self.list {
                    list.levels.insert(at, level);
                } else if let Some(slot) =
                    self.definition.as_mut().and_then(|(_, definition)| definition.levels.get_mut(at))
                {
                    *slot = level;
                }
            }
            "abstractNum" => self.numbering.definitions.extend(self.definition.take()),
            "num" => self.numbering.lists.extend(self.list.take()),
            _ => {}
        }
    }
}

impl Level {
    fn set(&mut self, element: &Element<'_>) {
        match element.name {
            "start" => self.start = element.number("val"),
            "numFmt" => self.format = element.attribute("val").unwrap_or_default(),
            "lvlText" => {
                let text = element.attribute("val").unwrap_or_default();
                self.text = Some(text.chars().take(LABEL_CHARS_MAX).collect());
            }
            "lvlRestart" => self.restart = element.number("val"),
            "isLgl" => self.is_legal = element.is_on(),
            "suff" => self.is_close = element.attribute("val").as_deref() == Some("nothing"),
            "pStyle" => self.style = element.attribute("val"),
            _ => {}
        }
    }
}

impl Numbering {
    fn list(&self, id: &str) -> Option<(&List, &str, &Abstract)> {
        let list = self.lists.get(id)?;
        let mut name = list.definition.as_str();
        let mut definition = self.definitions.get(name)?;
        if let Some(linked) = definition.numbering_style.as_ref().and_then(|style| self.by_style.get(style)) {
            name = linked;
            definition = self.definitions.get(linked)?;
        }
        Some((list, name, definition))
    }

    /// The level of a list that belongs to a style of paragraphs.
    pub(super) fn level_of_style(&self, list: &str, style: &str) -> Option<usize> {
        let (list, _, definition) = self.list(list)?;
        let own = |at: usize| list.levels.get(&at).or_else(|| definition.levels.get(at));
        (0..LEVELS).find(|at| own(*at).is_some_and(|level| level.style.as_deref() == Some(style)))
    }
}

/// The mark of a list item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Bullet,
    /// With the blank that separates it from the text, if there is one.
    Number(String),
    /// The level shows nothing.
    None,
}

/// The numbers that were given out so far.
#[derive(Debug, Default)]
pub(super) struct Counter {
    /// By definition: lists of the same definition go on counting.
    counts: HashMap<String, [Option<u32>; LEVELS]>,
    /// The starts of lists that were used up.
    started: HashMap<String, [bool; LEVELS]>,
}

impl Counter {
    /// The label of the next item of a list, or `None` if the document defines no such list.
    pub(super) fn next(&mut self, numbering: &Numbering, id: &str, level: usize) -> Option<Label> {
        let (list, name, definition) = numbering.list(id)?;
        let level = level.min(LEVELS - 1);
        let levels: Vec<&Level> =
            (0..LEVELS).filter_map(|at| list.levels.get(&at).or_else(|| definition.levels.get(at))).collect();
        let own = *levels.get(level)?;
        let counts = self.counts.entry(name.to_owned()).or_default();
        let started = self.started.entry(id.to_owned()).or_default();
        let forced = list.starts.get(level).copied().flatten();
        if let (Some(slot), Some(was)) = (counts.get_mut(level), started.get_mut(level)) {
            let first = forced.or(own.start).unwrap_or(1);
            *slot = match *slot {
                Some(count) if forced.is_none() || *was => Some(count.saturating_add(1)),
                _ => Some(first),
            };
            *was = true;
        }
        for (at, deeper) in levels.iter().enumerate().skip(level + 1) {
            let restarts = deeper.restart.is_none_or(|after| after > 0 && level < after);
            if restarts && let Some(slot) = counts.get_mut(at) {
                *slot = None;
            }
        }
        Some(label(&levels, level, counts))
    }
}

/// The label of a level, with the numbers of the levels above where its text names them.
fn label(levels: &[&Level], level: usize, counts: &[Option<u32>; LEVELS]) -> Label {
    let Some(own) = levels.get(level) else { return Label::None };
    if own.format == "bullet" {
        return Label::Bullet;
    }
    let mut text = String::new();
    let mut chars = own.text.as_deref().unwrap_or_default().chars();
    while let Some(c) = chars.next() {
        let place = if c == '%' { chars.clone().next().and_then(|digit| digit.to_digit(10)) } else { None };
        let Some(at) = place.and_then(|place| (place as usize).checked_sub(1)) else {
            text.push(c);
            continue;
        };
        chars.next();
        let Some(named) = levels.get(at) else { continue };
        let count = counts.get(at).copied().flatten().or(named.start).unwrap_or(1);
        let format = if own.is_legal { "decimal" } else { named.format.as_str() };
        if format != "none" {
            text.push_str(&numeral(count, format));
        }
    }
    let text = text.trim();
    let blank = if own.is_close { "" } else { " " };
    if text.is_empty() { Label::None } else { Label::Number(format!("{text}{blank}")) }
}

#[cfg(test)]
mod tests;
