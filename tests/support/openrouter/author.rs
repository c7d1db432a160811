//! Writes an instance of a JSON Schema, as a model with a constrained decoder does: the schema that was sent decides the
//! shape; the prompt decides counts, lengths, quotes, ids and entries. Equal requests give equal answers.
//!
//! Source: the guides on structured output that [`super::rules`] names. The decoder enforces the schema that it was
//! given, and bounds that stand in the prompt alone are followed as an instruction is.

use serde_json::{Map, Value, json};

use super::{material::Material, options::Bound, prompt::Prompt, words};

/// References that lead into each other further than this are circular.
const DEPTH_MAX: usize = 24;
/// The items of a list where nothing says how many.
const ITEMS_USUAL: usize = 3;

/// A place in the answer.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The schema that was sent, here.
    sent: &'a Value,
    /// The schema that the prompt states, here.
    stated: Option<&'a Value>,
    /// The property that holds it.
    name: &'a str,
    /// The position within the outermost list.
    item: usize,
    /// The position within the innermost list.
    position: usize,
    depth: usize,
}

/// Bounds that hold at a place.
#[derive(Clone, Copy)]
struct Bounds {
    least: Option<usize>,
    most: Option<usize>,
}

/// Writes one answer.
pub(super) struct Author<'a> {
    sent: &'a Value,
    stated: Option<&'a Value>,
    material: Material<'a>,
    /// The bound that is still to be broken.
    breaks: Option<Bound>,
    seed: usize,
}

impl<'a> Author<'a> {
    pub(super) const fn new(
        sent: &'a Value,
        stated: Option<&'a Value>,
        prompt: &'a Prompt,
        seed: usize,
    ) -> Self {
        Self { sent, stated, material: Material::of(prompt), breaks: None, seed }
    }

    /// Breaks a bound at the first place that has one which is stated only.
    pub(super) const fn breaking(mut self, bound: Option<Bound>) -> Self {
        self.breaks = bound;
        self
    }

    pub(super) fn write(mut self) -> Value {
        let root = Place { sent: self.sent, stated: self.stated, name: "", item: 0, position: 0, depth: 0 };
        self.value(root)
    }

    fn value(&mut self, place: Place<'a>) -> Value {
        if place.depth > DEPTH_MAX {
            return Value::Null;
        }
        let place = Place {
            sent: resolved(self.sent, place.sent),
            stated: place.stated.map(|stated| resolved(self.stated.unwrap_or(stated), stated)),
            ..place
        };
        if let Some(only) = place.sent.get("const") {
            return only.clone();
        }
        if let Some(words) = place.sent["enum"].as_array().filter(|words| !words.is_empty()) {
            return words[(place.item + place.position + self.seed) % words.len()].clone();
        }
        for union in ["anyOf", "oneOf"] {
            if let Some(branches) = place.sent[union].as_array().filter(|branches| !branches.is_empty()) {
                return self.branch(place, branches);
            }
        }
        match self.kind(place) {
            Some("object") => self.object(place),
            Some("array") => self.list(place),
            Some("string") => self.string(place),
            Some(kind @ ("integer" | "number")) => self.number(place, kind == "integer"),
            Some("boolean") => json!((place.item + self.seed).is_multiple_of(2)),
            Some("null") => Value::Null,
            _ => self.anything(place),
        }
    }

