//! XML of Office files, read event by event. There is no tree, no declaration of entities, and no entity but
//! XML's own five.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::error::DocumentError;

/// Office files nest about 30 deep; tables in tables a little more.
const DEPTH_MAX: usize = 512;

/// An event of the reader. Names have no namespace prefix.
pub(super) enum Xml<'e> {
    Start(Element<'e>),
    End(&'e str),
    Text(&'e str),
}

/// An element's start.
pub(super) struct Element<'e> {
    pub(super) name: &'e str,
    start: &'e BytesStart<'e>,
}

impl Element<'_> {
    /// The value of the attribute with this local name.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self
            .start
            .attributes()
            .with_checks(false)
            .flatten()
            .find(|attribute| local(attribute.key.as_ref()) == name)?;
        attribute.normalized_value(quick_xml::XmlVersion::default()).ok().map(std::borrow::Cow::into_owned)
    }

    /// Like [`Self::attribute`], of the names with a prefix only: `r:id` beside `id`, whatever the prefix is.
    pub(super) fn prefixed_attribute(&self, name: &str) -> Option<String> {
        let attribute = self.start.attributes().with_checks(false).flatten().find(|attribute| {
            attribute.key.as_ref().split_once(':').is_some_and(|(_, local)| local == name)
        })?;
        attribute.normalized_value(quick_xml::XmlVersion::default()).ok().map(std::borrow::Cow::into_owned)
    }

    /// The name with its prefix: `svg:title` beside `text:title`.
    pub(super) fn qualified_name(&self) -> String {
        self.start.name().as_ref().to_owned()
    }

    /// The number in the attribute with this local name.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.attribute(name)?.trim().parse().ok()
    }

    /// The value of a switch of Office: its element alone means yes.
    pub(super) fn is_on(&self) -> bool {
        self.attribute("val").is_none_or(|value| !matches!(value.as_str(), "0" | "false" | "off" | "none"))
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Calls `on` with every event, in order. An empty element counts as a start and an end.
pub(super) fn walk(xml: &str, mut on: impl FnMut(Xml<'_>)) -> Result<(), DocumentError> {
    let mut reader = Reader::from_str(xml);
    let mut depth = 0_usize;
    loop {
        let event = reader.read_event().map_err(|_| damaged("its XML is not well-formed"))?;
        match event {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(damaged("its XML is nested too deeply"));
                }
                on(Xml::Start(Element { name: local(start.name().as_ref()), start: &start }));
            }
            Event::Empty(start) => {
                on(Xml::Start(Element { name: local(start.name().as_ref()), start: &start }));
                on(Xml::End(local(start.name().as_ref())));
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                on(Xml::End(local(end.name().as_ref())));
            }
            Event::Text(text) => on(Xml::Text(&text.xml10_content())),
            Event::CData(text) => on(Xml::Text(&text.xml10_content())),
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Some(c),
                    _ => predefined(&reference.xml10_content()),
                };
                if let Some(c) = character {
                    on(Xml::Text(c.encode_utf8(&mut [0; 4])));
                }
            }
            // An attacker declares entities to make a reader fetch or multiply something. A document type
            // without declarations does nothing, and some programs write one.
            Event::DocType(doctype) if doctype.xml10_content().contains('[') => {
                return Err(damaged("its XML declares a document type of its own, which is not allowed"));
            }
            Event::DocType(_) => {}
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if depth > 0 => return Err(damaged("its XML breaks off")),
            Event::Eof => return Ok(()),
        }
    }
}

/// The local name of the first element.
pub(super) fn root_name(xml: &str) -> Option<String> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) => {
                return Some(local(start.name().as_ref()).to_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn predefined(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

fn damaged(reason: &str) -> DocumentError {
    DocumentError::Corrupt(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(xml: &str) -> Result<String, DocumentError> {
        let mut seen = String::new();
        walk(xml, |event| match event {
            Xml::Start(element) => {
                seen.push_str(&format!("<{} {:?}>", element.name, element.attribute("val")));
            }
            Xml::End(name) => seen.push_str(&format!("</{name}>")),
            Xml::Text(text) => seen.push_str(text),
        })?;
        Ok(seen)
    }

    #[test]
    fn events_come_in_order_with_entities_resolved() {
        assert_eq!(
            seen(r#"<w:p w:val="a&amp;b">x &lt; y&#8211;z<w:br/></w:p>"#).unwrap(),
            "<p Some(\"a&b\")>x < y\u{2013}z<br None></br></p>"
        );
    }

    #[test]
    fn document_types_and_deep_nesting_are_refused() {
        let expands = r#"<!DOCTYPE x [<!ENTITY e "boom">]><x>&e;</x>"#;
        assert!(
            matches!(seen(expands), Err(DocumentError::Corrupt(reason)) if reason.contains("document type"))
        );
        assert_eq!(seen("<!DOCTYPE x SYSTEM 'x.dtd'><x>a</x>").unwrap(), "<x None>a</x>");
        assert!(matches!(seen("<x>a"), Err(DocumentError::Corrupt(reason)) if reason.contains("breaks off")));
        assert_eq!(root_name("<?xml version='1.0'?>\n<w:document>").as_deref(), Some("document"));
        assert!(matches!(seen(&"<a>".repeat(600)), Err(DocumentError::Corrupt(_))));
        assert_eq!(seen("<x>&unknown;</x>").unwrap(), "<x None></x>");
    }
}
