//! Reads EPUB books: chapters in the order of the book's spine, each a page, with the names of its contents.

mod package;
mod styles;

use std::collections::{HashMap, HashSet};

use self::package::{Package, package, titles, unescaped};
use self::styles::Styles;
use super::archive::Archive;
use super::content::HiddenText;
use super::error::DocumentError;
use super::html::{self, Scope};
use super::limits::PAGES_MAX;
use super::raw::{RawDocument, RawPage};
use super::sections;
use super::xml::{Xml, walk};

const UNREAD_STYLES: &str =
    "Some style sheets of the book were not read. Text that they hide may be part of the text.";

/// Reads an EPUB.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut archive = Archive::open(bytes)?;
    let container = archive.read_required("META-INF/container.xml")?;
    let path = root_file(&container)?;
    let package = package(&path, &archive.read_required(&path)?)?;
    refuse_protected(&mut archive, &package)?;
    let titles = chapter_titles(&mut archive, &package);
    let mut document = RawDocument { title: package.title.clone(), ..RawDocument::default() };
    let (mut unread, mut styles) = (0_usize, Styles::default());
    for chapter in package.spine.iter().take(PAGES_MAX + 1) {
        match read_chapter(&mut archive, &mut styles, chapter) {
            Ok(Some(read)) => add(&mut document, read, titles.get(chapter)),
            // A cover of pictures alone, or a chapter that the file does not hold.
            Ok(None) => {}
            Err(DocumentError::NoText(_)) => {}
            Err(DocumentError::TooLarge(reason)) => return Err(DocumentError::TooLarge(reason)),
            Err(_) => unread += 1,
        }
    }
    if unread > 0 {
        document.warnings.push(format!("{unread} chapters of the book are damaged and were not read."));
    }
    if package.missing > 0 {
        document
            .warnings
            .push(format!("{} chapters of the book are of a kind that is not read.", package.missing));
    }
    if styles.has_unread {
        document.warnings.push(UNREAD_STYLES.to_owned());
    }
    join_warnings(&mut document);
    Ok(document)
}

/// The package file that the container names first.
fn root_file(container: &str) -> Result<String, DocumentError> {
    let mut found = None;
    walk(container, |event| {
        if let Xml::Start(element) = event
            && element.name == "rootfile"
            && found.is_none()
        {
            found = element.attribute("full-path");
        }
    })?;
    found.ok_or_else(|| DocumentError::Corrupt("its container names no book".to_owned()))
}

/// Refuses a book whose chapters are encrypted. Fonts may be: that only keeps them from being copied.
fn refuse_protected(archive: &mut Archive<'_>, package: &Package) -> Result<(), DocumentError> {
    let Some(xml) = archive.read("META-INF/encryption.xml")? else { return Ok(()) };
    let mut encrypted = HashSet::new();
    walk(&xml, |event| {
        if let Xml::Start(element) = event
            && element.name == "CipherReference"
            && let Some(uri) = element.attribute("URI")
        {
            encrypted.insert(unescaped(&uri));
        }
    })?;
    if package.spine.iter().any(|chapter| encrypted.contains(chapter)) {
        return Err(DocumentError::Unsupported(
            "the book is protected against copying (DRM), and only its shop's programs open it".to_owned(),
        ));
    }
    Ok(())
}

/// The names of chapters by the file that holds them, from the newer or the older form of a table of contents.
fn chapter_titles(archive: &mut Archive<'_>, package: &Package) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for contents in [&package.navigation, &package.old_contents].into_iter().flatten() {
        if let Ok(Some(xml)) = archive.read(contents) {
            // A book without names is still a book.
            let _ = titles(contents, &without_document_type(&xml), &mut found);
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// Contents written as XHTML may declare a document type, which the reader of XML refuses.
fn without_document_type(xml: &str) -> String {
    let Some((before, after)) = xml.split_once("<!DOCTYPE") else { return xml.to_owned() };
    let rest = after.split_once('>').filter(|(declaration, _)| !declaration.contains('['));
    rest.map_or_else(|| xml.to_owned(), |(_, rest)| format!("{before}{rest}"))
}

fn read_chapter(
    archive: &mut Archive<'_>,
    styles: &mut Styles,
    chapter: &str,
) -> Result<Option<RawDocument>, DocumentError> {
    let Some(bytes) = archive.read_bytes(chapter)? else { return Ok(None) };
    let decoded = html::decode(&bytes, None)?;
    let sheets = styles.of_chapter(archive, chapter, &decoded.text);
    let mut read = html::read_styled(&decoded.text, Scope::Everything, &sheets)?;
    read.warnings.splice(0..0, decoded.warnings);
    Ok(Some(read))
}

/// Adds a chapter as one page.
fn add(document: &mut RawDocument, chapter: RawDocument, title: Option<&String>) {
    let mut page = RawPage::new(String::new());
    for part in chapter.pages {
        sections::append(&mut page, part);
    }
    page.label = title.cloned().or(chapter.title);
    document.pages.push(page);
    let number = u32::try_from(document.pages.len()).unwrap_or(u32::MAX);
    document.hidden.extend(chapter.hidden.into_iter().map(|hidden| HiddenText { page: number, ..hidden }));
    document.warnings.extend(chapter.warnings);
}

/// Says once what each chapter says.
fn join_warnings(document: &mut RawDocument) {
    const WARNINGS_MAX: usize = 10;
    let mut seen = Vec::new();
    for warning in std::mem::take(&mut document.warnings) {
        if !seen.contains(&warning) && seen.len() < WARNINGS_MAX {
            seen.push(warning);
        }
    }
    document.warnings = seen;
}

#[cfg(test)]
mod tests;
