//! The footnotes and endnotes of a DOCX.

use std::collections::HashMap;

use crate::document::{
    error::DocumentError,
    xml::{Xml, walk},
};

/// Reads the texts of the notes, by kind and id.
pub(super) fn read_notes(
    xml: &str,
    element: &str,
    notes: &mut HashMap<String, String>,
) -> Result<(), DocumentError> {
    let mut current: Option<(String, String)> = None;
    let mut in_text = false;
    walk(xml, |event| match event {
        Xml::Start(start) if start.name == element => {
            // Separators are notes as well, but have a type.
            current = match (start.attribute("type"), start.attribute("id")) {
                (None, Some(id)) => Some((format!("{element} {id}"), String::new())),
                _ => None,
            };
        }
        Xml::End(name) if name == element => notes.extend(current.take()),
        Xml::Start(start) => {
            in_text = start.name == "t";
            if matches!(start.name, "p" | "tab" | "br")
                && let Some((_, text)) = &mut current
            {
                text.push(' ');
            }
        }
        Xml::Text(text) => {
            if in_text && let Some((_, note)) = &mut current {
                note.push_str(text);
            }
        }
        Xml::End(_) => in_text = false,
    })
}
