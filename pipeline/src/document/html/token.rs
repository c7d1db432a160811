//! Tags and text of HTML, one after another, in linear time.
//!
//! The tokenizer of `html5ever` compares each attribute of a tag with all before it, so one tag can cost hours. This one
//! keeps a few attributes by name and skips the others. It takes the named characters from `html5ever`.

use std::borrow::Cow;

use html5ever::LocalName;

use super::{entity, page::Attributes};

/// The attributes that say something about the text.
const KEPT: [&str; 29] = [
    "alt",
    "aria-controls",
    "aria-expanded",
    "aria-modal",
    "bgcolor",
    "class",
    "colspan",
    "color",
    "data-bs-target",
    "data-target",
    "encoding",
    "hidden",
    "href",
    "id",
    "media",
    "open",
    "reversed",
    "role",
    "rowspan",
    "shadowrootmode",
    "srcdoc",
    "start",
    "style",
    "type",
    "value",
    "src",
    "rel",
    "width",
    "height",
];

/// A tag.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: LocalName,
    pub(super) attributes: Attributes,
    pub(super) is_end: bool,
    /// Whether the tag ends with `/>`.
    pub(super) is_closed: bool,
}

/// A piece of a page.
#[derive(Debug)]
pub(super) enum Token<'s> {
    Tag(Tag),
    Text(Cow<'s, str>),
}

/// Reads a page piece by piece.
#[derive(Debug)]
pub(super) struct Tokens<'s> {
    source: &'s str,
    at: usize,
    /// XHTML: `<title/>` is a whole element, and CDATA is text.
    is_xml: bool,
    /// The element whose content holds no markup, and of which the start was just read.
    raw: Option<LocalName>,
    /// The attributes that the page's own style sheets test, in lower case.
    tested: &'s [String],
    /// Elements without markup whose end is not in the rest of the page.
    endless: Vec<LocalName>,
}

