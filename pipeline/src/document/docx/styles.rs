//! The styles of a DOCX: which are titles, headings and list items, and which hide their text.

use std::collections::HashMap;

use super::run::Look;
use crate::document::{
    error::DocumentError,
    xml::{Element, Xml, walk},
};

/// A style refers to another; a chain of more than this is a circle or an attack.
const CHAIN_MAX: usize = 16;

/// The meaning of a paragraph's style for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Title,
    /// From 1.
    Heading(u8),
    ListItem,
}

/// The list that a paragraph belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ListRef {
    pub(super) id: Option<String>,
    pub(super) level: Option<usize>,
}

/// A style with all that it inherits.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    pub(super) role: Option<Role>,
    pub(super) list: ListRef,
    pub(super) look: Look,
    parent: Option<String>,
}

/// The styles of a document.
#[derive(Debug, Default)]
pub(super) struct Styles {
    by_id: HashMap<String, Style>,
    /// The style of paragraphs that name none.
    default: Option<String>,
}

impl Styles {
    pub(super) fn get(&self, id: &str) -> Option<&Style> {
        self.by_id.get(id)
    }

    pub(super) fn default_paragraph(&self) -> Option<&Style> {
        self.default.as_ref().and_then(|id| self.by_id.get(id))
    }
}

/// Reads the styles. Ids differ by language, but names do not.
pub(super) fn styles(xml: &str) -> Result<Styles, DocumentError> {
    let mut reading = Styles::default();
    let mut id = String::new();
    let (mut style, mut old_depth, mut in_table_part) = (Style::default(), 0_usize, false);
    walk(xml, |event| match event {
        Xml::Start(element) if element.name.ends_with("Change") => old_depth += 1,
        Xml::End(name) if name.ends_with("Change") => old_depth = old_depth.saturating_sub(1),
        _ if old_depth > 0 => {}
        Xml::Start(element) => match element.name {
            "style" => {
                id = element.attribute("styleId").unwrap_or_default();
                style = Style::default();
                let is_default = element.attribute("default").is_some_and(|it| it == "1" || it == "true");
                if is_default && element.attribute("type").is_some_and(|kind| kind == "paragraph") {
                    reading.default = Some(id.clone());
                }
            }
            // A table's style has other looks for its first row and the like.
            "tblStylePr" => in_table_part = true,
            _ if in_table_part => {}
            _ => property(&mut style, &element),
        },
        Xml::End("style") => {
            reading.by_id.insert(std::mem::take(&mut id), std::mem::take(&mut style));
        }
        Xml::End("tblStylePr") => in_table_part = false,
        _ => {}
    })?;
    inherit(&mut reading.by_id);
    Ok(reading)
}

fn property(style: &mut Style, element: &Element<'_>) {
    match element.name {
        "name" => {
            if let Some(role) = element.attribute("val").and_then(|name| role_of_name(&name)) {
                style.role = Some(role);
            }
        }
        "basedOn" => style.parent = element.attribute("val"),
        "outlineLvl" if style.role.is_none() => style.role = outline_level(element).map(Role::Heading),
        "numId" => style.list.id = element.attribute("val"),
        "ilvl" => style.list.level = element.number("val"),
        _ => style.look.set(element),
    }
}

/// Gives each style what its parents say and it does not.
fn inherit(styles: &mut HashMap<String, Style>) {
    let own = styles.clone();
    for style in styles.values_mut() {
        let mut parent = style.parent.clone();
        for _ in 0..CHAIN_MAX {
            let Some(found) = parent.as_ref().and_then(|id| own.get(id)) else { break };
            // A title's style is often the parent of others.
            style.role = style.role.or(found.role.filter(|role| *role != Role::Title));
            style.list.id = style.list.id.take().or_else(|| found.list.id.clone());
            style.list.level = style.list.level.or(found.list.level);
            style.look = style.look.over(found.look);
            parent = found.parent.clone();
        }
    }
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
    let level: u8 = element.number("val")?;
    (level < 9).then_some(level + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_inherit_and_circles_end() {
        let xml = "<w:styles><w:style w:styleId='a'><w:name w:val='heading 2'/><w:basedOn w:val='b'/></w:style>\
                   <w:style w:styleId='b'><w:basedOn w:val='a'/><w:rPr><w:vanish/></w:rPr></w:style>\
                   <w:style w:styleId='c'><w:basedOn w:val='b'/><w:rPr><w:vanish w:val='0'/></w:rPr></w:style></w:styles>";
        let styles = styles(xml).unwrap();
        let role = |id: &str| styles.get(id).unwrap().role;
        assert_eq!([role("a"), role("b"), role("c")], [Some(Role::Heading(2)); 3]);
        let hidden = |id: &str| styles.get(id).unwrap().look.hidden;
        assert_eq!([hidden("a"), hidden("b"), hidden("c")], [Some(true), Some(true), Some(false)]);
    }
}
