//! The texts beside the main text of a DOCX: footnotes and endnotes, headers and footers.

use std::collections::HashMap;

use super::body::{Body, Context, Embedded};
use super::reading::Reading;
use crate::document::{
    error::DocumentError,
    office::hidden::HiddenTexts,
    xml::{Xml, walk},
};

/// Reads the texts of the notes, by kind and id.
pub(super) fn read_notes(
    xml: &str,
    element: &str,
    context: &Context<'_>,
    notes: &mut HashMap<String, String>,
) -> Result<(), DocumentError> {
    let mut current: Option<(String, Reading<'_>)> = None;
    walk(xml, |event| match &event {
        Xml::Start(start) if start.name == element => {
            // Separators are notes as well, but have a type.
            current = match (start.attribute("type").filter(|kind| kind != "normal"), start.attribute("id")) {
                (None, Some(id)) => {
                    Some((format!("{element} {id}"), Reading::new(Body::new(context, Embedded::default()))))
                }
                _ => None,
            };
        }
        Xml::End(name) if *name == element => {
            if let Some((key, reading)) = current.take() {
                notes.insert(key, text_of(reading.body));
            }
        }
        event => {
            if let Some((_, reading)) = &mut current {
                reading.on(event);
            }
        }
    })
}

fn text_of(mut body: Body<'_>) -> String {
    body.end();
    let pages: Vec<String> = body.sections.pages().into_iter().map(|page| page.text).collect();
    pages.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text of a header or footer, and what it hides.
pub(super) fn read_story(xml: &str, context: &Context<'_>) -> Result<(String, HiddenTexts), DocumentError> {
    let mut reading = Reading::new(Body::new(context, Embedded::default()));
    walk(xml, |event| reading.on(&event))?;
    let mut body = reading.body;
    body.end();
    let hidden = std::mem::take(&mut body.hidden);
    let pages: Vec<String> = body.sections.pages().into_iter().map(|page| page.text).collect();
    Ok((pages.join("\n"), hidden))
}

/// The number of comments in a part of comments.
pub(super) fn count_comments(xml: &str) -> Result<usize, DocumentError> {
    let mut count = 0;
    walk(xml, |event| {
        if matches!(event, Xml::Start(element) if element.name == "comment") {
            count += 1;
        }
    })?;
    Ok(count)
}
