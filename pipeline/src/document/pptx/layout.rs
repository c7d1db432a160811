//! Where layouts and masters put the text that a slide itself does not place.

use std::collections::HashMap;
use std::rc::Rc;

use super::ground::has_white_light;
use super::places::Places;
use super::shape::{Frame, Part, Placeholder};
use super::slide::Slide;
use crate::document::office::package::{Package, Relationships};

/// A presentation has tens of layouts.
const LAYOUTS_MAX: usize = 500;

/// The layouts that were read, by the names of their parts.
#[derive(Default)]
pub(super) struct Layouts(HashMap<String, Rc<Places>>);

impl Layouts {
    /// The places of a slide's layout; none if it has no layout, or a damaged one.
    pub(super) fn places(&mut self, package: &mut Package<'_>, links: &Relationships) -> Rc<Places> {
        let Some(name) = links.first("slideLayout") else { return Rc::default() };
        if let Some(known) = self.0.get(name) {
            return Rc::clone(known);
        }
        if self.0.len() >= LAYOUTS_MAX {
            return Rc::default();
        }
        let (own, layout_is_white) = placed(package, name);
        let layout_links = package.relationships(name);
        let mut places = Places { own, has_ground: !layout_is_white, ..Places::default() };
        if let Some(name) = layout_links.first("slideMaster") {
            let (master, master_is_white) = placed(package, name);
            let master_links = package.relationships(name);
            let theme = master_links.first("theme").map(str::to_owned);
            let theme = theme.and_then(|theme| package.side_part(&theme, "the theme"));
            let theme_is_white = theme.is_some_and(|theme| has_white_light(&theme));
            places.has_ground |= !(master_is_white && theme_is_white);
            places.master = master;
        }
        let places = Rc::new(places);
        self.0.insert(name.to_owned(), Rc::clone(&places));
        places
    }
}

/// The places of a part, and whether nothing but white lies below its texts.
fn placed(package: &mut Package<'_>, name: &str) -> (Vec<(Placeholder, Frame)>, bool) {
    let what = "a slide's layout";
    let Some(xml) = package.side_part(name, what) else { return (Vec::new(), false) };
    let slide = Slide::read(&xml, Part::Slide, Vec::new());
    let slide = package.sound(slide, what);
    slide.map(|slide| (slide.placed, slide.ground.is_white())).unwrap_or_default()
}
