//! The style sheets of a book: its chapters name them relative to themselves.

use std::collections::HashMap;

use super::package::unescaped;
use crate::document::archive::{self, Archive};
use crate::document::encoding;
use crate::document::html::{StyleSheet, import_holds, without_comments};

/// So many sheets of one book are read. Books have a few.
const SHEETS_MAX: usize = 200;
/// So many sheets one chapter names, or one sheet brings in.
const LINKS_MAX: usize = 20;
/// A sheet brings in another, which brings in another.
const IMPORT_DEPTH_MAX: usize = 3;
/// A longer sheet holds fonts, and hides nothing that a shorter one would not.
const SHEET_BYTES_MAX: usize = 1_000_000;

/// The sheets of a book that were read.
#[derive(Debug, Default)]
pub(super) struct Styles {
    /// Without comments, by their names in the book. None stands for one that cannot be read, and hides nothing.
    sheets: HashMap<String, Option<String>>,
    /// Whether the book holds sheets that were not read.
    pub(super) has_unread: bool,
}

impl Styles {
    /// The sheets that a chapter names.
    pub(super) fn of_chapter(
        &mut self,
        archive: &mut Archive<'_>,
        chapter: &str,
        source: &str,
    ) -> Vec<StyleSheet> {
        let mut sheets = Vec::new();
        for address in links(source) {
            let name = archive::resolved(chapter, &unescaped(&address));
            if let Some(text) = self.text(archive, &name, IMPORT_DEPTH_MAX) {
                sheets.push(StyleSheet { addresses: vec![address], text });
            }
        }
        sheets
    }

    /// A sheet, after the sheets that it brings in.
    fn text(&mut self, archive: &mut Archive<'_>, name: &str, depth: usize) -> Option<String> {
        if !self.sheets.contains_key(name) {
            if self.sheets.len() >= SHEETS_MAX {
                self.has_unread = true;
                return None;
            }
            let text = self.read(archive, name);
            self.sheets.insert(name.to_owned(), text);
        }
        let own = self.sheets.get(name)?.clone()?;
        let mut text = String::new();
        if depth > 0 {
            // Rules for paper hide nothing on a screen.
            for (address, _) in imports(&own).into_iter().filter(|(_, said)| import_holds(said)) {
                let imported = archive::resolved(name, &unescaped(address));
                text.push_str(&self.text(archive, &imported, depth - 1).unwrap_or_default());
                if text.len() > SHEET_BYTES_MAX {
                    self.has_unread = true;
                    return None;
                }
            }
        }
        // The imported rules stand above.
        text.push_str(&own.replace("@import", "@imported"));
        Some(text)
    }

    fn read(&mut self, archive: &mut Archive<'_>, name: &str) -> Option<String> {
        let bytes = match archive.read_bytes(name) {
            Ok(Some(bytes)) if bytes.len() <= SHEET_BYTES_MAX => Some(bytes),
            // A sheet that the book does not hold hides nothing in other programs either.
            Ok(None) => return None,
            Ok(Some(_)) | Err(_) => None,
        };
        let decoded = bytes.and_then(|bytes| encoding::decode(&bytes, None).ok());
        self.has_unread |= decoded.is_none();
        decoded.map(|decoded| without_comments(&decoded.text))
    }
}

/// The addresses of the style sheets that a chapter links, as they are written there.
fn links(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in source.split("<link").skip(1) {
        let tag = rest.split('>').next().unwrap_or_default();
        if !tag.to_ascii_lowercase().contains("stylesheet") {
            continue;
        }
        // Other attributes begin or end with the same letters: `hreflang`, `data-href`.
        let value = tag.split("href").zip(tag.split("href").skip(1)).find_map(|(before, rest)| {
            let value = rest.trim_start().strip_prefix('=')?;
            before.ends_with(char::is_whitespace).then_some(value)
        });
        let Some(value) = value.map(str::trim_start) else { continue };
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let address = match quote {
            Some(quote) => value.get(1..).and_then(|value| value.split(quote).next()),
            None => value.split([' ', '/', '\n', '\t']).next(),
        };
        if let Some(address) = address
            && found.len() < LINKS_MAX
        {
            found.push(address.trim().to_owned());
        }
    }
    found
}

/// The addresses of `@import "a.css"` and `@import url(a.css) print`, each with what follows it.
fn imports(sheet: &str) -> Vec<(&str, &str)> {
    sheet.split("@import").skip(1).take(LINKS_MAX).filter_map(import).collect()
}

fn import(rest: &str) -> Option<(&str, &str)> {
    let (rule, _) = rest.split_once(';')?;
    let (_, inner) = rule.split_once(['"', '\'', '('])?;
    let inner = inner.trim_start_matches(['"', '\'', ' ']);
    let (address, after) = inner.split_at_checked(inner.find(['"', '\'', ')'])?)?;
    let ends_address = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')');
    Some((address.trim(), after.trim_start_matches(ends_address).trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_imports_are_found() {
        let source = "<html><link rel='StyleSheet' href=\"../a%20b.css\"/><link href = 'c.css' rel=stylesheet>\
            <link rel=stylesheet href=d.css /><link/><link rel=icon href=x.png>\
            <link rel=\"stylesheet\" hreflang=\"en\" data-href=\"x\" href=\"e.css\"/>";
        assert_eq!(links(source), ["../a%20b.css", "c.css", "d.css", "e.css"]);
        let sheet =
            "@import \"a.css\"; @import url( 'b.css' ) screen; @import url(c.css) layer(a) ; @import; p{}";
        let found = [("a.css", ""), ("b.css", "screen"), ("c.css", "layer(a)")];
        assert_eq!(imports(sheet), found);
    }
}
