//! Style sheets within the page: simple selectors, in the order of the cascade.

use std::collections::HashMap;

use super::marks::{divided, marks, without_comments};
use super::media::holds_on_screen;
use super::property::{Property, Value};
use super::selector::Selector;
use super::style::Style;
use super::value::{Declaration, Declared, declarations, declared};
use super::variables::Variables;
use crate::document::html::page::Page;

/// A page with more rules that matter is no page.
const RULES_MAX: usize = 20_000;
/// So many comparisons of an element with a selector are made for one page. A page with a thousand rules and ten thousand
/// elements takes a tenth of them.
const COMPARISONS_MAX: usize = 5_000_000;

/// So deep, rules stand in each other.
const DEPTH_MAX: usize = 4;

/// The rank of a declaration in a rule of this rank.
fn ranked(rank: u64, declaration: &Declaration) -> u64 {
    rank | (u64::from(declaration.is_important) << 62)
}

#[derive(Debug)]
struct Rule {
    selector: Selector,
    rank: u64,
    declarations: usize,
}

/// The rules of a page.
#[derive(Debug, Default)]
pub(in crate::document::html) struct Rules {
    rules: Vec<Rule>,
    blocks: Vec<Vec<Declaration>>,
    /// The rules by what their innermost part names: an id, a class, or else an element.
    by_key: HashMap<String, Vec<usize>>,
    variables: Variables,
    comparisons: usize,
    /// So many rules stood in others.
    nested: usize,
    is_full: bool,
}

impl Rules {
    /// Whether the page has more rules than can be applied, so that text which they hide may count as seen.
    pub(in crate::document::html) fn is_cut(&self) -> bool {
        self.is_full || self.variables.is_cut() || self.comparisons > COMPARISONS_MAX
    }

    /// Adds a style sheet.
    pub(in crate::document::html) fn add(&mut self, sheet: &str) {
        let sheet = without_comments(sheet);
        self.block(&sheet, 0);
    }

    fn block(&mut self, sheet: &str, depth: usize) {
        let mut rest = sheet;
        while let Some((before, after)) = split_at_brace(rest) {
            // A browser reads over a semicolon between the rules of a block.
            let before = if depth > 0 { before.trim_start_matches([';', ' ', '\n', '\t']) } else { before };
            let prelude = without_statements(before);
            let length = block_length(after);
            let body = after.get(..length).unwrap_or_default();
            rest = after.get(length + 1..).unwrap_or_default();
            if let Some(at_rule) = prelude.strip_prefix('@') {
                if depth < DEPTH_MAX && holds_on_screen(&at_rule.to_ascii_lowercase()) {
                    self.block(body, depth + 1);
                }
            } else if last_end(prelude).is_none() {
                self.rules_of(prelude, body, depth);
            }
        }
    }

    /// Adds a rule, and the rules that are nested in it.
    fn rules_of(&mut self, selectors: &str, body: &str, depth: usize) {
        if !body.contains('{') {
            return self.rule(selectors, body);
        }
        let (mut own, mut nested, mut rest) = (String::new(), Vec::new(), body);
        while let Some((before, after)) = split_at_brace(rest) {
            let start = last_end(before).map_or(0, |at| at + 1);
            let (declarations, prelude) = before.split_at(start);
            own.push_str(declarations);
            let length = block_length(after);
            nested.push((prelude.trim(), after.get(..length).unwrap_or_default()));
            rest = after.get(length + 1..).unwrap_or_default();
        }
        own.push_str(rest);
        self.rule(selectors, &own);
        for (prelude, inner) in nested {
            self.nested += 1;
            if depth >= DEPTH_MAX || self.nested > RULES_MAX {
                self.is_full = true;
                return;
            }
            match prelude.strip_prefix('@') {
                Some(at_rule) if holds_on_screen(&at_rule.to_ascii_lowercase()) => {
                    self.rules_of(selectors, inner, depth + 1);
                }
                Some(_) => {}
                None => match joined(selectors, prelude) {
                    Some(selectors) => self.rules_of(&selectors, inner, depth + 1),
                    None => self.is_full = true,
                },
            }
        }
    }

    fn rule(&mut self, selectors: &str, body: &str) {
        let declarations = declarations(body);
        if declarations.is_empty() {
            return;
        }
        self.note_uses(&declarations);
        self.blocks.push(declarations);
        for text in divided(selectors, ',') {
            let Some(selector) = Selector::read(text) else { continue };
            if self.rules.len() >= RULES_MAX {
                self.is_full = true;
                return;
            }
            let rank = selector.rank() | self.rules.len() as u64;
            let key = selector.key();
            self.by_key.entry(key).or_default().push(self.rules.len());
            self.rules.push(Rule { selector, rank, declarations: self.blocks.len() - 1 });
        }
    }

    fn note_uses(&mut self, declarations: &[Declaration]) {
        for declaration in declarations {
            if let Declared::Varying(_, value) | Declared::Custom(_, value) = &declaration.what {
                self.variables.note_use(value);
            }
        }
    }

