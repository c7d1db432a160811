//! A package of linked parts. Each part names the parts that it needs, and only these links count: programs
//! differ in how they name a part.

use std::collections::BTreeMap;

use super::properties::core_title;
use crate::document::{
    archive::{self, Archive},
    error::DocumentError,
    format::Format,
    xml::{Xml, root_name, walk},
};

/// Links of one part. A slide links tens of parts, and a book of 2,000 slides as many.
const LINKS_MAX: usize = 20_000;

/// A link from one part to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::document) struct Relationship {
    /// The last part of its type's URI: `slide`, `notesSlide`.
    pub(in crate::document) kind: String,
    /// The linked part's name in the container.
    pub(in crate::document) target: String,
}

/// The links of a part, by id.
#[derive(Debug, Default)]
pub(in crate::document) struct Relationships(BTreeMap<String, Relationship>);

impl Relationships {
    pub(in crate::document) fn target(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(|link| link.target.as_str())
    }

    /// The ids and targets of the links of a kind.
    pub(in crate::document) fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(move |(_, link)| link.kind.eq_ignore_ascii_case(kind))
            .map(|(id, link)| (id.as_str(), link.target.as_str()))
    }

    pub(in crate::document) fn first(&self, kind: &str) -> Option<&str> {
        self.of_kind(kind).next().map(|(_, target)| target)
    }

    /// Whether the part has lost its links, or has none.
    pub(in crate::document) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An opened package.
pub(in crate::document) struct Package<'b> {
    pub(in crate::document) archive: Archive<'b>,
    /// Of parts that could not be read, and without which the document is sound.
    pub(in crate::document) warnings: Vec<String>,
}

impl<'b> Package<'b> {
    pub(in crate::document) fn open(bytes: &'b [u8]) -> Result<Self, DocumentError> {
        Ok(Self { archive: Archive::open(bytes)?, warnings: Vec::new() })
    }

    /// The name of the part that holds the document.
    pub(in crate::document) fn main_part(&mut self) -> Result<String, DocumentError> {
        main_part(&mut self.archive)
            .ok_or_else(|| DocumentError::Corrupt("its main part is missing".to_owned()))
    }

    /// The links of a part. A part without any has none, and damaged ones are a warning.
    pub(in crate::document) fn relationships(&mut self, source: &str) -> Relationships {
        let xml = self.side_part(&relationships_part(source), "a list of links");
        let links = xml.map(|xml| relationships(source, &xml)).transpose();
        self.sound(links, "a list of links").flatten().unwrap_or_default()
    }

    /// The text of a part without which the document is sound; a warning names it if it cannot be read.
    pub(in crate::document) fn side_part(&mut self, name: &str, what: &str) -> Option<String> {
        let read = self.archive.read(name);
        self.sound(read, what).flatten()
    }

    /// The value; or a warning that a part could not be read.
    pub(in crate::document) fn sound<T>(
        &mut self,
        result: Result<T, DocumentError>,
        what: &str,
    ) -> Option<T> {
        if result.is_err() {
            self.warn(format!("A part of the file is damaged and was not read: {what}."));
        }
        result.ok()
    }

