//! Layers (optional content): which of them a viewer shows when it opens the document.

use std::collections::HashSet;

use hayro_interpret::hayro_syntax::object::{Array, Dict, MaybeRef, Name, Object, ObjectIdentifier};
use hayro_interpret::hayro_syntax::xref::XRef;

/// The most layers of one document. A larger number is no document that people made.
const LAYERS_MAX: usize = 10_000;
/// The deepest nesting of a visibility expression, and the most operands that are looked at.
const EXPRESSION_DEPTH_MAX: usize = 16;
const OPERANDS_MAX: usize = 1_000;

/// The layers that are off.
#[derive(Debug)]
pub(super) struct Layers {
    off: HashSet<ObjectIdentifier>,
    has_any: bool,
    /// Whether what layers say of their use changes nothing. The interpreter does not look at that.
    is_plain: bool,
}

impl Default for Layers {
    /// A document without layers.
    fn default() -> Self {
        Self { off: HashSet::new(), has_any: false, is_plain: true }
    }
}

impl Layers {
    /// Reads the default configuration, and what layers say of their use in a viewer.
    pub(super) fn of(catalog: &Dict<'_>, xref: &XRef) -> Self {
        let Some(properties) = catalog.get::<Dict<'_>>(b"OCProperties".as_slice()) else {
            return Self::default();
        };
        let (mut off, mut is_plain) = (HashSet::new(), true);
        if let Some(config) = properties.get::<Dict<'_>>(b"D".as_slice()) {
            if config.get::<Name<'_>>(b"BaseState".as_slice()).is_some_and(|state| state.as_str() == "OFF") {
                off.extend(references(&properties, b"OCGs"));
            }
            for id in references(&config, b"ON") {
                off.remove(&id);
            }
            off.extend(references(&config, b"OFF"));
            let plain = off.clone();
            for id in viewed(&config) {
                match view_state(xref, id) {
                    Some(true) => drop(off.remove(&id)),
                    Some(false) => drop(off.insert(id)),
                    None => {}
                }
            }
            is_plain = off == plain;
        }
        Self { off, has_any: true, is_plain }
    }

    pub(super) fn off(&self) -> &HashSet<ObjectIdentifier> {
        &self.off
    }

    /// Whether the interpreter knows which layers are off.
    pub(super) fn is_known_to_interpreter(&self) -> bool {
        self.is_plain
    }

    /// Whether a page may hold more than is shown.
    pub(super) fn may_hide(&self) -> bool {
        self.has_any && !self.off.is_empty()
    }

    /// Whether content with these properties is shown: a layer, or a condition on layers.
    pub(super) fn shows(&self, properties: &Dict<'_>) -> bool {
        if !self.has_any {
            return true;
        }
        let kind = properties.get::<Name<'_>>(b"Type".as_slice());
        if kind.is_some_and(|kind| kind.as_str() == "OCMD") {
            return self.condition(properties);
        }
        properties.obj_id().is_none_or(|id| !self.off.contains(&id))
    }

    fn condition(&self, properties: &Dict<'_>) -> bool {
        if let Some(expression) = properties.get::<Array<'_>>(b"VE".as_slice()) {
            let mut left = OPERANDS_MAX;
            return self.expression(&expression, 0, &mut left);
        }
        let mut groups = references(properties, b"OCGs");
        groups.extend(properties.get_ref(b"OCGs".as_slice()).map(ObjectIdentifier::from));
        if groups.is_empty() {
            return true;
        }
        let policy = properties.get::<Name<'_>>(b"P".as_slice());
        let is_on = |id: &ObjectIdentifier| !self.off.contains(id);
        match policy.as_ref().map(Name::as_str) {
            Some("AllOn") => groups.iter().all(is_on),
            Some("AnyOff") => !groups.iter().all(is_on),
            Some("AllOff") => !groups.iter().any(is_on),
            _ => groups.iter().any(is_on),
        }
    }

    fn expression(&self, expression: &Array<'_>, depth: usize, left: &mut usize) -> bool {
        if depth > EXPRESSION_DEPTH_MAX {
            return true;
        }
        let operator = expression.iter::<Object<'_>>().next().and_then(Object::into_name);
        let mut operands = Vec::new();
        for item in expression.raw_iter().skip(1) {
            let Some(remaining) = left.checked_sub(1) else { break };
            *left = remaining;
            operands.push(match item {
                MaybeRef::Ref(id) => !self.off.contains(&id.into()),
                MaybeRef::NotRef(Object::Array(inner)) => self.expression(&inner, depth + 1, left),
                MaybeRef::NotRef(_) => true,
            });
        }
        match operator.as_ref().map(Name::as_str) {
            Some("Not") => !operands.first().copied().unwrap_or(false),
            Some("Or") => operands.is_empty() || operands.contains(&true),
            _ => !operands.contains(&false),
        }
    }
}

/// The layers whose state in a viewer follows from their use: those of an `AS` entry for the event `View`.
fn viewed(config: &Dict<'_>) -> Vec<ObjectIdentifier> {
    let Some(usages) = config.get::<Array<'_>>(b"AS".as_slice()) else { return Vec::new() };
    let mut viewed = Vec::new();
    for usage in usages.iter::<Dict<'_>>().take(OPERANDS_MAX) {
        let event = usage.get::<Name<'_>>(b"Event".as_slice());
        if event.is_some_and(|event| event.as_str() == "View") && viewed.len() < LAYERS_MAX {
            viewed.extend(references(&usage, b"OCGs"));
        }
    }
    viewed
}

/// The state in a viewer that a layer declares.
fn view_state(xref: &XRef, id: ObjectIdentifier) -> Option<bool> {
    let usage = xref.get::<Dict<'_>>(id)?.get::<Dict<'_>>(b"Usage".as_slice())?;
    let state = usage.get::<Dict<'_>>(b"View".as_slice())?.get::<Name<'_>>(b"ViewState".as_slice())?;
    Some(state.as_str() != "OFF")
}

fn references(dict: &Dict<'_>, key: &[u8]) -> Vec<ObjectIdentifier> {
    let array = dict.get::<Array<'_>>(key);
    array
        .iter()
        .flat_map(Array::raw_iter)
        .filter_map(|item| item.as_obj_ref())
        .map(ObjectIdentifier::from)
        .take(LAYERS_MAX)
        .collect()
}
