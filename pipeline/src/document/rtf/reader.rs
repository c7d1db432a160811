//! The reader's state between tokens.

use std::collections::HashMap;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::charset::{code_page, font_set};
use super::group::{Group, Target, character, target};
use super::left_out::LeftOut;
use super::paragraphs::Paragraphs;
use super::token::{Token, Tokens};
use crate::document::error::DocumentError;
use crate::document::raw::RawDocument;
use crate::document::superscript::superscript;

/// Documents nest about 20 deep.
const GROUPS_MAX: usize = 2_000;
/// Fonts and styles of one document. Word lists some hundreds.
const ENTRIES_MAX: usize = 20_000;

/// Reads the document token by token.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    tokens: Tokens<'b>,
    group: Group,
    groups: Vec<Group>,
    /// Bytes of text that wait for their encoding: a character may take two.
    bytes: Vec<u8>,
    /// The first half of a character beyond 16 bits.
    surrogate: Option<u16>,
    /// So many characters repeat the last one for old readers.
    repeated: usize,
    default: &'static Encoding,
    /// Bytes that stand for themselves are UTF-8, against the rules.
    is_utf8: bool,
    fonts: HashMap<i32, &'static Encoding>,
    styles: HashMap<i32, u8>,
    style_name: String,
    title: String,
    out: Paragraphs,
    left_out: LeftOut,
    lost: usize,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            tokens: Tokens::new(bytes),
            group: Group { fallback: 1, ..Group::default() },
            groups: Vec::new(),
            bytes: Vec::new(),
            surrogate: None,
            repeated: 0,
            default: WINDOWS_1252,
            is_utf8: !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok(),
            fonts: HashMap::new(),
            styles: HashMap::new(),
            style_name: String::new(),
            title: String::new(),
            out: Paragraphs::default(),
            left_out: LeftOut::default(),
            lost: 0,
        }
    }

    pub(super) fn read(&mut self) -> Result<(), DocumentError> {
        while let Some(token) = self.tokens.next() {
            match token {
                Token::Open => {
                    self.flush();
                    if self.groups.len() >= GROUPS_MAX {
                        return Err(DocumentError::Corrupt("its groups are nested too deeply".to_owned()));
                    }
                    self.groups.push(self.group);
                    self.group.may_skip = false;
                    self.repeated = 0;
                }
                Token::Close => {
                    self.flush();
                    self.close();
                }
                Token::Word(word, number) => self.word(word, number),
                Token::Symbol(symbol) => self.symbol(symbol),
                Token::Escaped(byte) | Token::Byte(byte) => self.byte(byte),
            }
        }
        self.flush();
        Ok(())
    }

    fn close(&mut self) {
        self.repeated = 0;
        let Some(outer) = self.groups.pop() else { return };
        let inner = std::mem::replace(&mut self.group, outer);
        if inner.target == Target::Styles && !self.style_name.is_empty() {
            self.add_style(inner.style);
        }
        if inner.target == Target::Note && outer.target != Target::Note {
            self.out.end_note();
        }
    }

    /// Keeps the level of a heading's style.
    fn add_style(&mut self, style: i32) {
        let name = std::mem::take(&mut self.style_name).trim_end_matches(';').trim().to_lowercase();
        let level = name.strip_prefix("heading ").and_then(|level| level.parse::<u8>().ok());
        let level = if name == "title" { Some(1) } else { level };
        if let Some(level) = level.filter(|level| (1..=9).contains(level) && self.styles.len() < ENTRIES_MAX)
        {
            self.styles.insert(style, level);
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.repeated > 0 {
            self.repeated -= 1;
        } else if self.group.target != Target::Nothing {
            self.bytes.push(byte);
        }
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'*' => self.group.may_skip = true,
            b'\\' | b'{' | b'}' => self.byte(symbol),
            b'~' => self.character('\u{a0}'),
            b'_' => self.character('\u{2011}'),
            b'\r' | b'\n' => self.paragraph_end(),
            // An optional hyphen, and marks of an index.
            _ => {}
        }
    }

    fn word(&mut self, word: &str, number: Option<i32>) {
        self.flush();
        let is_on = number != Some(0);
        if std::mem::take(&mut self.group.may_skip)
            && target(word).is_none()
            && !matches!(word, "shpinst" | "shpgrp" | "docvar")
        {
            self.group.target = Target::Nothing;
        }
        match word {
            "u" => self.unicode(number.unwrap_or(0)),
            "uc" => self.group.fallback = usize::try_from(number.unwrap_or(1)).unwrap_or(1).min(8),
            "bin" => self.tokens.skip_bytes(usize::try_from(number.unwrap_or(0)).unwrap_or(0)),
            "ansicpg" => self.default = code_page(number.unwrap_or(0)).unwrap_or(self.default),
            "mac" => self.default = encoding_rs::MACINTOSH,
            "f" | "af" => self.group.font = number.unwrap_or(0),
            "fcharset" => self.font(font_set(number.unwrap_or(0))),
            "cpg" => self.font(code_page(number.unwrap_or(0))),
            "v" => self.group.is_hidden = is_on,
            "super" => self.group.is_raised = is_on,
            "nosupersub" | "sub" => self.group.is_raised = false,
            "deleted" => self.group.is_deleted = is_on,
            "plain" => {
                self.group.is_hidden = false;
                self.group.is_deleted = false;
                self.group.is_raised = false;
            }
            "pard" => {
                self.group.style = 0;
                self.group.level = None;
                self.group.in_table = false;
            }
            "s" => self.group.style = number.unwrap_or(0),
            "outlinelevel" => {
                self.group.level =
                    u8::try_from(number.unwrap_or(9)).ok().filter(|level| *level < 9).map(|level| level + 1);
            }
            "intbl" => self.group.in_table = is_on,
            _ => self.part(word),
        }
    }

    /// Words that end a part of the text, or begin one.
    fn part(&mut self, word: &str) {
        let is_body = self.group.target == Target::Body;
        match word {
            "par" => self.paragraph_end(),
            "sect" | "page" if is_body => {
                self.paragraph_end();
                self.out.divide();
            }
            "cell" | "nestcell" if is_body => self.out.end_cell(),
            "row" | "nestrow" if is_body => self.out.end_row(),
            _ => {
                if let Some(c) = character(word) {
                    self.character(c);
                } else if let Some(target) = target(word) {
                    self.begin(word, target);
                }
            }
        }
    }

    fn begin(&mut self, word: &str, target: Target) {
        if self.groups.last().is_none_or(|outer| outer.target == Target::Body) {
            self.left_out.count(word);
        }
        // A part within one that is left out is left out, but the result of a field or an object is the text.
        let shows_result = matches!(word, "result" | "ud" | "title");
        if self.group.target == Target::Nothing && !shows_result {
            return;
        }
        self.group.target = target;
    }

    fn font(&mut self, encoding: Option<&'static Encoding>) {
        if self.group.target == Target::Fonts
            && self.fonts.len() < ENTRIES_MAX
            && let Some(encoding) = encoding
        {
            self.fonts.insert(self.group.font, encoding);
        }
    }

    fn paragraph_end(&mut self) {
        self.flush();
        match self.group.target {
            Target::Body => {
                let level = self.group.level.or_else(|| self.styles.get(&self.group.style).copied());
                self.out.end(level, self.group.in_table);
            }
            Target::Note => self.out.note.push(' '),
            _ => {}
        }
    }

    /// A character by its number, which is signed and may be half of a pair.
    fn unicode(&mut self, number: i32) {
        self.repeated = self.group.fallback;
        let unit = (number & 0xffff) as u16;
        match (self.surrogate.take(), unit) {
            (_, 0xd800..=0xdbff) => self.surrogate = Some(unit),
            (Some(high), 0xdc00..=0xdfff) => {
                let c = char::decode_utf16([high, unit]).next().and_then(Result::ok);
                self.character(c.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => self.character(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn character(&mut self, c: char) {
        self.flush();
        self.write(c.encode_utf8(&mut [0; 4]));
    }

    /// Decodes the bytes that wait.
    fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let font = self.fonts.get(&self.group.font).copied().unwrap_or(self.default);
        let encoding = if self.is_utf8 && std::str::from_utf8(&bytes).is_ok() { UTF_8 } else { font };
        let text = encoding.decode_without_bom_handling(&bytes).0;
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        self.lost += text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
        if self.group.is_deleted {
            return;
        }
        match self.group.target {
            Target::Nothing | Target::Fonts => {}
            Target::Body | Target::Note | Target::ListMark if self.group.is_hidden => self.out.hide(text),
            Target::Body if self.group.is_raised => {
                self.out.text.push_str(superscript(text).as_deref().unwrap_or(text));
            }
            Target::Body => self.out.text.push_str(text),
            Target::Note => self.out.note.push_str(text),
            Target::ListMark => self.out.mark.push_str(text),
            Target::Title => self.title.push_str(text),
            Target::Styles => self.style_name.push_str(text),
        }
    }

    pub(super) fn finish(mut self) -> RawDocument {
        self.out.end_row();
        self.out.end(None, false);
        self.out.divide();
        let mut warnings: Vec<String> = self.left_out.warning().into_iter().collect();
        if !self.out.hidden.is_empty() {
            warnings.push("The document holds text that Word hides. It is not part of the text.".to_owned());
        }
        if self.lost > 0 {
            warnings.push(format!("{} characters could not be decoded and stand as U+FFFD.", self.lost));
        }
        let title = Some(self.title).filter(|title| !title.trim().is_empty());
        RawDocument {
            title: title.or(self.out.first_heading),
            pages: self.out.sections.pages(),
            warnings,
            hidden: self.out.hidden,
            ..RawDocument::default()
        }
    }
}
