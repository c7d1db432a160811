//! The package file of a book: its parts, their order, its title; and its table of contents.

use std::collections::HashMap;

use crate::document::archive;
use crate::document::error::DocumentError;
use crate::document::xml::{Xml, walk};

/// The parts of a book.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) title: Option<String>,
    /// The files of its chapters, in order.
    pub(super) spine: Vec<String>,
    /// Chapters that are no text: pictures, for example.
    pub(super) missing: usize,
    pub(super) navigation: Option<String>,
    pub(super) old_contents: Option<String>,
}

/// Books of 5,000 parts have been seen.
const ITEMS_MAX: usize = 50_000;

/// Reads a package file.
pub(super) fn package(path: &str, xml: &str) -> Result<Package, DocumentError> {
    let mut package = Package::default();
    let mut items: HashMap<String, (String, String)> = HashMap::new();
    let mut order: Vec<String> = Vec::new();
    let mut old_contents = None;
    let (mut in_title, mut title) = (false, String::new());
    walk(xml, |event| match event {
        Xml::Start(element) => match element.name {
            "title" if title.is_empty() => in_title = true,
            "item" if items.len() < ITEMS_MAX => {
                let Some(href) = element.attribute("href") else { return };
                let file = resolved(path, &href);
                let properties = element.attribute("properties").unwrap_or_default();
                if properties.split_whitespace().any(|property| property == "nav") {
                    package.navigation = Some(file.clone());
                }
                let kind = element.attribute("media-type").unwrap_or_default();
                if kind == "application/x-dtbncx+xml" {
                    old_contents = Some(file.clone());
                }
                items.insert(element.attribute("id").unwrap_or_default(), (file, kind));
            }
            "itemref" if order.len() < ITEMS_MAX => order.extend(element.attribute("idref")),
            _ => {}
        },
        Xml::End("title") => in_title = false,
        Xml::Text(text) if in_title => title.push_str(text),
        _ => {}
    })?;
    for id in order {
        let Some((file, kind)) = items.get(&id) else { continue };
        if kind.contains("html") || kind.contains("text/") || kind.contains("dtbook") {
            package.spine.push(file.clone());
        } else {
            package.missing += 1;
        }
    }
    package.old_contents = old_contents;
    package.title = Some(title.trim().to_owned()).filter(|title| !title.is_empty());
    Ok(package)
}

/// Adds the names that a table of contents gives to files. The first name of a file counts.
pub(super) fn titles(
    path: &str,
    xml: &str,
    found: &mut HashMap<String, String>,
) -> Result<(), DocumentError> {
    // `<a href="c1.xhtml">One</a>`, or `<navPoint><navLabel><text>One</text></navLabel><content src="c1.xhtml"/>`.
    let (mut target, mut text) = (None, String::new());
    let mut in_label = false;
    walk(xml, |event| match event {
        Xml::Start(element) => match element.name {
            "a" => {
                target = element.attribute("href");
                text.clear();
                in_label = true;
            }
            "navLabel" => {
                text.clear();
                in_label = true;
            }
            "content" => {
                if let Some(source) = element.attribute("src") {
                    add(path, &source, &text, found);
                }
            }
            _ => {}
        },
        Xml::End("a") => {
            if let Some(target) = target.take() {
                add(path, &target, &text, found);
            }
            in_label = false;
        }
        Xml::End("navLabel") => in_label = false,
        Xml::Text(more) if in_label => text.push_str(more),
        _ => {}
    })
}

fn add(path: &str, target: &str, text: &str, found: &mut HashMap<String, String>) {
    let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !name.is_empty() && found.len() < ITEMS_MAX {
        found.entry(resolved(path, target)).or_insert(name);
    }
}

/// The name in the container of a reference, which is relative to the file that holds it.
fn resolved(source: &str, target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    archive::resolved(source, &unescaped(target))
}

/// The reference with its percent escapes resolved.
pub(super) fn unescaped(target: &str) -> String {
    let mut bytes = Vec::with_capacity(target.len());
    let mut rest = target.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        let byte = escape.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| target.to_owned())
}
