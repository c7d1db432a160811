//! Reads Markdown as text without its marks. Headings of the first two levels start sections.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::raw::RawDocument;
use super::sections::{Sections, row};
use super::{error::DocumentError, text};

/// Reads Markdown.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let source = text::decode(bytes);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut writer = Writer::default();
    for event in Parser::new_ext(&source, options) {
        writer.on(event);
    }
    writer.end_block();
    Ok(RawDocument {
        title: writer.title,
        pages: writer.sections.pages(),
        warnings: text::warnings(&source),
        ..RawDocument::default()
    })
}

#[derive(Debug, Default)]
struct Writer {
    sections: Sections,
    /// The level of the heading that is read.
    heading: Option<u8>,
    block: String,
    /// The number of lists that are open, one in another.
    lists: usize,
    in_item: bool,
    after_item: bool,
    cells: Vec<String>,
    table_rows: usize,
    hidden: bool,
    title: Option<String>,
}

impl Writer {
    fn on(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            _ if self.hidden => {}
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.block.push_str(&text);
            }
            Event::SoftBreak => self.block.push(' '),
            Event::HardBreak => self.block.push('\n'),
            Event::Rule => self.end_block(),
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.end_block();
                if matches!(level, HeadingLevel::H1 | HeadingLevel::H2) {
                    self.sections.divide();
                }
                self.heading = Some(*level as u8);
            }
            Tag::List(_) => {
                self.end_block();
                self.lists += 1;
            }
            Tag::Item => {
                self.end_block();
                self.in_item = true;
            }
            Tag::Table(_) => {
                self.end_block();
                self.table_rows = 0;
            }
            Tag::MetadataBlock(_) => self.hidden = true,
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented)
            | Tag::Paragraph
            | Tag::BlockQuote(_)
            | Tag::FootnoteDefinition(_)
            | Tag::HtmlBlock => self.end_block(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                if self.title.is_none() {
                    self.title = Some(self.block.trim().to_owned());
                }
                self.end_block();
                self.heading = None;
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.block)),
            TagEnd::TableHead | TagEnd::TableRow => self.end_row(),
            TagEnd::List(_) => {
                self.end_block();
                self.lists = self.lists.saturating_sub(1);
                self.after_item = self.lists > 0;
            }
            TagEnd::MetadataBlock(_) => self.hidden = false,
            TagEnd::Paragraph
            | TagEnd::Item
            | TagEnd::BlockQuote(_)
            | TagEnd::CodeBlock
            | TagEnd::FootnoteDefinition => self.end_block(),
            _ => {}
        }
    }

    fn end_row(&mut self) {
        let line = row(&std::mem::take(&mut self.cells));
        self.sections.table_row(&line, self.table_rows > 0);
        self.table_rows += 1;
        self.after_item = false;
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block.trim().is_empty() {
            return;
        }
        if self.in_item {
            self.sections.item(&format!("\u{2022} {}", block.trim()), self.after_item);
        } else if let Some(level) = self.heading {
            self.sections.heading(level, &block);
        } else {
            self.sections.block(&block);
        }
        self.after_item = self.lists > 0;
        self.in_item = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_structure_stays() {
        let source = "---\ntitle: hidden\n---\n# The *title*\n\nA [link](http://x) and `code`,\nin two lines.[^1]\n\n- one\n- two\n  - three\n\n\
                      ## Next\n\n| a | b |\n|---|---|\n| c | d |\n\n> Quoted.\n\n<div>raw</div>\n\n### Third\n\nEnd.\n\n[^1]: The note.\n";
        let document = extract(source.as_bytes()).unwrap();
        let texts: Vec<&str> = document.pages.iter().map(|page| page.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "The title\n\nA link and code, in two lines.\n\n\u{2022} one\n\u{2022} two\n\u{2022} three",
                "Next\n\na | b\nc | d\n\nQuoted.\n\nThird\n\nEnd.\n\nThe note."
            ]
        );
        assert_eq!(document.title.as_deref(), Some("The title"));
    }
}