impl<'s> Tokens<'s> {
    pub(super) fn new(source: &'s str, is_xml: bool, tested: &'s [String]) -> Self {
        Self { source, at: 0, is_xml, raw: None, tested, endless: Vec::new() }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + offset).copied()
    }

    /// Moves behind the next occurrence of a mark, or to the end, and returns the text before it.
    fn skip_past(&mut self, mark: &str) -> &'s str {
        let rest = self.rest();
        let (text, length) = match memchr::memmem::find(rest.as_bytes(), mark.as_bytes()) {
            Some(at) => (rest.get(..at).unwrap_or_default(), at + mark.len()),
            None => (rest, rest.len()),
        };
        self.at += length;
        text
    }

    /// The text up to the next `<`, of which the first `taken` bytes are text in any case.
    fn text(&mut self, taken: usize) -> Token<'s> {
        let rest = self.rest();
        let after = rest.as_bytes().get(taken..).unwrap_or_default();
        let length = memchr::memchr(b'<', after).map_or(rest.len(), |at| at + taken);
        self.at += length;
        Token::Text(entity::decoded(rest.get(..length).unwrap_or_default()))
    }

    /// The content of an element that holds no markup.
    fn raw_text(&mut self, name: &LocalName) -> Option<Token<'s>> {
        let rest = self.rest();
        let end = memchr::memchr_iter(b'<', rest.as_bytes()).find(|at| is_end_of(rest, *at, name));
        let Some(length) = end else {
            self.endless.push(name.clone());
            // Nobody sees what follows a script without an end. Other elements were never meant to hold the page.
            if matches!(&**name, "script" | "style") {
                self.at = self.source.len();
            }
            return None;
        };
        self.at += length;
        let text = rest.get(..length).unwrap_or_default();
        let holds_entities = matches!(&**name, "title" | "textarea");
        Some(Token::Text(if holds_entities { entity::decoded(text) } else { text.into() }))
    }

    fn tag(&mut self) -> Option<Token<'s>> {
        let is_end = self.byte(1) == Some(b'/');
        self.at += 1 + usize::from(is_end);
        let name = self.word(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        let mut tag = Tag {
            name: LocalName::from(name.to_ascii_lowercase()),
            attributes: Vec::new(),
            is_end,
            is_closed: false,
        };
        loop {
            self.word(|byte| !byte.is_ascii_whitespace());
            match self.byte(0)? {
                b'>' => break,
                b'/' => {
                    self.at += 1;
                    tag.is_closed = self.byte(0) == Some(b'>');
                }
                _ => self.attribute(&mut tag),
            }
        }
        self.at += 1;
        if !is_end && holds_no_markup(&tag.name) && !(tag.is_closed && self.is_xml) {
            self.raw = Some(tag.name.clone()).filter(|name| !self.endless.contains(name));
        }
        Some(Token::Tag(tag))
    }

    fn attribute(&mut self, tag: &mut Tag) {
        let start = self.at;
        // A name may begin with `=`.
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        self.word(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'='));
        let name = self.source.get(start..self.at).unwrap_or_default();
        let before_blanks = self.at;
        self.word(|byte| !byte.is_ascii_whitespace());
        let value = if self.byte(0) == Some(b'=') {
            self.at += 1;
            self.word(|byte| !byte.is_ascii_whitespace());
            match self.byte(0) {
                Some(quote @ (b'"' | b'\'')) => {
                    self.at += 1;
                    self.skip_past(if quote == b'"' { "\"" } else { "'" })
                }
                _ => self.word(|byte| byte.is_ascii_whitespace() || byte == b'>'),
            }
        } else {
            self.at = before_blanks;
            ""
        };
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        let known = KEPT.into_iter().find(|known| same(known)).map(Cow::Borrowed);
        let tested = || self.tested.iter().find(|known| same(known)).map(|known| Cow::Owned(known.clone()));
        let kept = known.or_else(tested);
        if let Some(name) = kept.filter(|kept| tag.attributes.iter().all(|(other, _)| other != kept)) {
            tag.attributes.push((name, entity::decoded(value).into_owned()));
        }
    }

    /// Moves to the next byte that ends a word, and returns what is before it.
    fn word(&mut self, ends: impl Fn(u8) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }
}

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        if let Some(name) = self.raw.take()
            && let Some(text) = self.raw_text(&name)
        {
            return Some(text);
        }
        loop {
            if self.byte(0)? != b'<' {
                return Some(self.text(0));
            }
            match self.byte(1) {
                Some(byte) if byte.is_ascii_alphabetic() => return self.tag(),
                Some(b'/') if self.byte(2).is_some_and(|byte| byte.is_ascii_alphabetic()) => {
                    return self.tag();
                }
                Some(b'!') if self.rest().starts_with("<!--") => {
                    // `<!-->` and `<!--->` are whole comments.
                    self.at += if self.rest().starts_with("<!-->") {
                        2
                    } else if self.rest().starts_with("<!--->") {
                        3
                    } else {
                        4
                    };
                    self.skip_past("-->");
                }
                Some(b'!') if self.is_xml && self.rest().starts_with("<![CDATA[") => {
                    self.at += "<![CDATA[".len();
                    return Some(Token::Text(self.skip_past("]]>").into()));
                }
                Some(b'!' | b'?' | b'/') => {
                    self.skip_past(">");
                }
                _ => return Some(self.text(1)),
            }
        }
    }
}

fn holds_no_markup(name: &str) -> bool {
    matches!(name, "script" | "style" | "title" | "textarea" | "xmp" | "iframe" | "noembed" | "noframes")
}

/// Whether the end tag of an element stands here.
fn is_end_of(text: &str, at: usize, name: &str) -> bool {
    let after = text.as_bytes().get(at + 1..).unwrap_or_default();
    let Some(rest) = after.strip_prefix(b"/") else { return false };
    rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        && rest.get(name.len()).is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'))
}
