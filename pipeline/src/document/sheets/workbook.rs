//! Reads XLSX. A sheet is a page, with its name as label.

use super::cell_styles::cell_styles;
use super::extras;
use super::grid::Grid;
use super::shared_strings::shared_strings;
use super::sheet::{Book, sheet};
use crate::document::{
    content::HiddenReason,
    error::DocumentError,
    limits::PAGES_MAX,
    office::{
        hidden::HiddenTexts,
        package::{Package, Relationships},
        unread::Unread,
    },
    raw::{RawDocument, RawPage},
    xml::{Xml, walk},
};

/// A sheet as the workbook names it.
#[derive(Debug)]
struct Entry {
    name: String,
    id: String,
    is_hidden: bool,
}

/// Reads an XLSX.
pub(in crate::document) fn extract_workbook(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut package = Package::open(bytes)?;
    let main = package.main_part()?;
    let xml = package.archive.read_required(&main)?;
    let links = package.relationships(&main);
    let (entries, is_1904) = entries(&xml)?;
    if entries.len() > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!(
            "{} sheets; at most {PAGES_MAX} are read",
            entries.len()
        )));
    }
    let book = book(&mut package, &links, is_1904)?;
    let mut hidden = HiddenTexts::default();
    let mut unread = Unread::default();
    let mut pages: Vec<RawPage> = Vec::new();
    let mut fault = None;
    for entry in &entries {
        let number = u32::try_from(pages.len() + 1).unwrap_or(u32::MAX);
        match page(&mut package, &links, entry, &book, number, &mut hidden, &mut unread) {
            // A hidden sheet is no page, and does not count.
            Ok(page) if entry.is_hidden => {
                for text in page.text.split("\n\n") {
                    hidden.add(number, HiddenReason::Marked, text);
                }
            }
            Ok(page) => pages.push(page),
            Err(DocumentError::TooLarge(reason)) => return Err(DocumentError::TooLarge(reason)),
            Err(error) => {
                package.warn(format!("The sheet \"{}\" is damaged, and its text is missing.", entry.name));
                pages.push(RawPage { label: Some(entry.name.clone()), ..RawPage::new(String::new()) });
                fault = Some(error);
            }
        }
    }
    match fault {
        Some(error) if pages.iter().all(|page| page.text.is_empty()) => return Err(error),
        _ => {}
    }
    unread.check_text(&pages)?;
    package.warnings.extend(unread.warnings());
    let title = package.title();
    let (hidden, warning) = hidden.finish(pages.len());
    package.warnings.extend(warning);
    Ok(RawDocument { title, pages, warnings: package.warnings, hidden, ..RawDocument::default() })
}

/// The sheets in the order of their tabs, and whether dates count from 1904.
fn entries(xml: &str) -> Result<(Vec<Entry>, bool), DocumentError> {
    let (mut entries, mut is_1904) = (Vec::new(), false);
    walk(xml, |event| {
        let Xml::Start(element) = event else { return };
        match element.name {
            "sheet" => entries.push(Entry {
                name: element.attribute("name").unwrap_or_default(),
                id: element.prefixed_attribute("id").unwrap_or_default(),
                is_hidden: element.attribute("state").is_some_and(|state| state != "visible"),
            }),
            "workbookPr" => {
                is_1904 = element.attribute("date1904").is_some_and(|value| value == "1" || value == "true");
            }
            _ => {}
        }
    })?;
    Ok((entries, is_1904))
}

/// The shared texts and styles. Damaged styles cost the formats; damaged texts cost the document.
fn book(package: &mut Package<'_>, links: &Relationships, is_1904: bool) -> Result<Book, DocumentError> {
    let strings = match links.first("sharedStrings").map(str::to_owned) {
        Some(name) => package.archive.read(&name)?.map(|xml| shared_strings(&xml)).transpose()?,
        None => None,
    };
    let styles = links.first("styles").map(str::to_owned);
    let styles = styles.and_then(|name| package.side_part(&name, "the formats of numbers"));
    let styles = styles.map(|xml| cell_styles(&xml, is_1904)).transpose();
    let styles = package.sound(styles, "the formats of numbers").flatten();
    Ok(Book { strings: strings.unwrap_or_default(), styles: styles.unwrap_or_default() })
}

fn page(
    package: &mut Package<'_>,
    links: &Relationships,
    entry: &Entry,
    book: &Book,
    number: u32,
    hidden: &mut HiddenTexts,
    unread: &mut Unread,
) -> Result<RawPage, DocumentError> {
    let missing = || DocumentError::Corrupt(format!("its sheet {} is missing", entry.name));
    let target = links.target(&entry.id).ok_or_else(missing)?.to_owned();
    let xml = package.archive.read(&target)?.ok_or_else(missing)?;
    let sheet = sheet(&xml, book)?;
    unread.empty_formulas += sheet.empty_formulas;
    let grid: Grid = sheet.grid;
    let mut page = grid.page(&entry.name, number, hidden)?;
    let sheet_links = package.relationships(&target);
    extras::add(package, &sheet_links, &mut page, unread);
    Ok(page)
}
