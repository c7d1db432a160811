//! HTML as text: the main content, section by section.
//!
//! The document is read token by token, without building a tree: memory stays small and time linear, however
//! deeply or wrongly the elements nest.

use std::cell::RefCell;
use std::collections::HashMap;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::raw::RawDocument;
use super::sections::{Sections, row};
use super::{error::DocumentError, text};

/// Reads HTML.
///
/// Where the page says what its main content is (`main`, `article`), only that is taken; navigation, scripts,
/// styles and forms never are.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let source = decode(bytes);
    let whole = read(&source, Scope::Everything);
    let main = if whole.has_main { Some(read(&source, Scope::Main)) } else { None };
    let page = main.filter(|main| main.words > 0).unwrap_or(whole);
    Ok(RawDocument { title: page.title(), pages: page.sections.pages(), warnings: text::warnings(&source) })
}

/// By the byte order mark, else by what the page declares in its first bytes, else as plain text.
fn decode(bytes: &[u8]) -> String {
    const DECLARED_WITHIN_BYTES: usize = 1_024;
    if encoding_rs::Encoding::for_bom(bytes).is_none() && std::str::from_utf8(bytes).is_err() {
        let start = bytes.get(..DECLARED_WITHIN_BYTES).unwrap_or(bytes).to_ascii_lowercase();
        if let Some(encoding) = declared(&start).and_then(encoding_rs::Encoding::for_label) {
            return encoding.decode_without_bom_handling(bytes).0.into_owned();
        }
    }
    text::decode(bytes)
}

fn declared(start: &[u8]) -> Option<&[u8]> {
    let mark = b"charset=";
    let at = start.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let label = start.get(at..)?;
    let label = label.strip_prefix(b"\"").or_else(|| label.strip_prefix(b"'")).unwrap_or(label);
    let end = label.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')))?;
    label.get(..end)
}

/// What is taken of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    Main,
}

fn read(source: &str, scope: Scope) -> Reading {
    let sink = Sink(RefCell::new(Reading::new(scope)));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(source));
    // The tokenizer pauses after each script and goes on when asked again.
    while !matches!(tokenizer.feed(&input), html5ever::TokenizerResult::Done) {}
    tokenizer.end();
    let mut reading = tokenizer.sink.0.into_inner();
    reading.end_row();
    reading
}

