//! The targets of links within the page.

use std::collections::HashSet;

use crate::stages::Outputs;

/// The most digits of an item's id that becomes an anchor.
const DIGITS_MAX: usize = 4;

/// The ids that a link may name: those of items, and of quotes.
#[derive(Debug)]
pub(super) struct Anchors<'a> {
    items: HashSet<&'a str>,
    quotes: usize,
}

impl<'a> Anchors<'a> {
    pub(super) fn new(outputs: &'a Outputs, quotes: usize) -> Self {
        let ids = (outputs.opportunities().iter().map(|item| &item.id))
            .chain(outputs.lessons().iter().map(|item| &item.id))
            .chain(outputs.trends().iter().map(|item| &item.id))
            .chain(outputs.inspirations().iter().map(|item| &item.id));
        // The pipeline gives ids. A stored record may hold others, which get no anchor.
        Self { items: ids.map(String::as_str).filter(|id| is_item_id(id)).collect(), quotes }
    }

    /// Whether an item with this id has a card.
    pub(super) fn has_item(&self, id: &str) -> bool {
        self.items.contains(id)
    }

    /// The anchor of a quote, by its place in the list.
    pub(super) fn quote(&self, place: usize) -> Option<String> {
        (place < self.quotes).then(|| format!("E{}", place + 1))
    }
}

/// Whether a text is the id of an item: a letter of a stage, and a number. Ids of evidence are other anchors.
fn is_item_id(id: &str) -> bool {
    let Some(digits) = id.strip_prefix(['I', 'T', 'L', 'O']) else { return false };
    (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A piece of prose.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    /// The id of an item that has a card.
    Item(&'t str),
}

impl Anchors<'_> {
    /// Prose in pieces. Only ids in brackets of their own, as in `(I1, T2)`, are references: elsewhere, `T1` or `O2` may
    /// be a word of the document.
    pub(super) fn pieces<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['(', '[']) {
            let (before, group) = rest.split_at(open + 1);
            let end = group.find(['(', '[', ')', ']']).unwrap_or(group.len());
            let (inside, after) = group.split_at(end);
            push(&mut pieces, before);
            match self.ids(inside) {
                Some(found) => pieces.extend(found),
                None => push(&mut pieces, inside),
            }
            rest = after;
        }
        push(&mut pieces, rest);
        pieces
    }

    /// The pieces of a text that holds nothing but known ids. None for any other text.
    fn ids<'t>(&self, text: &'t str) -> Option<Vec<Piece<'t>>> {
        /// Longer brackets hold more than ids.
        const BYTES_MAX: usize = 120;
        if text.len() > BYTES_MAX {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let start = rest.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (between, word) = rest.split_at(start);
            if !between.chars().all(|c| matches!(c, ',' | ';' | ' ' | '&' | '/')) {
                return None;
            }
            push(&mut pieces, between);
            let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
            let (id, after) = word.split_at(end);
            match id {
                "" => {}
                "and" => pieces.push(Piece::Text(id)),
                id if self.has_item(id) => pieces.push(Piece::Item(id)),
                _ => return None,
            }
            rest = after;
        }
        Some(pieces)
    }
}

fn push<'t>(pieces: &mut Vec<Piece<'t>>, text: &'t str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece::*, *};

    fn anchors() -> Anchors<'static> {
        Anchors { items: HashSet::from(["I1", "T2", "O2"]), quotes: 2 }
    }

    #[test]
    fn ids_in_brackets_are_links() {
        for (text, pieces) in [
            ("As seen (I1).", vec![Text("As seen ("), Item("I1"), Text(").")]),
            ("[I1, T2]", vec![Text("["), Item("I1"), Text(", "), Item("T2"), Text("]")]),
            (
                "(I1 and T2)",
                vec![Text("("), Item("I1"), Text(" "), Text("and"), Text(" "), Item("T2"), Text(")")],
            ),
            ("((I1", vec![Text("("), Text("("), Item("I1")]),
        ] {
            assert_eq!(anchors().pieces(text), pieces, "{text}");
        }
    }

    #[test]
    fn other_words_stay_text() {
        for text in ["O2 falls", "(I9)", "(see I1)", "(I1—x)", "()", "", "(é)", "(I1é)"] {
            let pieces = anchors().pieces(text);
            assert!(pieces.iter().all(|piece| matches!(piece, Text(_))), "{text}: {pieces:?}");
        }
    }

    #[test]
    fn strange_ids_get_no_anchor() {
        for id in ["", "E1", "O", "O12345", "O1\"", "o1", "O1 x", "Ö1"] {
            assert!(!is_item_id(id), "{id}");
        }
        assert_eq!(anchors().quote(1).as_deref(), Some("E2"));
        assert_eq!(anchors().quote(2), None);
    }
}
