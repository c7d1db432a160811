//! The presentation: its slides in order, and their size.

use super::shape::Frame;
use crate::document::{
    error::DocumentError,
    office::package::Relationships,
    xml::{Xml, walk},
};

/// A presentation.
#[derive(Debug, Default)]
pub(super) struct Deck {
    /// The parts of the slides, in the presentation's order. `None` for a slide whose link is missing.
    pub(super) slides: Vec<Option<String>>,
    /// The area of a slide, if the presentation names it.
    pub(super) size: Option<Frame>,
}

/// Reads the main part of a presentation.
pub(super) fn deck(xml: &str, links: &Relationships) -> Result<Deck, DocumentError> {
    let mut deck = Deck::default();
    walk(xml, |event| {
        let Xml::Start(element) = event else { return };
        match element.name {
            "sldId" => {
                let id = element.prefixed_attribute("id");
                deck.slides.push(id.and_then(|id| links.target(&id).map(str::to_owned)));
            }
            "sldSz" => {
                if let (Some(width), Some(height)) = (element.number("cx"), element.number("cy")) {
                    deck.size = Some(Frame { left: 0.0, top: 0.0, width, height });
                }
            }
            _ => {}
        }
    })?;
    Ok(deck)
}