    /// The type here; of several, each in turn.
    fn kind(&self, place: Place<'a>) -> Option<&'a str> {
        match &place.sent["type"] {
            Value::String(kind) => Some(kind),
            Value::Array(kinds) if !kinds.is_empty() => kinds[self.turn(place) % kinds.len()].as_str(),
            _ if place.sent.get("properties").is_some() => Some("object"),
            _ => None,
        }
    }

    /// A number that is another at the next item, and at the next property of the same item.
    fn turn(&self, place: Place<'a>) -> usize {
        place.item + place.position + self.seed + place.name.len()
    }

    fn branch(&mut self, place: Place<'a>, branches: &'a [Value]) -> Value {
        let sent = &branches[self.turn(place) % branches.len()];
        let stated = place.stated.map(|stated| {
            let same = |branch: &&Value| branch["type"] == sent["type"];
            let branches = stated["anyOf"].as_array().or_else(|| stated["oneOf"].as_array());
            branches.into_iter().flatten().find(same).unwrap_or(stated)
        });
        self.value(Place { sent, stated, depth: place.depth + 1, ..place })
    }

    fn object(&mut self, place: Place<'a>) -> Value {
        let Some(properties) = place.sent["properties"].as_object() else { return json!({}) };
        let quote = (properties.contains_key("quote") && properties.contains_key("page"))
            .then(|| self.material.quote(place.item + place.position))
            .flatten();
        let link = (properties.contains_key("field") && properties.contains_key("entry"))
            .then(|| self.entry(&properties["field"], place))
            .flatten();
        let mut fields = Map::new();
        for (name, sent) in properties {
            let stated =
                place.stated.map(|stated| &stated["properties"][name]).filter(|stated| stated.is_object());
            let inner = Place { sent, stated, name, depth: place.depth + 1, ..place };
            let value = match (name.as_str(), &quote, &link) {
                ("page", Some(quote), _) if self.breaks != Some(Bound::TooLarge) => json!(quote.page),
                ("quote", Some(quote), _) => json!(self.clipped(inner, &quote.text)),
                ("field", _, Some((field, _))) => field.clone(),
                ("entry", _, Some((_, entry))) => json!(self.clipped(inner, entry)),
                _ => self.value(inner),
            };
            fields.insert(name.clone(), value);
        }
        Value::Object(fields)
    }

    fn list(&mut self, place: Place<'a>) -> Value {
        let items = resolved(self.sent, &place.sent["items"]);
        let bounds = self.bounds(place, "minItems", "maxItems");
        let ids = if items["type"] == "string" { self.material.references(place.name) } else { Vec::new() };
        let count = match self.broken_count(place) {
            Some(count) => count,
            None => self.count(place, items, bounds, &ids),
        };
        let stated = place.stated.map(|stated| &stated["items"]).filter(|stated| stated.is_object());
        let values = (0..count).map(|position| {
            if let Some(id) = (!ids.is_empty()).then(|| &ids[(place.item + position) % ids.len()]) {
                return json!(id);
            }
            let item = if place.depth <= 1 { position } else { place.item };
            self.value(Place { sent: items, stated, item, position, depth: place.depth + 1, ..place })
        });
        Value::Array(values.collect())
    }

    /// How many items an honest answer has.
    fn count(&mut self, place: Place<'a>, items: &Value, bounds: Bounds, ids: &[String]) -> usize {
        let (least, most) = (bounds.least.unwrap_or(1), bounds.most.unwrap_or(usize::MAX));
        let wanted = if items["type"] == "string" {
            // Lists that may be empty are, at every other item.
            let usual = if least == 0 { place.item % 2 } else { ITEMS_USUAL };
            if ids.is_empty() { usual } else { 1 }
        } else if items["properties"].get("quote").is_some() {
            1
        } else if place.depth > 1 {
            2
        } else if holds_quotes(items) {
            // The document carries no more.
            self.material.quotes().len().min(ITEMS_USUAL)
        } else if least >= ITEMS_USUAL && most < usize::MAX {
            most
        } else {
            ITEMS_USUAL
        };
        wanted.clamp(least.min(most), most)
    }

    fn string(&mut self, place: Place<'a>) -> Value {
        let bounds = self.bounds(place, "minLength", "maxLength");
        let stated_only = self.stated_only(place, "maxLength");
        if let (Some(Bound::TooLong), Some(most)) = (self.breaks, stated_only) {
            self.breaks = None;
            return json!(words::text(self.turn(place), "the same again", most + 1, most + 80));
        }
        let is_demanded = self.stated_only(place, "minLength").is_some_and(|least| least > 0);
        if self.breaks == Some(Bound::Empty) && is_demanded {
            self.breaks = None;
            return json!("");
        }
        let (least, most) = (bounds.least.unwrap_or(1), bounds.most.unwrap_or(400));
        if most <= 12 {
            // An identifier that nothing in the prompt gives.
            let initial = place.name.chars().next().unwrap_or('x').to_ascii_uppercase();
            return json!(words::text(0, &format!("{initial}{}", place.position + 1), least, most));
        }
        let about = self.subject(place);
        json!(words::text(self.turn(place), &about, least, most))
    }

    /// The subject of an item: its quote's words, or a routine and the brand that takes it up.
    fn subject(&mut self, place: Place<'a>) -> String {
        let is_grounded = place.name == "title" || place.name == "name";
        let quote = if is_grounded {
            self.material.quote(place.item).map(|quote| words::topic(&quote.text))
        } else {
            None
        };
        if let Some(topic) = quote.filter(|topic| !topic.is_empty()) {
            return format!("on {topic}");
        }
        let subject = words::subject(place.item + place.position + self.seed);
        let brand = self.material.objects().iter().find_map(|object| object["brand_name"].as_str());
        brand.map_or_else(|| subject.to_owned(), |brand| format!("{subject} of {brand}"))
    }

    fn number(&mut self, place: Place<'a>, is_whole: bool) -> Value {
        if let (Some(Bound::TooLarge), Some(most)) = (self.breaks, self.stated_only(place, "maximum")) {
            self.breaks = None;
            return json!(most + 1);
        }
        let least = self.bounds(place, "minimum", "maximum").least.unwrap_or(1);
        if is_whole { json!(least) } else { json!(f64::from(u32::try_from(least).unwrap_or(1))) }
    }

    /// A node without a type takes anything: a model writes a word that the task names.
    fn anything(&self, place: Place<'a>) -> Value {
        let words = self.material.words_of(place.name);
        if words.is_empty() {
            json!("anything")
        } else {
            json!(words[(place.item + self.seed) % words.len()])
        }
    }

    /// Both bounds, as sent or as stated, whichever is narrower.
    fn bounds(&self, place: Place<'a>, least: &str, most: &str) -> Bounds {
        let of = |schema: Option<&Value>, key: &str| {
            let bound = schema.and_then(|schema| schema[key].as_u64());
            bound.and_then(|bound| usize::try_from(bound).ok())
        };
        Bounds {
            least: of(Some(place.sent), least).max(of(place.stated, least)),
            most: of(Some(place.sent), most).into_iter().chain(of(place.stated, most)).min(),
        }
    }

    /// A bound that the prompt states and the decoder does not enforce.
    fn stated_only(&self, place: Place<'a>, key: &str) -> Option<usize> {
        let is_enforced = !self.is_free() && place.sent.get(key).is_some();
        let bound = place.stated.filter(|_| !is_enforced)?[key].as_u64()?;
        usize::try_from(bound).ok()
    }

    /// Whether no decoder enforces anything: the schema stands in the prompt alone.
    fn is_free(&self) -> bool {
        self.stated.is_some_and(|stated| std::ptr::eq(stated, self.sent))
    }

    fn broken_count(&mut self, place: Place<'a>) -> Option<usize> {
        let count = match self.breaks? {
            Bound::TooManyItems => self.stated_only(place, "maxItems")? + 1,
            Bound::NoItems => self.stated_only(place, "minItems").filter(|least| *least > 0).map(|_| 0)?,
            _ => return None,
        };
        self.breaks = None;
        Some(count)
    }

    /// A list of the material that `field` may name, and an entry of it.
    fn entry(&mut self, field: &'a Value, place: Place<'a>) -> Option<(Value, String)> {
        let words = resolved(self.sent, field)["enum"].as_array()?;
        self.material.entry(words, place.position, place.item)
    }

    fn clipped(&self, place: Place<'a>, text: &str) -> String {
        text.chars().take(self.bounds(place, "minLength", "maxLength").most.unwrap_or(usize::MAX)).collect()
    }
}

/// The schema that a reference leads to, or the schema itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn holds_quotes(schema: &Value) -> bool {
    let properties = schema["properties"].as_object();
    properties.into_iter().flatten().any(|(name, inner)| name == "quote" || holds_quotes(&inner["items"]))
}
