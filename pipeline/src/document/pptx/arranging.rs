//! Puts the shapes of a slide in reading order, and makes its page.

use super::order::reading_order;
use super::places::Places;
use super::shape::{Frame, Line, Shape};
use super::slide::Slide;
use crate::document::{
    content::{HiddenReason, LineRole},
    raw::RawPage,
};

impl Slide {
    /// A group becomes one shape, with its texts in reading order.
    pub(super) fn end_group(&mut self) {
        let Some(group) = self.groups.pop() else { return };
        let shapes = in_order(group.shapes);
        let (seen, unseen): (Vec<Shape>, Vec<Shape>) =
            shapes.into_iter().partition(|shape| shape.hidden.or(group.hidden).is_none());
        for shape in unseen {
            let reason = shape.hidden.or(group.hidden).unwrap_or(HiddenReason::Marked);
            self.hidden.push((reason, shape.text()));
        }
        let blocks: Vec<Vec<Line>> = seen.into_iter().flat_map(|shape| shape.blocks).collect();
        if let (Some(outer), false) = (self.groups.last_mut(), blocks.is_empty()) {
            outer.shapes.push(Shape { frame: group.frame, blocks, ..Shape::default() });
        }
    }

    /// Puts the shapes in reading order, and sets those apart that lie outside the slide.
    pub(super) fn arrange(&mut self, places: &Places, size: Option<Frame>) {
        let mut shapes = std::mem::take(&mut self.shapes);
        for shape in &mut shapes {
            let placed = shape.placeholder.as_ref().and_then(|placeholder| places.frame(placeholder));
            shape.frame = shape.frame.or(placed);
            let is_outside = size.zip(shape.frame).is_some_and(|(slide, frame)| slide.is_outside(&frame));
            if is_outside && shape.hidden.is_none() {
                shape.hidden = Some(HiddenReason::Outside);
            }
        }
        for shape in in_order(shapes) {
            match shape.hidden {
                Some(reason) => self.hidden.push((reason, shape.text())),
                None => self.shapes.push(shape),
            }
        }
        if self.ground.is_white() && !places.has_ground {
            self.set_white_apart();
        }
    }

    /// White lines on nothing but white are hidden.
    fn set_white_apart(&mut self) {
        for block in self.shapes.iter_mut().flat_map(|shape| &mut shape.blocks) {
            let (white, seen): (Vec<Line>, Vec<Line>) = block.drain(..).partition(|line| line.is_white);
            self.hidden.extend(white.into_iter().map(|line| (HiddenReason::Colour, line.text)));
            *block = seen;
        }
        self.shapes.retain(|shape| shape.blocks.iter().any(|block| !block.is_empty()));
    }

    pub(super) fn title(&self) -> Option<String> {
        self.shapes.iter().find(|shape| shape.is_title()).map(Shape::text)
    }

    /// The slide as a page. The title comes first, wherever the file has it.
    pub(super) fn page(&self) -> RawPage {
        let mut page = RawPage::new(String::new());
        let title = self.shapes.iter().position(Shape::is_title);
        if let Some(title) = title.and_then(|at| self.shapes.get(at)) {
            page.push("\n\n", &title.text(), LineRole::Heading(1));
        }
        let others = self.shapes.iter().enumerate().filter(|(at, _)| Some(*at) != title);
        for block in others.flat_map(|(_, shape)| &shape.blocks) {
            for (at, line) in block.iter().enumerate() {
                page.push(if at == 0 { "\n\n" } else { "\n" }, &line.text, line.role);
            }
        }
        page
    }
}

/// Shapes in reading order. If one has no place, the order of the file stands.
fn in_order(shapes: Vec<Shape>) -> Vec<Shape> {
    let frames: Option<Vec<Frame>> = shapes.iter().map(|shape| shape.frame).collect();
    let Some(frames) = frames else { return shapes };
    let mut slots: Vec<Option<Shape>> = shapes.into_iter().map(Some).collect();
    reading_order(&frames).into_iter().filter_map(|at| slots.get_mut(at).and_then(Option::take)).collect()
}
