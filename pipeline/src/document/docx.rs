//! Reads DOCX: paragraphs, headings, lists, tables, notes, charts, headers and footers. Main headings and page
//! breaks start sections.

mod body;
mod chunk;
mod fields;
mod math;
mod notes;
mod numbering;
mod paragraph;
mod properties;
mod reading;
mod run;
mod stories;
mod styles;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::body::{Body, Context, Embedded};
use self::chunk::Kind;
use self::notes::{count_comments, read_notes};
use self::numbering::numbering;
use self::reading::Reading;
use self::styles::styles;
use super::error::DocumentError;
use super::office::chart::chart_lines;
use super::office::diagram::diagram_lines;
use super::office::hidden::HiddenTexts;
use super::office::package::{Package, Relationships};
use super::raw::{RawDocument, RawPage};
use super::xml::walk;

/// Charts and diagrams of one document.
const DRAWINGS_MAX: usize = 500;
/// Headers and footers that are looked at for pictures behind the text.
const STORIES_MAX: usize = 20;
/// Documents that a document takes in.
const CHUNKS_MAX: usize = 100;

/// Reads a DOCX.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    read(bytes, true)
}

/// Reads a DOCX, and documents in it where `with_packages` allows it: they never nest further.
fn read(bytes: &[u8], with_packages: bool) -> Result<RawDocument, DocumentError> {
    let mut package = Package::open(bytes)?;
    let main = package.main_part()?;
    // The main part comes first, so that no other part uses up what may be inflated.
    let xml = package.archive.read_required(&main)?;
    let links = package.relationships(&main);
    let styles = side(&mut package, &links, "styles", "the styles", styles).unwrap_or_default();
    let numbering =
        side(&mut package, &links, "numbering", "the numbers of lists", numbering).unwrap_or_default();
    let no_notes = HashMap::new();
    let has_backdrop = has_backdrop(&mut package, &links, &xml);
    let context =
        Context { styles: &styles, numbering: &numbering, notes: &no_notes, ground_is_white: !has_backdrop };
    let mut notes = HashMap::new();
    for (kind, element) in [("footnotes", "footnote"), ("endnotes", "endnote")] {
        side(&mut package, &links, kind, "the notes", |xml| read_notes(xml, element, &context, &mut notes));
    }
    let context = Context { notes: &notes, ..context };
    let drawings = drawings(&mut package, &links);
    let mut chunk_hidden = HiddenTexts::default();
    let chunks = chunks(&mut package, &links, with_packages, &mut chunk_hidden);
    let mut reading = Reading::new(Body::new(&context, Embedded { drawings, chunks }));
    walk(&xml, |event| reading.on(&event))?;
    let mut body = reading.body;
    body.end();
    let stories = stories::read(&mut package, &links, &body.stories, &context);
    let comments = side(&mut package, &links, "comments", "the comments", count_comments).unwrap_or_default();
    body.unread.comments = comments;
    let title = package.title().or(body.title).or(body.heading);
    let mut pages = body.sections.pages();
    let mut hidden = body.hidden;
    hidden.join(chunk_hidden);
    stories::insert(stories, &mut pages, &mut hidden);
    body.unread.check_text(&pages)?;
    package.warnings.extend(body.unread.warnings());
    let (hidden, warning) = hidden.finish(pages.len());
    package.warnings.extend(warning);
    Ok(RawDocument { title, pages, warnings: package.warnings, hidden, ..RawDocument::default() })
}

/// Whether a picture or a colour may lie behind white text: in the text itself, or in a header.
fn has_backdrop(package: &mut Package<'_>, links: &Relationships, xml: &str) -> bool {
    let is_backdrop = |xml: &str| {
        xml.contains("behindDoc=\"1\"") || xml.contains("<w:background") || xml.contains("z-index:-")
    };
    if is_backdrop(xml) {
        return true;
    }
    let stories = links.of_kind("header").chain(links.of_kind("footer"));
    let stories: Vec<&str> = stories.map(|(_, target)| target).take(STORIES_MAX).collect();
    stories
        .into_iter()
        .any(|target| package.archive.read(target).ok().flatten().is_some_and(|xml| is_backdrop(&xml)))
}

/// The value of a part of a kind that the document has once; a part that cannot be read is a warning.
fn side<T>(
    package: &mut Package<'_>,
    links: &Relationships,
    kind: &str,
    what: &str,
    read: impl FnOnce(&str) -> Result<T, DocumentError>,
) -> Option<T> {
    // A package that has lost its links has its parts under their usual names.
    let usual = links.is_empty().then(|| format!("word/{kind}.xml"));
    let name = links.first(kind).map(str::to_owned).or(usual)?;
    let xml = package.side_part(&name, what)?;
    let value = read(&xml);
    package.sound(value, what)
}

/// The lines of charts and diagrams, by the ids of their links.
fn drawings(package: &mut Package<'_>, links: &Relationships) -> HashMap<String, Vec<String>> {
    let charts = links.of_kind("chart").chain(links.of_kind("chartEx")).map(|link| (link, true));
    let diagrams = links.of_kind("diagramData").map(|link| (link, false));
    let mut drawings = HashMap::new();
    for ((id, target), is_chart) in charts.chain(diagrams).take(DRAWINGS_MAX) {
        let what = if is_chart { "a chart" } else { "a diagram" };
        let Some(xml) = package.side_part(target, what) else { continue };
        let lines = if is_chart { chart_lines(&xml) } else { diagram_lines(&xml) };
        if let Some(lines) = package.sound(lines, what) {
            drawings.insert(id.to_owned(), lines);
        }
    }
    drawings
}

/// The pages of the documents that this one takes in, by the ids of their links.
fn chunks(
    package: &mut Package<'_>,
    links: &Relationships,
    with_packages: bool,
    hidden: &mut HiddenTexts,
) -> HashMap<String, Vec<RawPage>> {
    let mut chunks = HashMap::new();
    for (id, target) in links.of_kind("aFChunk").take(CHUNKS_MAX) {
        let read = package.archive.read_bytes(target);
        let bytes = package.sound(read, "a document within the document").flatten();
        let document = bytes.and_then(|bytes| match chunk::kind(target, &bytes) {
            Kind::Package if with_packages => self::read(&bytes, false).ok(),
            kind => chunk::document(kind, &bytes),
        });
        match document {
            Some(document) => {
                chunks.insert(id.to_owned(), document.pages);
                document.warnings.into_iter().for_each(|warning| package.warn(warning));
                for passage in document.hidden {
                    hidden.add(1, passage.reason, &passage.text);
                }
            }
            None => package.warn(format!(
                "The document takes in another one that cannot be read here ({}); its text is missing.",
                target.rsplit('/').next().unwrap_or_default()
            )),
        }
    }
    chunks
}
