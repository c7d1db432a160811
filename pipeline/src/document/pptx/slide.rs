//! A slide as it is read: the texts of its shapes.

use super::autonumber::Counter;
use super::ground::Ground;
use super::run::{Paragraph, Run};
use super::shape::{Frame, Line, Part, Placeholder, Shape};
use crate::document::{
    content::{HiddenReason, LineRole},
    error::DocumentError,
    sections::row,
    xml::{Element, Xml, walk},
};

/// A group of shapes that is being read. The slide is the outermost one.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) shapes: Vec<Shape>,
    pub(super) frame: Option<Frame>,
    pub(super) hidden: Option<HiddenReason>,
}

/// The texts of a slide, with a block for each shape.
#[derive(Debug, Default)]
pub(super) struct Slide {
    pub(super) shapes: Vec<Shape>,
    pub(super) hidden: Vec<(HiddenReason, String)>,
    pub(super) is_hidden: bool,
    pub(super) pictures: usize,
    pub(super) objects: usize,
    /// The frames of placeholders.
    pub(super) placed: Vec<(Placeholder, Frame)>,
    pub(super) ground: Ground,
    // The state of the reader:
    drawings: Vec<(String, Vec<String>)>,
    pub(super) groups: Vec<Group>,
    shape: Option<Shape>,
    pub(super) lines: Vec<Line>,
    pub(super) counter: Counter,
    pub(super) paragraph: Paragraph,
    pub(super) run: Run,
    cells: Option<Vec<String>>,
    in_cell: bool,
    in_text: bool,
    /// Within the properties of a run.
    pub(super) in_look: bool,
    skipped: usize,
    choices: Vec<usize>,
    pub(super) pieces: usize,
}

impl Slide {
    pub(super) fn read(
        xml: &str,
        part: Part,
        drawings: Vec<(String, Vec<String>)>,
    ) -> Result<Self, DocumentError> {
        let mut slide = Self { drawings, groups: vec![Group::default()], ..Self::default() };
        walk(xml, |event| match event {
            Xml::Start(element) => slide.start(&element),
            Xml::End(name) => slide.end(name, part),
            Xml::Text(text) => {
                if slide.in_text && slide.skipped == 0 {
                    slide.push(text);
                }
            }
        })?;
        while slide.groups.len() > 1 {
            slide.end_group();
        }
        slide.shapes = slide.groups.pop().map(|group| group.shapes).unwrap_or_default();
        Ok(slide)
    }

    fn start(&mut self, element: &Element<'_>) {
        if self.skipped > 0 {
            self.skipped += 1;
            return;
        }
        self.ground.start(element);
        match element.name {
            "sld" => self.is_hidden = element.attribute("show").is_some_and(|it| it == "0" || it == "false"),
            "AlternateContent" => self.choices.push(self.pieces),
            "Choice" | "Fallback" if self.choices.last().is_some_and(|before| self.pieces > *before) => {
                self.skipped = 1;
            }
            "sp" | "graphicFrame" | "pic" | "cxnSp" => self.shape = Some(Shape::default()),
            "grpSp" => self.groups.push(Group::default()),
            "cNvPr" if element.attribute("hidden").is_some_and(|it| it == "1" || it == "true") => {
                let hidden = Some(HiddenReason::Marked);
                match (&mut self.shape, self.groups.last_mut()) {
                    (Some(shape), _) => shape.hidden = hidden,
                    (None, Some(group)) => group.hidden = hidden,
                    (None, None) => {}
                }
            }
            // A placeholder without a type holds content.
            "ph" => {
                let kind = element.attribute("type").unwrap_or_default();
                let index = element.number("idx").unwrap_or_default();
                if let Some(shape) = &mut self.shape {
                    shape.placeholder = Some(Placeholder { kind, index });
                }
            }
            "off" | "ext" => self.place(element),
            "chart" | "relIds" => self.drawing(element),
            "blip" => self.pictures += 1,
            "oleObj" => self.objects += 1,
            "t" => self.in_text = true,
            "br" => self.push("\n"),
            "tr" => self.cells = Some(Vec::new()),
            "tc" => {
                // The cell goes on with the one to its left, or with the one above it, which keeps its column.
                let goes_on = |side| element.attribute(side).is_some_and(|it| it == "1" || it == "true");
                let (left, above) = (goes_on("hMerge"), goes_on("vMerge"));
                self.in_cell = !left && !above;
                self.skipped = usize::from(!self.in_cell);
                if let Some(cells) = self.cells.as_mut().filter(|_| above && !left) {
                    cells.push(String::new());
                }
            }
            _ => self.text_property(element),
        }
    }

    /// Takes up the place or size of the shape, or of the group if no shape is open.
    fn place(&mut self, element: &Element<'_>) {
        let frame = match (&mut self.shape, self.groups.last_mut()) {
            (Some(shape), _) => &mut shape.frame,
            (None, Some(group)) => &mut group.frame,
            (None, None) => return,
        };
        if let (Some(left), Some(top)) = (element.number("x"), element.number("y")) {
            let known = frame.unwrap_or_default();
            *frame = Some(Frame { left, top, ..known });
        } else if let (Some(width), Some(height), Some(known)) =
            (element.number("cx"), element.number("cy"), *frame)
        {
            *frame = Some(Frame { width, height, ..known });
        }
    }

    fn drawing(&mut self, element: &Element<'_>) {
        let link = if element.name == "chart" { "id" } else { "dm" };
        let Some(id) = element.prefixed_attribute(link) else { return };
        let Some(at) = self.drawings.iter().position(|(known, _)| *known == id) else { return };
        let (_, lines) = self.drawings.swap_remove(at);
        self.pieces += 1;
        self.lines.extend(lines.into_iter().map(|line| {
            let role = if line.contains(" | ") { LineRole::TableRow } else { LineRole::Text };
            Line::new(line, role)
        }));
    }

    fn end(&mut self, name: &str, part: Part) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        self.ground.end(name);
        match name {
            "rPr" => self.in_look = false,
            "AlternateContent" => {
                self.choices.pop();
            }
            "t" => self.in_text = false,
            "r" | "fld" => self.run = Run::default(),
            "p" if self.in_cell => self.paragraph.text.push(' '),
            "p" => self.end_paragraph(),
            "tc" => {
                self.in_cell = false;
                let cell = std::mem::take(&mut self.paragraph.text);
                if let Some(cells) = &mut self.cells {
                    cells.push(cell);
                }
            }
            "tr" => {
                let line = row(&self.cells.take().unwrap_or_default());
                if !line.is_empty() {
                    self.lines.push(Line::new(line, LineRole::TableRow));
                }
            }
            "sp" | "graphicFrame" | "pic" | "cxnSp" => self.end_shape(part),
            "grpSp" if self.groups.len() > 1 => self.end_group(),
            _ => {}
        }
    }

    fn end_shape(&mut self, part: Part) {
        let lines = std::mem::take(&mut self.lines);
        self.counter = Counter::default();
        let Some(mut shape) = self.shape.take() else { return };
        if let (Some(placeholder), Some(frame)) = (&shape.placeholder, shape.frame) {
            self.placed.push((placeholder.clone(), frame));
        }
        let placeholder = shape.placeholder.as_ref();
        let is_running_header = placeholder.is_some_and(Placeholder::is_running_header);
        let is_body = placeholder.is_some_and(|placeholder| placeholder.kind == "body");
        if lines.is_empty() || is_running_header || (part == Part::Notes && !is_body) {
            return;
        }
        shape.blocks.push(lines);
        if let Some(group) = self.groups.last_mut() {
            group.shapes.push(shape);
        }
    }
}
