//! Style sheets within the page: simple selectors, in the order of the cascade.

use std::collections::HashMap;

use super::value::{Declaration, PROPERTIES, Property, Value, declarations};
use crate::document::html::page::Page;

/// A page with more rules that matter is no page.
const RULES_MAX: usize = 20_000;
/// So many comparisons of an element with a selector are made for one page. A page with a thousand rules and ten thousand
/// elements takes a tenth of them.
const COMPARISONS_MAX: usize = 5_000_000;
/// So far up an ancestor is looked for.
const ANCESTORS_MAX: usize = 64;

/// The declarations that hold for an element, each with its rank in the cascade.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::document::html) struct Style([Option<(u64, Value)>; PROPERTIES]);

impl Style {
    pub(in crate::document::html) fn get(&self, property: Property) -> Option<Value> {
        self.0.get(property as usize).copied().flatten().map(|(_, value)| value)
    }

    pub(in crate::document::html) fn is(&self, property: Property) -> bool {
        self.get(property) == Some(Value::Yes)
    }

    fn apply(&mut self, rank: u64, declarations: &[Declaration]) {
        for (property, value, important) in declarations {
            let rank = rank | (u64::from(*important) << 62);
            if let Some(slot) = self.0.get_mut(*property as usize)
                && slot.is_none_or(|(other, _)| other <= rank)
            {
                *slot = Some((rank, *value));
            }
        }
    }
}

#[derive(Debug, Default)]
struct Compound {
    name: String,
    id: String,
    classes: Vec<String>,
    /// `[hidden]`, `[role=dialog]`.
    attributes: Vec<(String, Option<String>)>,
}

#[derive(Debug)]
struct Rule {
    /// From the element itself outwards, each with whether it is the direct parent of the one before.
    selector: Vec<(Compound, bool)>,
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
    comparisons: usize,
    is_full: bool,
}

impl Rules {
    /// Whether the page has more rules than can be applied, so that text which they hide may count as seen.
    pub(in crate::document::html) fn is_cut(&self) -> bool {
        self.is_full || self.comparisons > COMPARISONS_MAX
    }

    /// Adds a style sheet.
    pub(in crate::document::html) fn add(&mut self, sheet: &str) {
        let sheet = without_comments(sheet);
        self.block(&sheet, 0);
    }

    fn block(&mut self, sheet: &str, depth: usize) {
        const DEPTH_MAX: usize = 4;
        let mut rest = sheet;
        while let Some((prelude, after)) = rest.split_once('{') {
            let prelude = prelude.rsplit([';', '}']).next().unwrap_or_default().trim();
            let length = block_length(after);
            let body = after.get(..length).unwrap_or_default();
            rest = after.get(length + 1..).unwrap_or_default();
            if let Some(at_rule) = prelude.strip_prefix('@') {
                if depth < DEPTH_MAX && holds_on_screen(&at_rule.to_ascii_lowercase()) {
                    self.block(body, depth + 1);
                }
            } else {
                self.rule(prelude, body);
            }
        }
    }

    fn rule(&mut self, selectors: &str, body: &str) {
        let declarations = declarations(body);
        if declarations.is_empty() {
            return;
        }
        self.blocks.push(declarations);
        for text in selectors.split(',') {
            let Some(selector) = selector(text) else { continue };
            if self.rules.len() >= RULES_MAX {
                self.is_full = true;
                return;
            }
            let Some((innermost, _)) = selector.first() else { continue };
            let key = if !innermost.id.is_empty() {
                format!("#{}", innermost.id)
            } else if let Some(class) = innermost.classes.first() {
                format!(".{class}")
            } else {
                innermost.name.clone()
            };
            let parts = selector.iter().map(|(part, _)| part);
            let (ids, classes, names) = parts.fold((0_u64, 0_u64, 0_u64), |(ids, classes, names), part| {
                let of_class = part.classes.len() + part.attributes.len();
                (
                    ids + u64::from(!part.id.is_empty()),
                    classes + of_class as u64,
                    names + u64::from(!part.name.is_empty()),
                )
            });
            let order = self.rules.len() as u64;
            let rank = (ids.min(255) << 40) | (classes.min(255) << 32) | (names.min(255) << 24) | order;
            self.by_key.entry(key).or_default().push(self.rules.len());
            self.rules.push(Rule { selector, rank, declarations: self.blocks.len() - 1 });
        }
    }

