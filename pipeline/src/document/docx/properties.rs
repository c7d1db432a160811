//! The properties of paragraphs and runs.

use super::reading::Reading;
use super::run::is_shaded;
use super::styles::{Role, outline_level};
use crate::document::xml::Element;

impl Reading<'_> {
    /// Takes up a property of the current paragraph.
    pub(super) fn paragraph_property(&mut self, element: &Element<'_>) {
        if element.name == "pageBreakBefore" && element.is_on() {
            self.body.divide();
        }
        let styles = self.body.context.styles;
        self.with_paragraph(|paragraph| match element.name {
            "pStyle" => {
                paragraph.style_id = element.attribute("val").unwrap_or_default();
                paragraph.style = styles.get(&paragraph.style_id).cloned().unwrap_or_default();
            }
            "outlineLvl" => {
                paragraph.role = outline_level(element).map(Role::Heading).or(paragraph.role);
            }
            "numPr" => paragraph.in_list = true,
            "numId" => paragraph.list.id = element.attribute("val"),
            "ilvl" => paragraph.list.level = element.number("val"),
            // A large first letter stands in a frame of its own.
            "framePr" => {
                let drop_cap = element.attribute("dropCap");
                paragraph.joins_next |= drop_cap.is_some_and(|it| matches!(it.as_str(), "drop" | "margin"));
            }
            "shd" => paragraph.is_shaded = is_shaded(element),
            _ => {}
        });
    }

    /// Takes up a property of the current run.
    pub(super) fn run_property(&mut self, element: &Element<'_>) {
        let styles = self.body.context.styles;
        self.with_paragraph(|paragraph| {
            let Some(run) = paragraph.run() else { return };
            if element.name == "rStyle" {
                let style = element.attribute("val").and_then(|id| styles.get(&id));
                run.style = style.map(|style| style.look).unwrap_or_default();
            } else {
                run.look.set(element);
            }
        });
    }
}
