//! The elements and texts of a page, in the order of the page.

use std::borrow::Cow;

use html5ever::LocalName;

/// An element or a text.
#[derive(Debug)]
pub(super) struct Node {
    /// The node that holds this one. The first node holds itself.
    parent: u32,
    /// The first node behind this one and all that it holds.
    end: u32,
    /// The element before this one in the same parent, or the node itself, and how many elements there are up to this one.
    elder: u32,
    place: u32,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Text { start: u32, end: u32 },
    // Most elements have no attribute that is kept, and a page has a million elements at most.
    Element { name: LocalName, attributes: Option<Box<Attributes>> },
}

/// Names that are known stand here without a copy.
pub(super) type Attributes = Vec<(Cow<'static, str>, String)>;

/// A page: each node follows the one that holds it.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) nodes: Vec<Node>,
    text: String,
}

impl Page {
    pub(super) fn new() -> Self {
        let mut page = Self { nodes: Vec::new(), text: String::new() };
        page.add_element(0, LocalName::from("#page"), Vec::new());
        page
    }

    pub(super) fn add_element(&mut self, parent: usize, name: LocalName, attributes: Attributes) -> usize {
        let attributes = (!attributes.is_empty()).then(|| Box::new(attributes));
        self.add(parent, Data::Element { name, attributes });
        self.nodes.len() - 1
    }

    pub(super) fn add_text(&mut self, parent: usize, text: &str) {
        let start = short(self.text.len());
        self.text.push_str(text);
        self.add(parent, Data::Text { start, end: short(self.text.len()) });
    }

    fn add(&mut self, parent: usize, data: Data) {
        let elder = short(self.nodes.len());
        self.nodes.push(Node { parent: short(parent), end: 0, elder, place: 0, data });
    }

    /// Fills in where each node ends, after the last node.
    pub(super) fn finish(&mut self) {
        for index in (0..self.nodes.len()).rev() {
            let Some(node) = self.nodes.get_mut(index) else { continue };
            node.end = node.end.max(short(index + 1));
            let (parent, end) = (node.parent as usize, node.end);
            if parent != index
                && let Some(parent) = self.nodes.get_mut(parent)
            {
                parent.end = parent.end.max(end);
            }
        }
        self.count();
    }

    /// Fills in the place of each element among those of its parent.
    fn count(&mut self) {
        // The last element so far of each node.
        let mut last: Vec<Option<(u32, u32)>> = vec![None; self.nodes.len()];
        for (index, node) in self.nodes.iter_mut().enumerate().skip(1) {
            if matches!(node.data, Data::Text { .. }) {
                continue;
            }
            let Some(slot) = last.get_mut(node.parent as usize) else { continue };
            let (elder, place) = slot.unwrap_or((short(index), 0));
            (node.elder, node.place) = (elder, place + 1);
            *slot = Some((short(index), node.place));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn parent(&self, index: usize) -> usize {
        self.nodes.get(index).map_or(0, |node| node.parent as usize)
    }

    /// The first node behind a node and all that it holds.
    pub(super) fn end(&self, index: usize) -> usize {
        self.nodes.get(index).map_or(index, |node| node.end as usize).max(index + 1)
    }

    /// The element before an element in the same parent.
    pub(super) fn elder(&self, index: usize) -> Option<usize> {
        self.nodes.get(index).map(|node| node.elder as usize).filter(|elder| *elder != index)
    }

    /// The place of an element among those of its parent, from 1.
    pub(super) fn place(&self, index: usize) -> i64 {
        self.nodes.get(index).map_or(0, |node| i64::from(node.place))
    }

    /// Whether no element follows an element in the same parent.
    pub(super) fn is_last(&self, index: usize) -> bool {
        let end = self.end(self.parent(index));
        let mut next = self.end(index);
        while next < end {
            if !self.name(next).is_empty() {
                return false;
            }
            next = self.end(next);
        }
        true
    }

    /// The name of an element, or nothing for a text.
    pub(super) fn name(&self, index: usize) -> &str {
        match self.nodes.get(index).map(|node| &node.data) {
            Some(Data::Element { name, .. }) => name,
            _ => "",
        }
    }

    pub(super) fn attribute(&self, index: usize, name: &str) -> Option<&str> {
        match self.nodes.get(index).map(|node| &node.data) {
            Some(Data::Element { attributes, .. }) => {
                attributes.as_ref()?.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            }
            _ => None,
        }
    }

    pub(super) fn text(&self, index: usize) -> Option<&str> {
        match self.nodes.get(index).map(|node| &node.data) {
            Some(Data::Text { start, end }) => self.text.get(*start as usize..*end as usize),
            _ => None,
        }
    }

    /// The nodes that stand directly in a node.
    pub(super) fn children(&self, index: usize) -> impl Iterator<Item = usize> {
        let end = self.end(index);
        let mut next = index + 1;
        std::iter::from_fn(move || {
            let child = next;
            next = self.end(child);
            (child < end).then_some(child)
        })
    }

    /// The texts in a node, in one line.
    pub(super) fn line(&self, index: usize) -> String {
        self.words(index).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn words(&self, index: usize) -> impl Iterator<Item = &str> {
        (index..self.end(index)).filter_map(|inner| self.text(inner)).flat_map(str::split_whitespace)
    }
}

/// A number of nodes or bytes. A page of 25 MiB has fewer of both, entities included.
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
