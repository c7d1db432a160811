//! A part of a selector: what it says about one element.

use super::{attribute::AttributeTest, reader::Reader};
use crate::document::html::page::Page;

/// A list of alternatives in `:is()` and `:not()` is short.
const ALTERNATIVES_MAX: usize = 32;
/// `:not(:is(:not(…)))` ends here.
const NESTING_MAX: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Compound {
    name: String,
    id: String,
    classes: Vec<String>,
    attributes: Vec<AttributeTest>,
    states: Vec<State>,
}

#[derive(Debug)]
enum State {
    /// The reader points at it, or types in it: never so in a stored page.
    Never,
    Root,
    LastChild,
    /// `:nth-child(2n+1)`: the step and the first.
    Place(i64, i64),
    AnyOf(Vec<Compound>),
    /// `:where()`, which has no rank.
    AnyOfUnranked(Vec<Compound>),
    NoneOf(Vec<Compound>),
}

impl Compound {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Self::nested(reader, NESTING_MAX)
    }

    fn nested(reader: &mut Reader<'_>, depth: usize) -> Option<Self> {
        let mut part = Self::default();
        let start = reader.rest.len();
        match reader.peek()? {
            '*' => {
                reader.next();
            }
            '.' | '#' | '[' | ':' => {}
            _ => part.name = reader.name()?.to_ascii_lowercase(),
        }
        while let Some(mark @ ('.' | '#' | '[' | ':')) = reader.peek() {
            reader.next();
            match mark {
                '.' => part.classes.push(reader.name()?),
                '#' => part.id = reader.name()?,
                '[' => part.attributes.push(AttributeTest::read(reader)?),
                _ => part.states.push(State::read(reader, depth)?),
            }
        }
        (reader.rest.len() < start).then_some(part)
    }

    pub(super) fn key(&self) -> String {
        if !self.id.is_empty() {
            return format!("#{}", self.id);
        }
        self.classes.first().map_or_else(|| self.name.clone(), |class| format!(".{class}"))
    }

    /// Its ids, classes and names.
    pub(super) fn specificity(&self) -> (u64, u64, u64) {
        let classes = self.classes.len() + self.attributes.len();
        let own = (u64::from(!self.id.is_empty()), classes as u64, u64::from(!self.name.is_empty()));
        self.states
            .iter()
            .map(State::specificity)
            .fold(own, |sum, state| (sum.0 + state.0, sum.1 + state.1, sum.2 + state.2))
    }

    /// The comparisons that it takes.
    pub(super) fn weight(&self) -> usize {
        1 + self.states.iter().map(State::weight).sum::<usize>()
    }

    pub(super) fn is(&self, page: &Page, element: usize) -> bool {
        let classes = page.attribute(element, "class").unwrap_or_default();
        (self.name.is_empty() || self.name == page.name(element))
            && (self.id.is_empty() || page.attribute(element, "id") == Some(&self.id))
            && self.classes.iter().all(|class| classes.split_whitespace().any(|other| other == class))
            && self.attributes.iter().all(|test| test.holds(page.attribute(element, test.name())))
            && self.states.iter().all(|state| state.holds(page, element))
    }
}

impl State {
    /// Reads what follows a colon.
    fn read(reader: &mut Reader<'_>, depth: usize) -> Option<Self> {
        let name = reader.name()?.to_ascii_lowercase();
        let is_function = reader.peek() == Some('(');
        if !is_function {
            return match name.as_str() {
                "hover" | "focus" | "active" | "focus-within" | "focus-visible" => Some(Self::Never),
                "root" => Some(Self::Root),
                "first-child" => Some(Self::Place(0, 1)),
                "last-child" => Some(Self::LastChild),
                _ => None,
            };
        }
        reader.next();
        let state = match name.as_str() {
            "is" | "matches" => Self::AnyOf(alternatives(reader, depth)?),
            "where" => Self::AnyOfUnranked(alternatives(reader, depth)?),
            "not" => Self::NoneOf(alternatives(reader, depth)?),
            "nth-child" => {
                let (argument, _) = reader.rest.split_once(')')?;
                let (step, first) = place(argument)?;
                reader.rest = reader.rest.get(argument.len()..)?;
                Self::Place(step, first)
            }
            _ => return None,
        };
        (reader.next() == Some(')')).then_some(state)
    }

    fn specificity(&self) -> (u64, u64, u64) {
        match self {
            Self::AnyOf(parts) | Self::NoneOf(parts) => {
                parts.iter().map(Compound::specificity).max().unwrap_or_default()
            }
            Self::AnyOfUnranked(_) => (0, 0, 0),
            _ => (0, 1, 0),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::AnyOf(parts) | Self::AnyOfUnranked(parts) | Self::NoneOf(parts) => {
                parts.iter().map(Compound::weight).sum()
            }
            _ => 0,
        }
    }

    fn holds(&self, page: &Page, element: usize) -> bool {
        let any = |parts: &[Compound]| parts.iter().any(|part| part.is(page, element));
        match self {
            Self::Never => false,
            Self::Root => page.name(element) == "html",
            Self::LastChild => page.is_last(element),
            Self::Place(step, first) => {
                let ahead = page.place(element) - first;
                if *step == 0 { ahead == 0 } else { ahead % step == 0 && ahead / step >= 0 }
            }
            Self::AnyOf(parts) | Self::AnyOfUnranked(parts) => any(parts),
            Self::NoneOf(parts) => !any(parts),
        }
    }
}

/// Alternatives up to the bracket that closes them.
fn alternatives(reader: &mut Reader<'_>, depth: usize) -> Option<Vec<Compound>> {
    let depth = depth.checked_sub(1)?;
    let mut found = Vec::new();
    loop {
        reader.skip_blanks();
        found.push(Compound::nested(reader, depth)?);
        reader.skip_blanks();
        if reader.peek()? != ',' {
            return Some(found);
        }
        reader.next();
        if found.len() == ALTERNATIVES_MAX {
            return None;
        }
    }
}

/// `odd`, `3`, `2n+1`, `-n + 3`.
fn place(argument: &str) -> Option<(i64, i64)> {
    let text: String = argument.to_ascii_lowercase().split_whitespace().collect();
    match text.as_str() {
        "odd" => return Some((2, 1)),
        "even" => return Some((2, 0)),
        _ => {}
    }
    let number = |text: &str| text.parse::<i32>().ok().map(i64::from);
    let Some((step, first)) = text.split_once('n') else { return Some((0, number(&text)?)) };
    let step = match step {
        "" | "+" => 1,
        "-" => -1,
        step => number(step)?,
    };
    Some((step, if first.is_empty() { 0 } else { number(first)? }))
}
