//! The styles of a DOCX: which are titles, headings and list items.

use std::collections::HashMap;

use crate::document::{
    error::DocumentError,
    xml::{Element, Xml, walk},
};

/// The meaning of a paragraph's style for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Title,
    /// From 1.
    Heading(u8),
    ListItem,
}

/// The roles of the document's styles by id. Ids differ by language, but names do not.
pub(super) fn styles(xml: &str) -> Result<HashMap<String, Role>, DocumentError> {
    let mut styles = HashMap::new();
    let mut id = String::new();
    walk(xml, |event| {
        let Xml::Start(element) = event else { return };
        match element.name {
            "style" => id = element.attribute("styleId").unwrap_or_default(),
            "name" => {
                if let Some(role) = element.attribute("val").and_then(|name| role_of_name(&name)) {
                    styles.insert(id.clone(), role);
                }
            }
            "outlineLvl" => {
                if let Some(level) = outline_level(&element) {
                    styles.entry(id.clone()).or_insert(Role::Heading(level));
                }
            }
            _ => {}
        }
    })?;
    Ok(styles)
}

fn role_of_name(name: &str) -> Option<Role> {
    let name = name.to_lowercase();
    if name == "title" {
        return Some(Role::Title);
    }
    if name.starts_with("list bullet") || name.starts_with("list number") {
        return Some(Role::ListItem);
    }
    let level = name.strip_prefix("heading ")?.parse().ok()?;
    Some(Role::Heading(level))
}

/// The level of a heading, from 1. Outline levels 0 to 8 are headings, and 9 is body text.
pub(super) fn outline_level(element: &Element<'_>) -> Option<u8> {
    let level: u8 = element.attribute("val")?.parse().ok()?;
    (level < 9).then_some(level + 1)
}