    /// The style of an element, by the rules and by its own attribute, and the scope of its custom properties. `around` is the
    /// scope that it inherits.
    pub(in crate::document::html) fn style(
        &mut self,
        page: &Page,
        element: usize,
        around: Option<usize>,
    ) -> (Style, Option<usize>) {
        let mut style = Style::default();
        if page.attribute(element, "hidden").is_some_and(|value| value != "until-found") {
            style.set(0, Property::NoBox, Value::Yes);
        }
        let own = page.attribute(element, "style").map(declarations).unwrap_or_default();
        let matching = self.matching(page, element);
        let blocks: Vec<(u64, &[Declaration])> = matching
            .iter()
            .map(|(rank, block)| (*rank, self.blocks.get(*block).map_or(&[][..], Vec::as_slice)))
            .chain([(1 << 61, own.as_slice())])
            .collect();
        let custom = custom_properties(&blocks, &self.variables);
        let scope = self.variables.within(around, &custom);
        for (rank, declaration) in
            blocks.iter().flat_map(|(rank, block)| block.iter().map(move |it| (*rank, it)))
        {
            let rank = ranked(rank, declaration);
            match &declaration.what {
                Declared::Known(property, value) => style.set(rank, *property, *value),
                Declared::Varying(name, value) => {
                    for (property, value) in declared(name, &self.variables.resolved(scope, value)) {
                        style.set(rank, property, value);
                    }
                }
                Declared::Custom(..) => {}
            }
        }
        (style, scope)
    }

    /// Takes note of an element's own attribute, before any style is asked for.
    pub(in crate::document::html) fn note_own(&mut self, style: &str) {
        if style.to_ascii_lowercase().contains("var(") {
            self.note_uses(&declarations(style));
        }
    }

    /// The rank and the block of each rule that is for an element.
    fn matching(&mut self, page: &Page, element: usize) -> Vec<(u64, usize)> {
        let mut found = Vec::new();
        if self.rules.is_empty() {
            return found;
        }
        let classes = page.attribute(element, "class").unwrap_or_default().split_whitespace();
        let id = page.attribute(element, "id").filter(|id| !id.is_empty()).map(|id| format!("#{id}"));
        let mut keys: Vec<String> = classes.take(64).map(|class| format!(".{class}")).collect();
        keys.extend(id);
        keys.push(page.name(element).to_owned());
        keys.push(String::new());
        for key in keys {
            let Some(rules) = self.by_key.get(&key) else { continue };
            for rule in rules.iter().filter_map(|index| self.rules.get(*index)) {
                if self.comparisons > COMPARISONS_MAX {
                    return found;
                }
                if rule.selector.is_for(page, element, &mut self.comparisons) {
                    found.push((rule.rank, rule.declarations));
                }
            }
        }
        found
    }
}

/// The custom properties that these blocks set and some value uses, each from the block of the greatest rank.
fn custom_properties<'b>(
    blocks: &[(u64, &'b [Declaration])],
    variables: &Variables,
) -> HashMap<&'b str, (u64, &'b str)> {
    let mut found: HashMap<&'b str, (u64, &'b str)> = HashMap::new();
    for (rank, declaration) in blocks.iter().flat_map(|(rank, block)| block.iter().map(move |it| (*rank, it)))
    {
        let Declared::Custom(name, value) = &declaration.what else { continue };
        let rank = ranked(rank, declaration);
        if variables.matters(name, value) && found.get(name.as_str()).is_none_or(|(other, _)| *other <= rank)
        {
            found.insert(name, (rank, value));
        }
    }
    found
}

/// The selectors of a rule that is nested in another, or nothing if they are more than any page has.
fn joined(around: &str, nested: &str) -> Option<String> {
    const BYTES_MAX: usize = 8 * 1024;
    let mut list = String::new();
    for outer in divided(around, ',').map(str::trim) {
        for inner in divided(nested, ',').map(str::trim) {
            if !list.is_empty() {
                list.push(',');
            }
            if inner.contains('&') {
                list.push_str(&inner.replace('&', outer));
            } else {
                list.push_str(outer);
                list.push(' ');
                list.push_str(inner);
            }
            if list.len() > BYTES_MAX {
                return None;
            }
        }
    }
    Some(list)
}

/// The text before a block, without the statements before it that end in a semicolon, such as `@import`. In a selector, a
/// semicolon makes the rule invalid (CSS Syntax Module Level 3, "consume a qualified rule").
fn without_statements(before: &str) -> &str {
    let mut rest = before.trim();
    while rest.starts_with('@')
        && let Some(statement) = divided(rest, ';').next()
        && let Some(after) = rest.get(statement.len() + 1..)
    {
        rest = after.trim();
    }
    rest
}

/// The text before the first brace that opens a block, and the text behind it.
fn split_at_brace(text: &str) -> Option<(&str, &str)> {
    let (at, _) = marks(text).find(|(_, c)| *c == '{')?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The length of a block up to the brace that closes it.
fn block_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in marks(text) {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Where a declaration or a block ends last.
fn last_end(text: &str) -> Option<usize> {
    marks(text).filter(|(_, c)| matches!(c, ';' | '}')).last().map(|(at, _)| at)
}

#[cfg(test)]
mod tests;
