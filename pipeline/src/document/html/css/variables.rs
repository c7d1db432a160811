//! Custom properties (`--x: none`), and the values that use them (`display: var(--x)`).

use std::collections::{HashMap, HashSet};

/// A longer value of a custom property hides no text: it is a picture or a font.
const VALUE_BYTES_MAX: usize = 200;
/// A value that has become longer is none that is known here. So a property that doubles itself ends soon.
const RESOLVED_BYTES_MAX: usize = 1_000;
/// So many uses are replaced for one value.
const STEPS_MAX: usize = 50;
/// So many elements of a page have custom properties of their own. Design systems set them for some hundred.
const SCOPES_MAX: usize = 20_000;
/// So far outwards a property is looked for.
const SCOPE_DEPTH_MAX: usize = 64;
/// So many names are of interest.
const NAMES_MAX: usize = 5_000;
/// The replacement of a value that cannot be resolved.
const UNSET: &str = "unset";

/// The custom properties of one element, over those that it inherits. Uses in their values are replaced.
#[derive(Debug)]
struct Scope {
    own: HashMap<String, String>,
    around: Option<usize>,
}

/// The custom properties of a page's elements.
#[derive(Debug, Default)]
pub(super) struct Variables {
    scopes: Vec<Scope>,
    /// The names that some value uses. Others need no place.
    used: HashSet<String>,
    is_full: bool,
}

impl Variables {
    /// Takes note of the names that a value uses.
    pub(super) fn note_use(&mut self, value: &str) {
        for rest in value.split("var(").skip(1) {
            let name = rest.split([',', ')']).next().unwrap_or_default().trim();
            if self.used.len() < NAMES_MAX {
                self.used.insert(name.to_owned());
            } else {
                self.is_full = true;
            }
        }
    }

    /// Whether a value of this property may matter.
    pub(super) fn matters(&self, name: &str, value: &str) -> bool {
        value.len() <= VALUE_BYTES_MAX && self.used.contains(name)
    }

    /// Whether a page has more of them than can be kept.
    pub(super) fn is_cut(&self) -> bool {
        self.is_full
    }

    /// The scope of an element with properties of its own, each with its rank. A browser replaces uses where a
    /// property is set, and what lies within inherits the result.
    pub(super) fn within(
        &mut self,
        around: Option<usize>,
        own: &HashMap<&str, (u64, &str)>,
    ) -> Option<usize> {
        let changed = own.iter().filter(|(name, (_, value))| {
            !is_inherited(value) && (value.contains("var(") || self.get(around, name) != Some(*value))
        });
        let written: HashMap<String, String> =
            changed.map(|(name, (_, value))| ((*name).to_owned(), (*value).to_owned())).collect();
        if written.is_empty() {
            return around;
        }
        if self.scopes.len() >= SCOPES_MAX {
            self.is_full = true;
            return around;
        }
        let here = self.scopes.len();
        // The properties of one element use each other, in any order.
        self.scopes.push(Scope { own: written.clone(), around });
        let computed = written.into_iter().map(|(name, value)| (name, self.computed(here, value)));
        let own: HashMap<String, String> =
            computed.filter(|(name, value)| self.get(around, name) != present(value)).collect();
        if own.is_empty() {
            self.scopes.pop();
            return around;
        }
        if let Some(scope) = self.scopes.get_mut(here) {
            scope.own = own;
        }
        Some(here)
    }

    /// The value that a property has where it is set. One that cannot be resolved is as good as taken away.
    fn computed(&self, scope: usize, value: String) -> String {
        if !value.contains("var(") {
            return value;
        }
        let found = self.resolved(Some(scope), &value);
        if found == UNSET { "initial".to_owned() } else { found }
    }

    fn get(&self, scope: Option<usize>, name: &str) -> Option<&str> {
        let mut at = scope;
        for _ in 0..SCOPE_DEPTH_MAX {
            let scope = self.scopes.get(at?)?;
            if let Some(value) = scope.own.get(name) {
                return present(value);
            }
            at = scope.around;
        }
        None
    }

    /// The value with its uses replaced. One that cannot be resolved becomes `unset`, as in a browser.
    pub(super) fn resolved(&self, scope: Option<usize>, value: &str) -> String {
        let mut text = value.to_owned();
        for _ in 0..STEPS_MAX {
            // From outside inwards: a fallback that is not needed may name what does not exist.
            let Some(start) = text.find("var(") else { return text };
            let Some((before, rest)) = text.split_at_checked(start) else { break };
            let Some((inside, after)) = rest.get(4..).and_then(closed) else { break };
            let (name, fallback) = match inside.split_once(',') {
                Some((name, fallback)) => (name, Some(fallback)),
                None => (inside, None),
            };
            let Some(found) = self.get(scope, name.trim()).or(fallback) else { break };
            text = format!("{before}{}{after}", found.trim());
            if text.len() > RESOLVED_BYTES_MAX {
                break;
            }
        }
        UNSET.to_owned()
    }
}

/// Whether a value says that the property is inherited, which it is anyway.
fn is_inherited(value: &str) -> bool {
    ["inherit", "unset", "revert", "revert-layer"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// The value of a property. `initial` takes the property away.
fn present(value: &str) -> Option<&str> {
    Some(value).filter(|value| !value.eq_ignore_ascii_case("initial"))
}

/// The text up to the bracket that closes, and the text after it.
pub(super) fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_replaced_within_limits() {
        let mut variables = Variables::default();
        let doubles = ("--x", (0, "var(--x) var(--x)"));
        let own = [("--a", (0, "none")), ("--b", (0, "var(--a)")), ("--c", (0, "rgb(1, 2, 3)")), doubles];
        let outer = variables.within(None, &HashMap::from(own));
        let inner = variables.within(outer, &HashMap::from([("--a", (0, "block")), ("--c", (0, "initial"))]));
        let same = HashMap::from([("--a", (0, "block"))]);
        assert_eq!(variables.within(inner, &same), inner, "nothing changes");
        let inherited = HashMap::from([("--a", (0, "inherit")), ("--c", (0, "Unset"))]);
        assert_eq!(variables.within(inner, &inherited), inner, "nothing changes");
        let resolved = HashMap::from([("--a", (0, "var(--b, none)")), ("--c", (0, "var(--none)"))]);
        let innermost = variables.within(inner, &resolved);
        assert_eq!(variables.scopes[2].own.len(), 1, "only the first of them changes");
        for (scope, value, resolved) in [
            (outer, "var(--a)", "none"),
            (outer, "var( --b )", "none"),
            (inner, "var(--b)", "none"),
            (outer, "1px var(--c) 2px", "1px rgb(1, 2, 3) 2px"),
            (inner, "var(--c, red)", "red"),
            (innermost, "var(--a)", "none"),
            (innermost, "var(--c, red)", "red"),
            (inner, "var(--none, var(--other, var(--a)))", "block"),
            (outer, "var(--a, var(--none))", "none"),
            (outer, "var(--none)", "unset"),
            (outer, "var(--x)", "unset"),
            (outer, "var(--a", "unset"),
            (None, "none", "none"),
        ] {
            assert_eq!(variables.resolved(scope, value), resolved, "{value}");
        }
    }
}
