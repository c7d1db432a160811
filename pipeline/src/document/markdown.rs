//! Reads Markdown as a browser shows it: the HTML reader reads what the Markdown stands for, raw HTML included.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use super::encoding::{self, Decoded};
use super::error::DocumentError;
use super::html::{self, Scope};
use super::raw::RawDocument;

/// Reads Markdown.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let Decoded { text: source, warnings } = encoding::decode(bytes, None)?;
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut writer = Writer::default();
    for event in Parser::new_ext(&source, options) {
        writer.on(event);
    }
    let mut page = String::with_capacity(source.len() * 2);
    pulldown_cmark::html::push_html(&mut page, writer.events.into_iter());
    let mut document = html::read(&page, Scope::Everything)?;
    document.title = document.title.or_else(|| title(&writer.metadata));
    document.warnings.splice(0..0, warnings);
    Ok(document)
}

/// The title in the metadata before the text.
fn title(metadata: &str) -> Option<String> {
    let value = metadata.lines().find_map(|line| {
        let (name, value) = line.split_once([':', '='])?;
        name.trim().eq_ignore_ascii_case("title").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    });
    value.filter(|title| !title.is_empty())
}

/// Collects what a browser gets.
#[derive(Debug, Default)]
struct Writer<'s> {
    events: Vec<Event<'s>>,
    /// The raw HTML of the block that is open.
    html: Option<String>,
    in_metadata: bool,
    metadata: String,
}

impl<'s> Writer<'s> {
    fn on(&mut self, event: Event<'s>) {
        match event {
            Event::Start(Tag::MetadataBlock(_)) => self.in_metadata = true,
            Event::End(TagEnd::MetadataBlock(_)) => self.in_metadata = false,
            Event::Text(text) if self.in_metadata => self.metadata.push_str(&text),
            Event::Start(Tag::HtmlBlock) => self.html = Some(String::new()),
            Event::End(TagEnd::HtmlBlock) => {
                let html = self.html.take().unwrap_or_default();
                self.events.push(Event::Html(CowStr::from(with_hidden_comments(&html))));
            }
            Event::Html(html) => match &mut self.html {
                Some(block) => block.push_str(&html),
                None => self.events.push(Event::Html(CowStr::from(with_hidden_comments(&html)))),
            },
            Event::InlineHtml(html) => {
                self.events.push(Event::InlineHtml(CowStr::from(with_hidden_comments(&html))));
            }
            // A note's number means nothing without its place on the page.
            Event::FootnoteReference(_) | Event::TaskListMarker(_) => {}
            Event::Start(Tag::FootnoteDefinition(_)) => self.events.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::FootnoteDefinition) => self.events.push(Event::End(TagEnd::Paragraph)),
            event => self.events.push(event),
        }
    }
}

/// Makes hidden elements of comments, so that they are set apart like all hidden text.
fn with_hidden_comments(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once("<!--") {
        let (comment, after) = after.split_once("-->").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str("<span hidden>");
        out.push_str(&comment.replace('&', "&amp;").replace('<', "&lt;"));
        out.push_str("</span>");
        rest = after;
    }
    out.push_str(rest);
    out
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
                "Next\n\na | b\nc | d\n\nQuoted.\n\nraw\n\nThird\n\nEnd.\n\nThe note."
            ]
        );
        assert_eq!(document.title.as_deref(), Some("The title"));
    }

    #[test]
    fn hidden_html_is_set_apart() {
        let source = "# One\n\n<!-- a secret -->\n\n<div hidden>\n\nMore *secret*.\n\n</div>\n\nSeen<!-- not --> text.\n\n4. four\n5. five\n";
        let document = extract(source.as_bytes()).unwrap();
        assert_eq!(document.pages[0].text, "One\n\nSeen text.\n\n4. four\n5. five");
        let hidden: Vec<&str> = document.hidden.iter().map(|hidden| hidden.text.as_str()).collect();
        assert_eq!(hidden, ["a secret", "More secret.", "not"]);
    }

    #[test]
    fn metadata_names_the_title() {
        let document = extract(b"---\ntitle: \"A title\"\n---\nText.\n").unwrap();
        assert_eq!((document.title.as_deref(), document.pages[0].text.as_str()), (Some("A title"), "Text."));
    }
}
