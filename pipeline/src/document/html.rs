//! Reads HTML as text: the main content, section by section.
//!
//! The reader takes one token after another and builds no tree. Memory stays small and time linear, however
//! deeply or wrongly elements nest.

mod element;
mod reading;

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use self::reading::{Reading, Scope};
use super::raw::RawDocument;
use super::{error::DocumentError, text};

/// Reads HTML.
///
/// If the page marks its main content (`main`, `article`), only that is taken. Navigation, scripts, styles
/// and forms are never taken.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let source = decode(bytes);
    let whole = read(&source, Scope::Everything);
    let main = if whole.has_main { Some(read(&source, Scope::Main)) } else { None };
    let page = main.filter(|main| main.words > 0).unwrap_or(whole);
    Ok(RawDocument {
        title: page.title(),
        pages: page.sections.pages(),
        warnings: text::warnings(&source),
        ..RawDocument::default()
    })
}

/// Decodes a page by its byte order mark, else by the encoding that it declares, else as plain text.
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

/// Tells the tokenizer which elements hold no markup.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        extract(source.as_bytes()).unwrap().pages.into_iter().map(|page| page.text).collect()
    }

    #[test]
    fn only_the_main_content_is_taken() {
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
    fn deep_broken_nesting_takes_linear_time() {
        let page = format!("<p>start</p>{}deep", "<div><b><table><tr><td>".repeat(50_000));
        let all = texts(&page).concat();
        assert!(all.starts_with("start") && all.ends_with("deep"), "{}", all.len());
    }
}
