//! Headers and footers: each text once, before and after the text of the document.

use super::body::{Context, StoryLink};
use super::notes::read_story;
use crate::document::{
    content::LineMark,
    office::{
        hidden::HiddenTexts,
        package::{Package, Relationships},
    },
    raw::RawPage,
};

/// The different headers and footers of a document.
const STORIES_MAX: usize = 100;

/// The texts of headers and footers.
#[derive(Debug, Default)]
pub(super) struct Stories {
    headers: Vec<String>,
    footers: Vec<String>,
    hidden: Vec<HiddenTexts>,
}

/// Reads the headers and footers that sections refer to. Those of even pages count where they differ.
pub(super) fn read(
    package: &mut Package<'_>,
    links: &Relationships,
    stories: &[StoryLink],
    context: &Context<'_>,
) -> Stories {
    let mut read = Stories::default();
    let mut seen: Vec<&str> = Vec::new();
    let settings = links.first("settings").map(str::to_owned);
    let settings = settings.and_then(|name| package.side_part(&name, "the settings"));
    let has_even_pages = settings.is_some_and(|xml| xml.contains("evenAndOddHeaders"));
    for story in stories {
        let Some(target) = links.target(&story.id) else { continue };
        if seen.contains(&target) || seen.len() >= STORIES_MAX || (story.pages == "even" && !has_even_pages) {
            continue;
        }
        seen.push(target);
        let what = if story.is_header { "a header" } else { "a footer" };
        let Some(xml) = package.side_part(target, what) else { continue };
        let text = read_story(&xml, context);
        let Some((text, hidden)) = package.sound(text, what) else { continue };
        read.hidden.push(hidden);
        let texts = if story.is_header { &mut read.headers } else { &mut read.footers };
        if !text.trim().is_empty() && !texts.contains(&text) {
            texts.push(text);
        }
    }
    read
}

/// Puts headers before the first page's text, and footers after the last one's.
pub(super) fn insert(stories: Stories, pages: &mut Vec<RawPage>, hidden: &mut HiddenTexts) {
    for texts in stories.hidden {
        hidden.join(texts);
    }
    let headers = stories.headers.join("\n");
    let footers = stories.footers.join("\n");
    if pages.is_empty() && !(headers.is_empty() && footers.is_empty()) {
        pages.push(RawPage::new(String::new()));
    }
    if let (Some(first), false) = (pages.first_mut(), headers.is_empty()) {
        let shift = headers.matches('\n').count() + 2;
        let marks = std::mem::take(&mut first.marks).into_iter();
        first.marks = marks.map(|mark| LineMark { line: mark.line + shift, ..mark }).collect();
        first.text = format!("{headers}\n\n{}", first.text);
        first.edge_lines.0 = count(&headers);
    }
    if let (Some(last), false) = (pages.last_mut(), footers.is_empty()) {
        last.text = format!("{}\n\n{footers}", last.text);
        last.edge_lines.1 = count(&footers);
    }
}

fn count(text: &str) -> usize {
    text.lines().filter(|line| !line.trim().is_empty()).count()
}
