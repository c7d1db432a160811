//! Reads ODT. Main headings and page breaks start sections, as in DOCX.

use super::package::{Parts, parts};
use super::reading::Reading;
use crate::document::{
    content::LineMark,
    error::DocumentError,
    office::hidden::HiddenTexts,
    raw::{RawDocument, RawPage},
    xml::{Xml, walk},
};

/// The different headers and footers of a document.
const STORIES_MAX: usize = 100;

/// Reads an ODT, packed or flat.
pub(in crate::document) fn extract_text(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let Parts { content, page_styles, styles, title, charts, mut warnings } = parts(bytes)?;
    let mut reading = Reading::new(&styles, &charts);
    let mut in_body = false;
    walk(&content, |event| match &event {
        Xml::Start(element) if element.name == "body" => in_body = true,
        Xml::End("body") => in_body = false,
        event if in_body => reading.on(event),
        _ => {}
    })?;
    reading.divide();
    let stories = stories(page_styles.as_deref().unwrap_or(&content), &styles).unwrap_or_default();
    let title = title.or(reading.title).or(reading.heading);
    let mut pages = reading.sections.pages();
    insert(&stories, &mut pages);
    reading.unread.check_text(&pages)?;
    warnings.extend(reading.unread.warnings());
    let hidden: HiddenTexts = reading.hidden;
    let (hidden, warning) = hidden.finish(pages.len());
    warnings.extend(warning);
    Ok(RawDocument { title, pages, warnings, hidden, ..RawDocument::default() })
}

/// The texts of the page styles' headers, and of their footers.
fn stories(xml: &str, styles: &super::styles::Styles) -> Result<[Vec<String>; 2], DocumentError> {
    let mut stories = [Vec::new(), Vec::new()];
    let none = std::collections::HashMap::new();
    let (mut in_masters, mut count) = (false, 0);
    let mut current: Option<(usize, Reading<'_>)> = None;
    walk(xml, |event| match &event {
        Xml::Start(element) if element.name == "master-styles" => in_masters = true,
        Xml::End("master-styles") => in_masters = false,
        Xml::Start(element) if in_masters && current.is_none() && element.name.starts_with("header") => {
            current = Some((0, Reading::new(styles, &none)));
        }
        Xml::Start(element) if in_masters && current.is_none() && element.name.starts_with("footer") => {
            current = Some((1, Reading::new(styles, &none)));
        }
        Xml::End(name) if name.starts_with("header") || name.starts_with("footer") => {
            let Some((place, mut reading)) = current.take().filter(|_| count < STORIES_MAX) else { return };
            count += 1;
            reading.divide();
            let pages: Vec<String> = reading.sections.pages().into_iter().map(|page| page.text).collect();
            let text = pages.join("\n");
            if let Some(texts) = stories.get_mut(place).filter(|texts| !texts.contains(&text))
                && text.chars().any(char::is_alphabetic)
            {
                texts.push(text);
            }
        }
        event => {
            if let Some((_, reading)) = &mut current {
                reading.on(event);
            }
        }
    })?;
    Ok(stories)
}

/// Puts headers before the first page's text, and footers after the last one's.
fn insert([headers, footers]: &[Vec<String>; 2], pages: &mut [RawPage]) {
    let lines = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count();
    let (headers, footers) = (headers.join("\n"), footers.join("\n"));
    if let (Some(first), false) = (pages.first_mut(), headers.is_empty()) {
        let shift = headers.matches('\n').count() + 2;
        let marks = std::mem::take(&mut first.marks).into_iter();
        first.marks = marks.map(|mark| LineMark { line: mark.line + shift, ..mark }).collect();
        first.text = format!("{headers}\n\n{}", first.text);
        first.edge_lines.0 = lines(&headers);
    }
    if let (Some(last), false) = (pages.last_mut(), footers.is_empty()) {
        last.text = format!("{}\n\n{footers}", last.text);
        last.edge_lines.1 = lines(&footers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::archive::tests::zip;

    fn document(styles: &str, body: &str) -> RawDocument {
        let content = format!(
            "<office:document-content><office:automatic-styles>{styles}</office:automatic-styles><office:body><office:text>\
             {body}</office:text></office:body></office:document-content>"
        );
        extract_text(&zip(&[("content.xml", content.as_bytes())])).unwrap()
    }

    fn texts(styles: &str, body: &str) -> Vec<String> {
        document(styles, body).pages.into_iter().map(|page| page.text).collect()
    }

    #[test]
    fn headings_lists_tables_and_notes_are_read() {
        let styles = "<text:list-style style:name='L'><text:list-level-style-number text:level='1' style:num-format='1' \
                      style:num-suffix='.'/><text:list-level-style-number text:level='2' style:num-format='a' \
                      text:display-levels='2'/></text:list-style>";
        let body = "<text:h text:outline-level='1'>One<text:note><text:note-citation>1</text:note-citation><text:note-body>\
                    <text:p>The note.</text:p></text:note-body></text:note></text:h><text:list text:style-name='L'>\
                    <text:list-item><text:p>first<text:s text:c='2'/>item</text:p><text:list><text:list-item><text:p>below\
                    </text:p></text:list-item></text:list></text:list-item><text:list-item><text:p>second</text:p>\
                    </text:list-item></text:list><table:table><table:table-row><table:table-cell><text:p>a</text:p>\
                    </table:table-cell><table:table-cell table:number-columns-repeated='2'><text:p>b</text:p>\
                    </table:table-cell></table:table-row></table:table><text:h text:outline-level='1'>Two</text:h>";
        assert_eq!(
            texts(styles, body),
            ["One\n\n1. first  item\n1.a below\n2. second\n\na | b | b\n\nThe note.", "Two"]
        );
    }

    #[test]
    fn deleted_and_hidden_text_is_left_out() {
        let styles = "<style:style style:name='H' style:family='text'><style:text-properties text:display='none'/></style:style>";
        let body = "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p></text:deletion>\
                    </text:changed-region></text:tracked-changes><text:p>Shown <text:span text:style-name='H'>secret\
                    </text:span>text<office:annotation><text:p>remark</text:p></office:annotation>.</text:p><text:section \
                    text:display='none'><text:p>draft</text:p></text:section>";
        let document = document(styles, body);
        assert_eq!(document.pages[0].text, "Shown text.");
        let hidden: Vec<&str> = document.hidden.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(hidden, ["secret", "draft"]);
        assert_eq!(document.warnings.len(), 2);
    }
}