    /// Adds a warning once.
    pub(in crate::document) fn warn(&mut self, warning: String) {
        const WARNINGS_MAX: usize = 50;
        if self.warnings.len() < WARNINGS_MAX && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The title in the document's properties.
    pub(in crate::document) fn title(&mut self) -> Option<String> {
        let links = self.relationships("");
        let name = links.first("core-properties").unwrap_or("docProps/core.xml").to_owned();
        let xml = self.side_part(&name, "the document's properties")?;
        let title = core_title(&xml);
        self.sound(title, "the document's properties").flatten()
    }
}

/// The format of a package, or `None` if the container is no package that holds a document.
pub(in crate::document) fn format(archive: &mut Archive<'_>) -> Result<Option<Format>, DocumentError> {
    let Some(main) = main_part(archive) else { return Ok(None) };
    let root = archive.read_start(&main).and_then(|start| root_name(&start));
    let known = |word: &str| main.to_lowercase().contains(word);
    match root.as_deref() {
        Some("document") => Ok(Some(Format::Docx)),
        Some("presentation") => Ok(Some(Format::Pptx)),
        Some("workbook") => Ok(Some(Format::Xlsx)),
        _ if known("workbook.bin") => Err(DocumentError::Unsupported(
            "it is a binary Excel workbook (.xlsb); save it as .xlsx".to_owned(),
        )),
        // The part is damaged, and its reader says how.
        _ if known("word/") => Ok(Some(Format::Docx)),
        _ if known("ppt/") => Ok(Some(Format::Pptx)),
        _ if known("xl/") => Ok(Some(Format::Xlsx)),
        _ => Ok(None),
    }
}

/// The main part: the package's own links name it. Without usable links, one of the usual names.
fn main_part(archive: &mut Archive<'_>) -> Option<String> {
    let links = archive.read("_rels/.rels").ok().flatten();
    let links = links.and_then(|xml| relationships("", &xml).ok()).unwrap_or_default();
    let linked = links.of_kind("officeDocument").map(|(_, target)| target.to_owned()).collect::<Vec<_>>();
    let usual = ["word/document.xml", "ppt/presentation.xml", "xl/workbook.xml", "xl/workbook.bin"];
    linked.into_iter().chain(usual.map(str::to_owned)).find(|name| archive.contains(name))
}

/// The links of the part `source`, by id.
fn relationships(source: &str, xml: &str) -> Result<Relationships, DocumentError> {
    let mut links = BTreeMap::new();
    walk(xml, |event| {
        let Xml::Start(element) = event else { return };
        if element.name != "Relationship"
            || links.len() >= LINKS_MAX
            || element.attribute("TargetMode").is_some_and(|mode| mode.eq_ignore_ascii_case("external"))
        {
            return;
        }
        let attributes = (element.attribute("Id"), element.attribute("Type"), element.attribute("Target"));
        if let (Some(id), Some(kind), Some(target)) = attributes {
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            links.insert(id, Relationship { kind, target: resolve(source, &target) });
        }
    })?;
    Ok(Relationships(links))
}

/// The part that holds the links of another: `ppt/slides/slide1.xml` → `ppt/slides/_rels/slide1.xml.rels`.
fn relationships_part(source: &str) -> String {
    match source.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/_rels/{name}.rels"),
        None => format!("_rels/{source}.rels"),
    }
}

/// The name in the container of a target, which is written relative to the part that names it.
fn resolve(source: &str, target: &str) -> String {
    archive::resolved(source, &target.replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::archive::tests::zip;

    #[test]
    fn targets_are_resolved_against_their_part() {
        let source = "ppt/slides/slide1.xml";
        assert_eq!(resolve(source, "../notesSlides/notesSlide1.xml"), "ppt/notesSlides/notesSlide1.xml");
        assert_eq!(resolve(source, "/ppt/media/a.png"), "ppt/media/a.png");
        assert_eq!(resolve("ppt/presentation.xml", "slides\\slide2.xml"), "ppt/slides/slide2.xml");
        assert_eq!(resolve("a.xml", "../../../b.xml"), "b.xml");
        assert_eq!(relationships_part(source), "ppt/slides/_rels/slide1.xml.rels");
    }

    fn rels(target: &str) -> String {
        format!(
            "<Relationships><Relationship Id='a' Type='http://purl.oclc.org/ooxml/officeDocument/relationships/\
             officeDocument' Target='{target}'/></Relationships>"
        )
    }

    #[test]
    fn links_and_not_names_find_the_main_part() {
        let bytes = zip(&[
            ("_rels/.rels", rels("/content/Main.XML").as_bytes()),
            ("content/main.xml", b"<p:presentation/>"),
            ("word/document.xml", b"<w:document/>"),
        ]);
        let mut package = Package::open(&bytes).unwrap();
        assert_eq!(package.main_part().unwrap(), "content/Main.XML");
        assert_eq!(format(&mut package.archive).unwrap(), Some(Format::Pptx));
    }

    #[test]
    fn broken_links_leave_the_usual_names() {
        let bytes = zip(&[("_rels/.rels", b"<Relationships><"), ("xl/workbook.xml", b"<workbook/>")]);
        let mut package = Package::open(&bytes).unwrap();
        assert_eq!(package.main_part().unwrap(), "xl/workbook.xml");
        assert_eq!(format(&mut package.archive).unwrap(), Some(Format::Xlsx));
        assert!(package.title().is_none());
        assert_eq!(package.warnings.len(), 1);
    }
}
