//! Reads DOCX: paragraphs, headings, lists, tables and notes. Main headings and page breaks start sections.

mod body;
mod notes;
mod styles;

use std::collections::HashMap;

use self::{body::Body, notes::read_notes, styles::styles};
use super::archive::Archive;
use super::raw::RawDocument;
use super::xml::walk;
use super::{error::DocumentError, office};

/// Reads a DOCX.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut archive = Archive::open(bytes)?;
    let main = archive.read_required("word/document.xml")?;
    let styles = match archive.read("word/styles.xml")? {
        Some(xml) => styles(&xml)?,
        None => HashMap::new(),
    };
    let mut notes = HashMap::new();
    for (part, element) in [("word/footnotes.xml", "footnote"), ("word/endnotes.xml", "endnote")] {
        if let Some(xml) = archive.read(part)? {
            read_notes(&xml, element, &mut notes)?;
        }
    }
    let mut body = Body::new(&styles, &notes);
    walk(&main, |event| body.on(&event))?;
    body.divide();
    let title = match archive.read("docProps/core.xml")? {
        Some(xml) => office::core_title(&xml)?,
        None => None,
    };
    Ok(RawDocument {
        title: title.or(body.title).or(body.heading),
        pages: body.sections.pages(),
        warnings: Vec::new(),
        ..RawDocument::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::zip;
    use super::*;

    fn document(body: &str) -> Vec<u8> {
        let xml = format!("<w:document><w:body>{body}</w:body></w:document>");
        let styles = r#"<w:styles><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
            <w:style w:styleId="L"><w:name w:val="List Bullet"/></w:style><w:style w:styleId="T"><w:name w:val="Title"/></w:style></w:styles>"#;
        let notes = r#"<w:footnotes><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>no</w:t></w:r></w:p></w:footnote>
            <w:footnote w:id="2"><w:p><w:r><w:t>The note.</w:t></w:r></w:p></w:footnote></w:footnotes>"#;
        zip(&[
            ("word/document.xml", xml.as_bytes()),
            ("word/styles.xml", styles.as_bytes()),
            ("word/footnotes.xml", notes.as_bytes()),
        ])
    }

    fn p(properties: &str, text: &str) -> String {
        format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
    }

    fn texts(body: &str) -> Vec<String> {
        extract(&document(body)).unwrap().pages.into_iter().map(|page| page.text).collect()
    }

    #[test]
    fn headings_start_sections_and_tables_keep_lines() {
        let heading = r#"<w:pStyle w:val="berschrift1"/>"#;
        let item = "<w:numPr/>";
        let table = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p>\
                     </w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl>";
        let body = [
            p(r#"<w:pStyle w:val="T"/>"#, "The title"),
            p(heading, "First"),
            p(item, "one"),
            p(r#"<w:pStyle w:val="L"/>"#, "two"),
            table.to_owned(),
            p(heading, "Second"),
            p("", "R&amp;D text"),
        ]
        .concat();
        assert_eq!(
            texts(&body),
            ["The title", "First\n\n\u{2022} one\n\u{2022} two\n\na | b\nc | ", "Second\n\nR&D text"]
                .map(str::trim_end)
        );
        assert_eq!(extract(&document(&body)).unwrap().title.as_deref(), Some("The title"));
    }

    #[test]
    fn notes_stand_at_the_end_of_sections() {
        let body = "<w:p><w:r><w:t>Before</w:t><w:footnoteReference w:id=\"2\"/></w:r><w:r><w:br w:type=\"page\"/></w:r>\
                    <w:r><w:t>after</w:t></w:r></w:p>";
        assert_eq!(texts(body), ["Before\n\nThe note.", "after"]);
    }

    #[test]
    fn text_boxes_count_once_and_deletions_never() {
        let body = "<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>Box</w:t></w:r></w:p>\
                    </w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>Box</w:t></w:r></w:p></mc:Fallback>\
                    </mc:AlternateContent></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>\
                    <w:r><w:t>Text</w:t></w:r></w:p>";
        assert_eq!(texts(body), ["Box\n\nText"]);
    }
}
