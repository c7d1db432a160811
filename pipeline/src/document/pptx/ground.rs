//! Whether something may lie below the text of a slide, so that white letters can be seen.

use crate::document::{office::white::is_white, xml::Element};

/// The grounds of a slide, a layout or a master: fills, pictures, charts, a background that is not white.
#[derive(Debug, Default)]
pub(super) struct Ground {
    count: usize,
    in_background: bool,
    in_fill: bool,
    lines: usize,
}

impl Ground {
    /// Whether nothing but white lies below the text.
    pub(super) const fn is_white(&self) -> bool {
        self.count == 0
    }

    pub(super) fn start(&mut self, element: &Element<'_>) {
        let value = || element.attribute("val").unwrap_or_default();
        let is_ground = match element.name {
            "bg" => {
                self.in_background = true;
                false
            }
            "spPr" | "grpSpPr" | "tcPr" => {
                self.in_fill = true;
                false
            }
            "ln" => {
                self.lines += 1;
                false
            }
            "blip" | "chart" | "relIds" => true,
            "gradFill" | "pattFill" | "blipFill" | "grpFill" => {
                self.in_background || self.in_fill && self.lines == 0
            }
            "solidFill" => self.in_fill && self.lines == 0,
            "schemeClr" => self.in_background && value() != "bg1",
            "srgbClr" => self.in_background && !is_white(&value()),
            "prstClr" | "sysClr" => self.in_background,
            // The style of a shape fills it, unless it says 0.
            "fillRef" => element.attribute("idx").is_none_or(|index| index != "0"),
            "clrMap" | "overrideClrMapping" => element.attribute("bg1").is_some_and(|colour| colour != "lt1"),
            _ => false,
        };
        self.count += usize::from(is_ground);
    }

    pub(super) fn end(&mut self, name: &str) {
        match name {
            "bg" => self.in_background = false,
            "spPr" | "grpSpPr" | "tcPr" => self.in_fill = false,
            "ln" => self.lines = self.lines.saturating_sub(1),
            _ => {}
        }
    }
}

/// Whether the light colour of a theme is white.
pub(super) fn has_white_light(theme: &str) -> bool {
    let light = theme.split_once("<a:lt1>").and_then(|(_, rest)| rest.split_once("</a:lt1>"));
    light.is_some_and(|(colour, _)| colour.to_ascii_uppercase().contains("FFFFFF"))
}
