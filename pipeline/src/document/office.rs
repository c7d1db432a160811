//! Shared by DOCX and PPTX: the properties of a document, and the links between its parts.

use std::collections::HashMap;

use super::error::DocumentError;
use super::xml::{Xml, walk};

/// The title in `docProps/core.xml`, unless it is a program's default.
pub(super) fn core_title(xml: &str) -> Result<Option<String>, DocumentError> {
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

/// A link from one part to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relationship {
    /// The last part of its type's URI: `slide`, `notesSlide`.
    pub(super) kind: String,
    /// The linked part's name in the container.
    pub(super) target: String,
}

/// The links of the part `source`, by id.
pub(super) fn relationships(source: &str, xml: &str) -> Result<HashMap<String, Relationship>, DocumentError> {
    let mut relationships = HashMap::new();
    walk(xml, |event| {
        let Xml::Start(element) = event else { return };
        if element.name != "Relationship" || element.attribute("TargetMode").as_deref() == Some("External") {
            return;
        }
        let attributes = (element.attribute("Id"), element.attribute("Type"), element.attribute("Target"));
        if let (Some(id), Some(kind), Some(target)) = attributes {
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            relationships.insert(id, Relationship { kind, target: resolve(source, &target) });
        }
    })?;
    Ok(relationships)
}

/// The part that holds the links of another: `ppt/slides/slide1.xml` → `ppt/slides/_rels/slide1.xml.rels`.
pub(super) fn relationships_part(source: &str) -> String {
    match source.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/_rels/{name}.rels"),
        None => format!("_rels/{source}.rels"),
    }
}

/// The name in the container of a target, which is written relative to the part that names it.
fn resolve(source: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<&str> = source.split('/').collect();
    path.pop();
    for step in target.split('/') {
        match step {
            "." | "" => {}
            ".." => {
                path.pop();
            }
            step => path.push(step),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_resolved_against_their_part() {
        let source = "ppt/slides/slide1.xml";
        assert_eq!(resolve(source, "../notesSlides/notesSlide1.xml"), "ppt/notesSlides/notesSlide1.xml");
        assert_eq!(resolve(source, "/ppt/media/a.png"), "ppt/media/a.png");
        assert_eq!(resolve("ppt/presentation.xml", "slides/slide2.xml"), "ppt/slides/slide2.xml");
        assert_eq!(resolve("a.xml", "../../../b.xml"), "b.xml");
        assert_eq!(relationships_part(source), "ppt/slides/_rels/slide1.xml.rels");
    }

    #[test]
    fn default_titles_are_no_titles() {
        let core =
            |title: &str| format!("<cp:coreProperties><dc:title>{title}</dc:title></cp:coreProperties>");
        assert_eq!(core_title(&core("Field &amp; barn")).unwrap().as_deref(), Some("Field & barn"));
        assert_eq!(core_title(&core("PowerPoint Presentation")).unwrap(), None);
        assert_eq!(core_title(&core(" ")).unwrap(), None);
    }
}
