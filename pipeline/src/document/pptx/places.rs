//! The places that a layout and its master give to the texts of a slide.

use super::shape::{Frame, Placeholder};

/// The places of a layout and its master.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) own: Vec<(Placeholder, Frame)>,
    pub(super) master: Vec<(Placeholder, Frame)>,
    /// Something that is not white may lie below the text.
    pub(super) has_ground: bool,
}

impl Places {
    /// The frame for a placeholder: by its index, else by its kind.
    pub(super) fn frame(&self, placeholder: &Placeholder) -> Option<Frame> {
        let by_index = self.own.iter().find(|(own, _)| {
            own.index == placeholder.index && (own.index > 0 || own.is_title() == placeholder.is_title())
        });
        let same_kind = |own: &Placeholder| {
            own.kind == placeholder.kind
                || own.is_title() && placeholder.is_title()
                || matches!(own.kind.as_str(), "" | "body" | "obj")
                    && matches!(placeholder.kind.as_str(), "" | "body" | "obj" | "subTitle")
        };
        let by_kind = self.own.iter().chain(&self.master).find(|(own, _)| same_kind(own));
        by_index.or(by_kind).map(|(_, frame)| *frame)
    }
}