struct Sink(RefCell<Reading>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line_number: u64) -> TokenSinkResult<()> {
        let mut reading = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => {
                reading.tag(&tag);
                raw_content(&tag)
            }
            Token::CharacterTokens(text) => {
                reading.text(&text);
                TokenSinkResult::Continue
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

/// Elements whose content is not markup must be announced to the tokenizer.
fn raw_content(tag: &Tag) -> TokenSinkResult<()> {
    if tag.kind == TagKind::EndTag {
        return TokenSinkResult::Continue;
    }
    match tag.name.as_ref() {
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => TokenSinkResult::RawData(RawKind::Rawtext),
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

/// What an element means for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Never part of the text.
    Hidden,
    /// Around the main content, and hidden where that is marked.
    Surrounding,
    Main,
    Title,
    Heading(u8),
    Block,
    Item,
    /// A table or a part of it that ends a row which nobody closed.
    Table,
    Row,
    Cell,
    Preformatted,
    LineBreak,
    Inline,
}

fn kind(name: &str) -> Kind {
    match name {
        "script" | "style" | "nav" | "template" | "noscript" | "svg" | "math" | "iframe" | "object"
        | "select" | "button" | "textarea" | "noembed" | "noframes" | "dialog" => Kind::Hidden,
        "header" | "footer" | "aside" => Kind::Surrounding,
        "main" | "article" => Kind::Main,
        "title" => Kind::Title,
        "h1" => Kind::Heading(1),
        "h2" => Kind::Heading(2),
        "h3" | "h4" | "h5" | "h6" => Kind::Heading(3),
        "li" | "dd" => Kind::Item,
        "table" | "thead" | "tbody" | "tfoot" | "caption" => Kind::Table,
        "tr" => Kind::Row,
        "td" | "th" => Kind::Cell,
        "pre" => Kind::Preformatted,
        "br" => Kind::LineBreak,
        "p" | "div" | "section" | "blockquote" | "ul" | "ol" | "dl" | "dt" | "figure" | "figcaption"
        | "address" | "details" | "summary" | "hr" | "form" | "fieldset" | "body" | "html" | "head" => {
            Kind::Block
        }
        _ => Kind::Inline,
    }
}

/// What was written last: items of a list and rows of a table follow each other without an empty line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Block,
    Item,
    Row,
}

/// The text as far as it has been read.
#[derive(Debug)]
struct Reading {
    scope: Scope,
    sections: Sections,
    block: String,
    /// How many elements of each name are open, of those that hide their content.
    hidden: HashMap<String, usize>,
    main_depth: usize,
    has_main: bool,
    words: usize,
    in_title: bool,
    in_heading: bool,
    preformatted: usize,
    item: bool,
    last: Last,
    cells: Option<Vec<String>>,
    declared_title: String,
    first_heading: Option<String>,
}

impl Reading {
    fn new(scope: Scope) -> Self {
        Self {
            scope,
            sections: Sections::default(),
            block: String::new(),
            hidden: HashMap::new(),
            main_depth: 0,
            has_main: false,
            words: 0,
            in_title: false,
            in_heading: false,
            preformatted: 0,
            item: false,
            last: Last::Block,
            cells: None,
            declared_title: String::new(),
            first_heading: None,
        }
    }

    /// The first heading names the text; the page's title often names the site as well.
    fn title(&self) -> Option<String> {
        let declared = Some(self.declared_title.clone()).filter(|title| !title.trim().is_empty());
        self.first_heading.clone().or(declared)
    }

    fn tag(&mut self, tag: &Tag) {
        let name: &str = tag.name.as_ref();
        let opens = tag.kind == TagKind::StartTag && !tag.self_closing;
        match kind(name) {
            Kind::Hidden => self.hide(name, tag.kind, opens),
            Kind::Surrounding if self.scope == Scope::Main && name != "header" => {
                self.hide(name, tag.kind, opens);
            }
            Kind::Surrounding => self.end_block(),
            _ if !self.hidden.is_empty() => {}
            Kind::Main => self.main(opens, tag.kind),
            Kind::Title => self.in_title = opens,
            Kind::Heading(level) => self.heading(level, tag.kind),
            Kind::Block => self.end_block(),
            Kind::Item => {
                self.end_block();
                self.item = opens;
            }
            Kind::Table => {
                self.end_row();
                if name == "table" {
                    self.last = Last::Block;
                }
            }
            Kind::Row => {
                self.end_row();
                self.cells = opens.then(Vec::new);
            }
            Kind::Cell => self.end_cell(),
            Kind::Preformatted => {
                self.end_block();
                self.preformatted =
                    if opens { self.preformatted + 1 } else { self.preformatted.saturating_sub(1) };
            }
            Kind::LineBreak => self.block.push('\n'),
            Kind::Inline => {}
        }
    }

    fn hide(&mut self, name: &str, tag: TagKind, opens: bool) {
        if opens {
            if self.hidden.is_empty() {
                self.end_block();
            }
            *self.hidden.entry(name.to_owned()).or_default() += 1;
        } else if tag == TagKind::EndTag
            && let Some(open) = self.hidden.get_mut(name)
        {
            *open -= 1;
            if *open == 0 {
                self.hidden.remove(name);
            }
        }
    }

    fn main(&mut self, opens: bool, tag: TagKind) {
        self.end_block();
        if opens {
            self.has_main = true;
            self.main_depth += 1;
        } else if tag == TagKind::EndTag {
            self.main_depth = self.main_depth.saturating_sub(1);
        }
    }

    fn heading(&mut self, level: u8, tag: TagKind) {
        self.end_block();
        self.in_heading = tag == TagKind::StartTag;
        if self.in_heading && level <= 2 && self.is_taken() && self.cells.is_none() {
            self.sections.divide();
        }
    }

    fn is_taken(&self) -> bool {
        self.hidden.is_empty() && (self.scope == Scope::Everything || self.main_depth > 0)
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            self.declared_title.push_str(text);
            return;
        }
        if !self.is_taken() {
            return;
        }
        if self.preformatted > 0 {
            self.block.push_str(text);
            return;
        }
        for c in text.chars() {
            if !c.is_whitespace() {
                self.block.push(c);
            } else if !self.block.is_empty() && !self.block.ends_with([' ', '\n']) {
                self.block.push(' ');
            }
        }
    }

    fn end_block(&mut self) {
        if self.cells.is_some() {
            // Paragraphs in a cell stay in its line.
            if !self.block.is_empty() && !self.block.ends_with(' ') {
                self.block.push(' ');
            }
            return;
        }
        let block = std::mem::take(&mut self.block);
        if block.trim().is_empty() {
            return;
        }
        self.words += 1;
        if self.in_heading {
            self.first_heading.get_or_insert_with(|| block.trim().to_owned());
        }
        let item = std::mem::take(&mut self.item);
        let text = if item { format!("\u{2022} {}", block.trim()) } else { block };
        if item && self.last == Last::Item {
            self.sections.line(&text);
        } else {
            self.sections.block(&text);
        }
        self.last = if item { Last::Item } else { Last::Block };
    }

    /// A cell starts or ends: what was read since the last such mark is a cell's text, if it stands in a row.
    fn end_cell(&mut self) {
        if let Some(cells) = &mut self.cells {
            let cell = std::mem::take(&mut self.block);
            if !cell.trim().is_empty() {
                cells.push(cell);
            }
        }
    }

    fn end_row(&mut self) {
        self.end_cell();
        let Some(cells) = self.cells.take() else {
            return self.end_block();
        };
        let line = row(&cells);
        if line.is_empty() {
            return;
        }
        self.words += 1;
        if self.last == Last::Row {
            self.sections.line(&line);
        } else {
            self.sections.block(&line);
        }
        self.last = Last::Row;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        extract(source.as_bytes()).unwrap().pages.into_iter().map(|page| page.text).collect()
    }

    #[test]
    fn the_main_content_is_taken_and_what_surrounds_it_is_not() {
        let page = "<html><head><title>Site</title><style>p{}</style></head><body><header>Site header</header><nav>Menu</nav>\
                    <main><header><h1>The title</h1></header><p>First &amp; best,\n in two lines.<br>Third.</p><aside>Read also</aside>\
                    <script>if (a<b) {}</script><h2>Next</h2><ul><li>one<li>two</ul><table><tr><th>a<th>b</tr><tr><td>c</td><td><p>d</p><p>e</p></td></tr></table>\
                    <footer>Share</footer></main><footer>Imprint</footer></body></html>";
        assert_eq!(
            texts(page),
            [
                "The title\n\nFirst & best, in two lines.\nThird.",
                "Next\n\n\u{2022} one\n\u{2022} two\n\na | b\nc | d e"
            ]
        );
        assert_eq!(extract(page.as_bytes()).unwrap().title.as_deref(), Some("The title"));
    }

    #[test]
    fn without_a_main_element_everything_but_navigation_counts() {
        assert_eq!(texts("<nav>Menu</nav><header>Top</header><p>Text</p><main></main>"), ["Top\n\nText"]);
    }

    #[test]
    fn declared_encodings_are_believed_where_bytes_allow() {
        let page = b"<html><meta charset=\"iso-8859-2\"><p>\xb1</p>";
        assert_eq!(extract(page).unwrap().pages[0].text, "\u{105}");
        assert_eq!(texts("<html><meta charset=\"iso-8859-2\"><p>\u{e9}</p>"), ["\u{e9}"]);
    }

    #[test]
    fn deep_and_broken_nesting_is_read_in_linear_time() {
        let page = format!("<p>start</p>{}deep", "<div><b><table><tr><td>".repeat(50_000));
        let all = texts(&page).concat();
        assert!(all.starts_with("start") && all.ends_with("deep"), "{}", all.len());
    }
}
