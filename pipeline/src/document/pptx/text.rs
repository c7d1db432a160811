//! The text of a shape: runs with their looks, and paragraphs.

use super::run::Run;
use super::shape::Line;
use super::slide::Slide;
use crate::document::{
    content::{HiddenReason, LineRole},
    office::{symbols::shown, white::is_white},
    superscript::superscript,
    xml::Element,
};

/// Text of this size in hundredths of a point is too small to be read.
const TINY: u32 = 150;

impl Slide {
    pub(super) fn text_property(&mut self, element: &Element<'_>) {
        match element.name {
            "pPr" => self.paragraph.level = element.number("lvl").unwrap_or_default(),
            "buAutoNum" => {
                let kind = element.attribute("type").unwrap_or_default();
                self.paragraph.numbered = Some((kind, element.number("startAt").unwrap_or(1)));
            }
            "r" | "fld" => self.run = Run::default(),
            "srgbClr" | "schemeClr" if self.in_look => {
                let colour = element.attribute("val").unwrap_or_default();
                self.run.is_white = matches!(colour.as_str(), "bg1" | "lt1") || is_white(&colour);
            }
            // A darker shade, or letters with an outline.
            "lumMod" | "shade" | "alpha" | "ln" if self.in_look => self.run.is_white = false,
            "rPr" => {
                self.in_look = true;
                self.run.is_raised = element.number::<i32>("baseline").is_some_and(|baseline| baseline > 0);
                self.run.is_tiny = element.number::<u32>("sz").is_some_and(|size| size <= TINY);
            }
            "latin" | "sym" => self.run.font = element.attribute("typeface").unwrap_or_default(),
            _ => {}
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.pieces += 1;
        let raised = if self.run.is_raised { superscript(text) } else { None };
        let font = self.run.font.as_str();
        let sign = |c: char| shown(font, u32::from(c)).filter(|_| u32::from(c) >= 0xf000).unwrap_or(c);
        let text = raised.unwrap_or_else(|| text.chars().filter(|c| *c != '\u{ad}').map(sign).collect());
        if !text.trim().is_empty() {
            self.paragraph.has_white |= self.run.is_white;
            self.paragraph.has_other |= !self.run.is_white;
        }
        if self.run.is_tiny {
            self.paragraph.tiny.push_str(&text);
        } else {
            self.paragraph.text.push_str(&text);
        }
    }

    pub(super) fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        if !paragraph.tiny.trim().is_empty() {
            self.hidden.push((HiddenReason::Tiny, paragraph.tiny));
        }
        let text = paragraph.text.trim();
        if text.is_empty() {
            return;
        }
        let mut line = match paragraph.numbered {
            Some((kind, start)) => {
                let label = self.counter.next(paragraph.level, &kind, start);
                Line::new(format!("{label} {text}"), LineRole::ListItem)
            }
            None => {
                self.counter.unnumbered(paragraph.level);
                Line::new(text.to_owned(), LineRole::Text)
            }
        };
        line.is_white = paragraph.has_white && !paragraph.has_other;
        self.lines.push(line);
    }
}
