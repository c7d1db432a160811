//! The properties of a document.

use crate::document::{
    error::DocumentError,
    xml::{Xml, walk},
};

/// The title in a part of properties, unless it is a program's default.
pub(in crate::document) fn core_title(xml: &str) -> Result<Option<String>, DocumentError> {
    let mut title = String::new();
    let mut in_title = false;
    walk(xml, |event| match event {
        Xml::Start(element) => in_title = element.name == "title",
        Xml::End(_) => in_title = false,
        Xml::Text(text) if in_title => title.push_str(text),
        Xml::Text(_) => {}
    })?;
    let title = title.trim();
    let default = ["powerpoint pr", "word document", "untitled", "slide 1"];
    let lower = title.to_lowercase();
    let sensible = !title.is_empty() && !default.iter().any(|start| lower.starts_with(start));
    Ok(sensible.then(|| title.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_titles_are_no_titles() {
        let core =
            |title: &str| format!("<cp:coreProperties><dc:title>{title}</dc:title></cp:coreProperties>");
        assert_eq!(core_title(&core("Field &amp; barn")).unwrap().as_deref(), Some("Field & barn"));
        assert_eq!(core_title(&core("PowerPoint Presentation")).unwrap(), None);
        assert_eq!(core_title(&core(" ")).unwrap(), None);
    }
}