    /// The style of an element, by the rules and by its own attribute.
    pub(in crate::document::html) fn style(&mut self, page: &Page, element: usize) -> Style {
        let mut style = Style::default();
        if page.attribute(element, "hidden").is_some_and(|value| value != "until-found") {
            style.apply(0, &[(Property::NoBox, Value::Yes, false)]);
        }
        if !self.rules.is_empty() {
            let classes = page.attribute(element, "class").unwrap_or_default().split_whitespace();
            let id = page.attribute(element, "id").filter(|id| !id.is_empty()).map(|id| format!("#{id}"));
            let mut keys: Vec<String> = classes.take(64).map(|class| format!(".{class}")).collect();
            keys.extend(id);
            keys.push(page.name(element).to_owned());
            keys.push(String::new());
            for key in keys {
                self.apply_rules(&key, page, element, &mut style);
            }
        }
        if let Some(own) = page.attribute(element, "style") {
            style.apply(1 << 61, &declarations(own));
        }
        style
    }

    fn apply_rules(&mut self, key: &str, page: &Page, element: usize, style: &mut Style) {
        let Some(rules) = self.by_key.get(key) else { return };
        for rule in rules.iter().filter_map(|index| self.rules.get(*index)) {
            if self.comparisons > COMPARISONS_MAX {
                return;
            }
            if matches(page, element, &rule.selector, &mut self.comparisons) {
                style.apply(rule.rank, self.blocks.get(rule.declarations).map_or(&[], Vec::as_slice));
            }
        }
    }
}

fn matches(page: &Page, element: usize, selector: &[(Compound, bool)], comparisons: &mut usize) -> bool {
    let mut parts = selector.iter();
    let Some((innermost, first_is_parent)) = parts.next() else { return false };
    let mut is_parent = *first_is_parent;
    *comparisons += 1;
    if !is_match(page, element, innermost) {
        return false;
    }
    let mut at = element;
    for (part, next_is_parent) in parts {
        let mut found = false;
        for _ in 0..ANCESTORS_MAX {
            let parent = page.parent(at);
            if parent == at {
                break;
            }
            at = parent;
            *comparisons += 1;
            found = is_match(page, at, part);
            if found || is_parent {
                break;
            }
        }
        if !found {
            return false;
        }
        is_parent = *next_is_parent;
    }
    true
}

fn is_match(page: &Page, element: usize, part: &Compound) -> bool {
    let classes = page.attribute(element, "class").unwrap_or_default();
    (part.name.is_empty() || part.name == page.name(element))
        && (part.id.is_empty() || page.attribute(element, "id") == Some(&part.id))
        && part.classes.iter().all(|class| classes.split_whitespace().any(|other| other == class))
        && part.attributes.iter().all(|(name, value)| match (page.attribute(element, name), value) {
            (Some(found), Some(value)) => found == value,
            (found, None) => found.is_some(),
            (None, _) => false,
        })
}

/// A selector from its innermost part outwards. `None` if it depends on a state, a sibling, or anything else that a page
/// without a reader does not show.
fn selector(text: &str) -> Option<Vec<(Compound, bool)>> {
    const PARTS_MAX: usize = 16;
    let spaced = text.replace('>', " > ");
    let mut parts: Vec<(Compound, bool)> = Vec::new();
    let mut is_parent = false;
    if spaced.split_whitespace().nth(PARTS_MAX).is_some() {
        return None;
    }
    for word in spaced.split_whitespace().rev() {
        if word == ">" {
            if let Some(last) = parts.last_mut() {
                last.1 = true;
            }
            is_parent = true;
            continue;
        }
        is_parent = false;
        parts.push((compound(word)?, false));
    }
    (!parts.is_empty() && !is_parent).then_some(parts)
}

fn compound(word: &str) -> Option<Compound> {
    if word.contains([':', '+', '~', '|', '\\', '&', '%']) {
        return None;
    }
    let mut part = Compound::default();
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| matches!(c, '.' | '#' | '['))
            .map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        if let Some(class) = piece.strip_prefix('.') {
            part.classes.push(class.to_owned());
        } else if let Some(id) = piece.strip_prefix('#') {
            part.id = id.to_owned();
        } else if let Some(attribute) = piece.strip_prefix('[') {
            let attribute = attribute.strip_suffix(']')?;
            let (name, value) = match attribute.split_once('=') {
                Some((name, value)) => (name, Some(value.trim_matches(['"', '\'']).to_owned())),
                None => (attribute, None),
            };
            part.attributes.push((name.to_ascii_lowercase(), value));
        } else if piece != "*" {
            part.name = piece.to_ascii_lowercase();
        }
    }
    Some(part)
}

/// The length of a block up to the brace that closes it.
fn block_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn holds_on_screen(at_rule: &str) -> bool {
    match at_rule.strip_prefix("media") {
        Some(query) => matches!(query.trim(), "screen" | "all" | "only screen" | "screen, print" | ""),
        None => at_rule.starts_with("layer"),
    }
}

fn without_comments(sheet: &str) -> String {
    let mut out = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    // Old pages hide their style sheets from older browsers.
    out.replace("<!--", "").replace("-->", "")
}
