//! The styles of an OpenDocument file, as far as they decide what a reader sees.

use std::collections::HashMap;

use super::lists::{Level, ListStyle};
use crate::document::{
    error::DocumentError,
    xml::{Element, Xml, walk},
};

/// A style refers to another; a chain of more than this is a circle or an attack.
const CHAIN_MAX: usize = 16;

/// A style.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    parent: Option<String>,
    hidden: Option<bool>,
    raised: Option<bool>,
    tiny: Option<bool>,
    list: Option<String>,
    breaks_page: Option<bool>,
    /// Of a sheet or a slide.
    invisible: bool,
    display_name: String,
}

/// The styles of a document, by family and name.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
    lists: HashMap<String, ListStyle>,
    /// The numbers of headings.
    pub(super) outline: ListStyle,
}

impl Styles {
    fn chain<'s>(&'s self, family: &'s str, name: &str) -> impl Iterator<Item = &'s Style> {
        let first = self.styles.get(&format!("{family}/{name}"));
        std::iter::successors(first, move |style| {
            self.styles.get(&format!("{family}/{}", style.parent.as_ref()?))
        })
        .take(CHAIN_MAX)
    }

    pub(super) fn is_hidden(&self, family: &str, name: &str) -> Option<bool> {
        self.chain(family, name).find_map(|style| style.hidden)
    }

    pub(super) fn is_raised(&self, name: &str) -> Option<bool> {
        self.chain("text", name).find_map(|style| style.raised)
    }

    pub(super) fn is_tiny(&self, family: &str, name: &str) -> Option<bool> {
        self.chain(family, name).find_map(|style| style.tiny)
    }

    pub(super) fn breaks_page(&self, name: &str) -> bool {
        self.chain("paragraph", name).find_map(|style| style.breaks_page).unwrap_or_default()
    }

    pub(super) fn list_of_paragraph(&self, name: &str) -> Option<&str> {
        self.chain("paragraph", name).find_map(|style| style.list.as_deref()).filter(|list| !list.is_empty())
    }

    /// Whether the paragraph is the document's title.
    pub(super) fn is_title(&self, name: &str) -> bool {
        name == "Title"
            || self.chain("paragraph", name).any(|style| style.display_name == "Title")
            || self
                .styles
                .get(&format!("paragraph/{name}"))
                .is_some_and(|it| it.parent.as_deref() == Some("Title"))
    }

    pub(super) fn is_invisible(&self, family: &str, name: &str) -> bool {
        self.chain(family, name).any(|style| style.invisible)
    }

    pub(super) fn list(&self, name: &str) -> Option<&ListStyle> {
        self.lists.get(name)
    }
}

/// Adds the styles of a part.
pub(super) fn read_styles(xml: &str, styles: &mut Styles) -> Result<(), DocumentError> {
    let mut current: Option<(String, Style)> = None;
    let mut list: Option<(String, ListStyle)> = None;
    walk(xml, |event| match event {
        Xml::Start(element) => match element.name {
            "style" => current = Some(new_style(&element)),
            "list-style" => {
                list = Some((element.attribute("name").unwrap_or_default(), ListStyle::default()))
            }
            "outline-style" => list = Some((String::new(), ListStyle::default())),
            "list-level-style-number"
            | "outline-level-style"
            | "list-level-style-bullet"
            | "list-level-style-image" => {
                if let Some((_, list)) = &mut list {
                    list.set(element.number("level").unwrap_or(1), Level::read(&element));
                }
            }
            _ => {
                if let Some((_, style)) = &mut current {
                    style.set(&element);
                }
            }
        },
        Xml::End("style") => styles.styles.extend(current.take()),
        Xml::End("list-style") => styles.lists.extend(list.take()),
        Xml::End("outline-style") => styles.outline = list.take().map(|(_, list)| list).unwrap_or_default(),
        _ => {}
    })
}

fn new_style(element: &Element<'_>) -> (String, Style) {
    let family = element.attribute("family").unwrap_or_default();
    let name = element.attribute("name").unwrap_or_default();
    let style = Style {
        parent: element.attribute("parent-style-name"),
        list: element.attribute("list-style-name"),
        display_name: element.attribute("display-name").unwrap_or_default(),
        ..Style::default()
    };
    (format!("{family}/{name}"), style)
}

impl Style {
    fn set(&mut self, element: &Element<'_>) {
        match element.name {
            "text-properties" => {
                self.hidden = element.attribute("display").map(|display| display == "none").or(self.hidden);
                let position = element.attribute("text-position");
                self.raised = position.map(|it| it.starts_with("super") || is_up(&it)).or(self.raised);
                let size = element.attribute("font-size");
                let size = size.and_then(|size| size.strip_suffix("pt")?.parse::<f64>().ok());
                self.tiny = size.map(|size| size <= 1.5).or(self.tiny);
            }
            "paragraph-properties" => {
                self.breaks_page =
                    element.attribute("break-before").map(|it| it == "page").or(self.breaks_page);
            }
            "drawing-page-properties" => {
                self.invisible |= element.attribute("visibility").as_deref() == Some("hidden");
            }
            "table-properties" => self.invisible |= element.attribute("display").as_deref() == Some("false"),
            _ => {}
        }
    }
}

/// Whether a position such as `33% 58%` lifts the text.
fn is_up(position: &str) -> bool {
    let percent = position.split_whitespace().next().and_then(|first| first.strip_suffix('%'));
    percent.and_then(|percent| percent.parse::<f64>().ok()).is_some_and(|percent| percent > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_inherit_and_circles_end() {
        let xml = "<s><style:style style:name='a' style:family='text' style:parent-style-name='b'/><style:style \
                   style:name='b' style:family='text' style:parent-style-name='a'><style:text-properties \
                   text:display='none' style:text-position='33% 58%'/></style:style></s>";
        let mut styles = Styles::default();
        read_styles(xml, &mut styles).unwrap();
        assert_eq!(styles.is_hidden("text", "a"), Some(true));
        assert_eq!(styles.is_hidden("paragraph", "a"), None);
        assert_eq!(styles.is_raised("a"), Some(true));
        assert_eq!(styles.is_tiny("text", "a"), None);
    }
}
